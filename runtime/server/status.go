package server

import (
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/kvcache"
	"github.com/qwq-edge/qwq/runtime/telemetry"
)

// status serves GET /qwq/v1/status. It loads nothing and waits for no step.
func (s *Server) status(w http.ResponseWriter, _ *http.Request) error {
	out := api.Status{Version: s.o.Version, UptimeSeconds: time.Since(s.start).Seconds(), Models: []api.ModelStatus{}}
	for _, l := range s.hub.Loaded() {
		out.Models = append(out.Models, l.status())
	}
	if s.o.Device != nil {
		out.Device = device(s.device.look(s.o.Device))
	}
	reply(w, http.StatusOK, out)
	return nil
}

func (l *Loaded) status() api.ModelStatus {
	i, n := l.Model.Info(), l.Sched.Stats()
	used, total := l.Model.Pages()
	page := l.pageBytes()
	return api.ModelStatus{
		Name: l.Name, Architecture: i.Architecture, Parameters: i.Parameters, Quantization: l.Quant, Bytes: i.Bytes,
		Context: l.Model.Context(), Template: l.Template != nil, Encoder: i.Encoder, Since: l.Since.UTC(),
		KVBytes: int64(used) * page, KVBytesTotal: int64(total) * page,
		Running: n.Running, Waiting: n.Waiting,
		Finished: n.Finished, Failed: n.Failed, Cancelled: n.Cancelled, Refused: n.Refused,
		PromptTokens: n.PromptTokens, CachedTokens: n.CachedTokens, Generated: n.GeneratedTokens,
		Drafted: n.DraftedTokens, DraftAccepted: n.AcceptedDrafted,
	}
}

// pageBytes is the size of a block of KV cache.
func (l *Loaded) pageBytes() int64 { return kvcache.PagePositions * l.Model.Info().KVBytes }

// freshDevice is how old a look at the machine may be: a sensor on a slow bus takes
// milliseconds to read, and any number of pages may ask.
const freshDevice = 500 * time.Millisecond

// lastLook keeps what was seen of the machine.
type lastLook struct {
	mu   sync.Mutex
	at   time.Time
	seen telemetry.Snapshot
}

func (d *lastLook) look(read func() telemetry.Snapshot) telemetry.Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at.IsZero() || time.Since(d.at) > freshDevice {
		d.seen, d.at = read(), time.Now()
	}
	return d.seen
}

func device(s telemetry.Snapshot) *api.DeviceStatus {
	m := s.Memory
	out := &api.DeviceStatus{
		Board: s.Board, System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Clocks: []api.Clock{},
		Memory: api.MemoryStatus{Total: m.Total, Available: m.Available, Limit: m.Limit, Free: m.Free(), Process: resident()},
	}
	if t, ok := s.SoC(); ok {
		v := t.Celsius()
		out.Temperature = &v
	}
	for _, f := range s.Frequencies {
		out.Clocks = append(out.Clocks, api.Clock{MHz: float64(f.Now) / 1e12, Max: float64(f.Max) / 1e12}) // physic counts µHz
	}
	if t := s.Throttle; t != nil {
		out.Throttling = &api.ThrottleState{Now: t.Now.String(), SinceBoot: t.SinceBoot.String()}
	}
	return out
}

// resident is the memory of this process that is in RAM, in bytes; 0: unknown.
func resident() uint64 {
	b, err := os.ReadFile("/proc/self/statm") // sizes in pages: all, resident, …
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	n, err := strconv.ParseUint(f[1], 10, 50)
	if err != nil {
		return 0
	}
	return n * uint64(os.Getpagesize())
}
