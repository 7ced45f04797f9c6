package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// slowClient is how long a write to a client may block before the client counts as
// gone.
const slowClient = 30 * time.Second

// events writes server-sent events (WHATWG HTML, section 9.2).
type events struct {
	w   http.ResponseWriter
	c   *http.ResponseController
	buf bytes.Buffer
}

func newEvents(w http.ResponseWriter) *events {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	return &events{w: w, c: http.NewResponseController(w)}
}

// send writes one event and flushes it. name may be empty.
func (e *events) send(name string, v any) error {
	e.buf.Reset()
	if name != "" {
		e.buf.WriteString("event: " + name + "\n")
	}
	e.buf.WriteString("data: ")
	if s, ok := v.(string); ok {
		e.buf.WriteString(s + "\n")
	} else if err := json.NewEncoder(&e.buf).Encode(v); err != nil {
		return err
	}
	e.buf.WriteByte('\n')
	return e.flush()
}

// flush writes what is in the buffer. A client that does not read it in time is gone.
func (e *events) flush() error {
	e.c.SetWriteDeadline(time.Now().Add(slowClient)) //nolint:errcheck // a test's writer has none
	if _, err := e.w.Write(e.buf.Bytes()); err != nil {
		return err
	}
	return e.c.Flush()
}
