package server

import (
	"net/http"
	"time"
)

// stalled is how long a scheduler with work may stand still before the daemon counts
// as sick: one step on the slowest board takes seconds, not a minute.
const stalled = time.Minute

// health adds /healthz (the process works), /readyz (it takes requests), and /metrics.
func (s *Server) health() {
	if s.o.Metrics != nil {
		s.mux.HandleFunc("GET /metrics", s.metrics)
	}
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if d := s.hub.Stalled(); d > stalled {
			reply(w, http.StatusServiceUnavailable, map[string]any{"status": "stalled", "seconds": int(d.Seconds())})
			return
		}
		v := map[string]any{"status": "ok", "uptime_seconds": int(time.Since(s.start).Seconds())}
		if s.o.Guard != nil {
			v["guard"] = s.o.Guard()
		}
		reply(w, http.StatusOK, v)
	})
	s.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.hub.Closed() {
			reply(w, http.StatusServiceUnavailable, map[string]any{"status": "shutting down"})
			return
		}
		reply(w, http.StatusOK, map[string]any{"status": "ready"})
	})
}
