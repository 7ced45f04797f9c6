package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/qwq-edge/qwq/runtime/guard"
	"github.com/qwq-edge/qwq/runtime/telemetry"
)

// Options of a Server; the zero value works.
type Options struct {
	Log     *slog.Logger  // nil: nothing is logged
	Timeout time.Duration // of a request; 0: 30 minutes
	Version string
	Images  *os.Root                  // folder, opened by its absolute path, that images of file: URLs must lie in; nil: those are refused
	Guard   func() guard.State        // what is forbidden to the process; nil: not told
	Device  func() telemetry.Snapshot // what the machine says of itself; nil: nothing

	Gate    func(http.Handler) http.Handler // who may come in, behind the log; nil: everybody
	Metrics *Metrics                        // the hub's Events; nil: no /metrics
}

// Server answers requests with the models of a hub.
type Server struct {
	hub   *Hub
	o     Options
	mux   *http.ServeMux
	gate  http.Handler // leads to mux
	start time.Time
	big   chan struct{} // one for every request with a big body

	device lastLook
}

// New makes a server; Handler serves it.
func New(h *Hub, o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Minute
	}
	s := &Server{hub: h, o: o, mux: http.NewServeMux(), start: time.Now(), big: make(chan struct{}, mostBig)}
	s.routes()
	s.health()
	if s.gate = http.HandlerFunc(s.enter); o.Gate != nil {
		s.gate = o.Gate(s.gate)
	}
	return s
}

// Handler is the server's HTTP handler.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// userKey is the context key of the user whose connection a request came by.
type userKey struct{}

// WithUser says whose connection a context belongs to.
func WithUser(ctx context.Context, uid uint32) context.Context {
	return context.WithValue(ctx, userKey{}, uid)
}

func userOf(ctx context.Context) uint32 {
	uid, _ := ctx.Value(userKey{}).(uint32)
	return uid
}

// serve gives every request an id, a deadline and a line in the log.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > 128 {
		id = newID("req-")
	}
	w.Header().Set("X-Request-Id", id)
	if formOf(r) == formAnthropic {
		w.Header().Set("Request-Id", id)
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.o.Timeout)
	defer cancel()
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	http.NewResponseController(w).SetWriteDeadline(time.Time{}) //nolint:errcheck // what an earlier stream of the connection set; a test's writer has none
	began := time.Now()
	r = r.WithContext(ctx)
	s.answer(rec, r)
	if s.o.Metrics != nil {
		s.o.Metrics.request(r.Method, r.Pattern, rec.status)
	}
	line := []any{"id", id, "uid", userOf(ctx), "method", r.Method, "path", r.URL.Path, "status", rec.status, "bytes", rec.bytes, "ms", time.Since(began).Milliseconds()}
	if rec.err != nil {
		line = append(line, "error", rec.err.Error())
	}
	if p := (*panicError)(nil); errors.As(rec.err, &p) {
		line = append(line, "panic", fmt.Sprint(p.value), "stack", string(p.stack))
	}
	s.o.Log.Info("request", line...)
	linger(r, rec.status)
}

// answer serves a request. A panic, which is a bug of ours, ends that request alone.
func (s *Server) answer(w *recorder, r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			w.err = &panicError{v, debug.Stack()}
			if !w.wrote {
				refuse(w, r, w.err)
			}
		}
	}()
	s.gate.ServeHTTP(w, r)
}

// enter leads to the endpoints.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) {
	done, err := s.bigTurn(r.Context(), r)
	if err != nil {
		refuse(w, r, err)
		return
	}
	defer done()
	s.mux.ServeHTTP(w, r)
}

var errInternal = errors.New("internal error")

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	wrote  bool
	err    error // of the handler
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap serves http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// newID is a random name with a prefix.
func newID(prefix string) string {
	var b [12]byte
	rand.Read(b[:])
	return prefix + hex.EncodeToString(b[:])
}

// reply writes a whole answer.
func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // a value of ours that cannot be written
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)+1))
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(slowClient)) //nolint:errcheck // a test's writer has none
	w.WriteHeader(status)
	w.Write(append(b, '\n')) //nolint:errcheck // the client has gone
}
