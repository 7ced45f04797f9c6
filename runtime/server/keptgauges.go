package server

// kept tells of what is on disk for the next process.
func (s *Server) kept(e *exposition) {
	if s.hub.o.Store == nil {
		return
	}
	st := s.hub.o.Store.Stats()
	one := func(name, kind, help string, v float64) {
		e.family(name, kind, help)
		e.sample(v)
	}
	one("qwqd_state_bytes", "gauge", "Bytes of KV caches on disk.", float64(st.Bytes))
	one("qwqd_state_max_bytes", "gauge", "Bytes that these may have.", float64(st.MaxBytes))
	one("qwqd_state_snapshots", "gauge", "KV caches on disk.", float64(st.Snapshots))
	one("qwqd_state_sessions", "gauge", "Conversations that are kept.", float64(st.Sessions))
	one("qwqd_state_written_today_bytes", "gauge", "Bytes that were written to disk today, over restarts.", float64(st.Wear))
	one("qwqd_state_written_max_bytes", "gauge", "Bytes that may be written in a day.", float64(st.MaxWear))
	one("qwqd_state_writes_total", "counter", "KV caches that were written.", float64(st.Puts))
	one("qwqd_state_loads_total", "counter", "KV caches that were read in place of prompts.", float64(st.Loads))
	one("qwqd_state_evicted_total", "counter", "KV caches that made room for others.", float64(st.Evicted))
	one("qwqd_state_refused_total", "counter", "Writes that the bounds of space or of the day refused.", float64(st.Refused))
	one("qwqd_state_damaged_total", "counter", "Files that were not what they should be, and were deleted.", float64(st.Damaged))
}
