package server

import (
	"net/http"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"

	"github.com/qwq-edge/qwq/runtime/sched"
	"github.com/qwq-edge/qwq/runtime/telemetry"
)

// metrics serves GET /metrics: what Options.Metrics counted, then what is now.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	e := &exposition{}
	s.o.Metrics.write(e)
	s.loaded(e)
	s.process(e)
	s.kept(e)
	s.hub.o.Safety.write(e)
	if s.o.Device != nil {
		machine(e, s.device.look(s.o.Device))
	}
	w.Header().Set("Content-Type", expositionType)
	w.Write(e.b) //nolint:errcheck // the client has gone
}

// loaded tells of the models in memory.
func (s *Server) loaded(e *exposition) {
	models := s.hub.Loaded()
	stats, used, total := make([]sched.Stats, len(models)), make([]int, len(models)), make([]int, len(models))
	for i, l := range models {
		stats[i] = l.Sched.Stats()
		used[i], total[i] = l.Model.Pages()
	}
	each := func(name, help string, f func(i int) float64) {
		e.family(name, "gauge", help)
		for i, l := range models {
			e.sample(f(i), "model", l.Name)
		}
	}
	each("qwqd_model_bytes", "Size of a loaded model's file, which is mapped.", func(i int) float64 { return float64(models[i].Model.Info().Bytes) })
	each("qwqd_queue_length", "Requests that wait for a place.", func(i int) float64 { return float64(stats[i].Waiting) })
	each("qwqd_running_requests", "Requests that have a place.", func(i int) float64 { return float64(stats[i].Running) })
	each("qwqd_kept_sequences", "Finished sequences whose KV cache is kept for prompts that begin alike.", func(i int) float64 { return float64(stats[i].Kept) })
	each("qwqd_kv_blocks_used", "Blocks of 64 positions of KV cache that hold something.", func(i int) float64 { return float64(used[i]) })
	each("qwqd_kv_blocks_free", "Blocks of KV cache that can still be taken.", func(i int) float64 { return float64(total[i] - used[i]) })
	each("qwqd_kv_block_bytes", "Size of a block of KV cache.", func(i int) float64 { return float64(models[i].pageBytes()) })
}

// process tells of this process, under the names that Prometheus's own libraries use.
func (s *Server) process(e *exposition) {
	e.family("qwqd_build_info", "gauge", "1, with the version.")
	e.sample(1, "version", s.o.Version, "go", runtime.Version())
	e.single("process_start_time_seconds", "gauge", "When the daemon started, in seconds since 1970.", float64(s.start.UnixMilli())/1000)
	if rss := resident(); rss > 0 {
		e.single("process_resident_memory_bytes", "gauge", "Memory of the process in RAM, mapped weights included.", float64(rss))
	}
	if b, err := os.ReadFile("/proc/self/status"); err == nil {
		if anon, ok := statusField(string(b), "RssAnon:"); ok {
			e.single("qwqd_anonymous_memory_bytes", "gauge", "Memory of the process in RAM that is no file's: KV cache, scratch, heap.", float64(anon<<10))
		}
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		e.single("process_open_fds", "gauge", "Open file descriptors.", float64(len(fds)-1)) // without the one that reads the folder
	}
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(sample)
	e.single("go_memory_heap_bytes", "gauge", "Objects on the heap.", float64(sample[0].Value.Uint64()))
	e.single("go_goroutines", "gauge", "Goroutines.", float64(sample[1].Value.Uint64()))
}

// statusField is a number of /proc/self/status, in KiB.
func statusField(text, name string) (uint64, bool) {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, name); ok {
			f := strings.Fields(v)
			if len(f) == 0 {
				return 0, false
			}
			n, err := strconv.ParseUint(f[0], 10, 50)
			return n, err == nil
		}
	}
	return 0, false
}

// machine tells of the board. What it does not say is left out.
func machine(e *exposition, s telemetry.Snapshot) {
	known := func(name, help string, v uint64) {
		if v > 0 {
			e.single(name, "gauge", help, float64(v))
		}
	}
	known("qwqd_memory_total_bytes", "Memory of the machine.", s.Memory.Total)
	known("qwqd_memory_available_bytes", "Memory that is free or can be reclaimed.", s.Memory.Available)
	known("qwqd_memory_limit_bytes", "The tightest limit of the daemon's control groups.", s.Memory.Limit)
	known("qwqd_memory_free_bytes", "Memory that a new program could have.", s.Memory.Free())
	if len(s.Temperatures) > 0 {
		e.family("qwqd_temperature_celsius", "gauge", "Temperature by sensor.")
		for _, t := range s.Temperatures {
			e.sample(t.Value.Celsius(), "sensor", t.Name)
		}
	}
	if len(s.Frequencies) > 0 {
		const hertz = 1e6 // physic counts µHz
		e.family("qwqd_cpu_frequency_hertz", "gauge", "Clock of each processor that tells.")
		for _, f := range s.Frequencies {
			e.sample(float64(f.Now)/hertz, "cpu", strconv.Itoa(f.CPU))
		}
		e.family("qwqd_cpu_frequency_max_hertz", "gauge", "The most that its clock can have.")
		for _, f := range s.Frequencies {
			if f.Max > 0 {
				e.sample(float64(f.Max)/hertz, "cpu", strconv.Itoa(f.CPU))
			}
		}
	}
	throttling(e, s)
}

func throttling(e *exposition, s telemetry.Snapshot) {
	if t := s.Throttle; t != nil {
		for _, x := range []struct {
			name, help string
			telemetry.Causes
		}{{"qwqd_throttled", "1 while the firmware slows the board down for this cause.", t.Now}, {"qwqd_throttled_since_boot", "1 where it did so since the board was started.", t.SinceBoot}} {
			e.family(x.name, "gauge", x.help)
			for _, c := range []struct {
				name string
				on   bool
			}{{"under_voltage", x.UnderVoltage}, {"frequency_capped", x.Capped}, {"throttled", x.Throttled}, {"soft_temperature_limit", x.SoftLimit}} {
				v := 0.0
				if c.on {
					v = 1
				}
				e.sample(v, "cause", c.name)
			}
		}
	}
	if len(s.Cooling) > 0 {
		e.family("qwqd_cooling_state", "gauge", "How far the kernel cools by a device, a fan's speed or a processor's lower clock.")
		for _, c := range s.Cooling {
			e.sample(float64(c.State), "device", c.Device, "type", c.Type)
		}
		e.family("qwqd_cooling_state_max", "gauge", "The most that qwqd_cooling_state can be.")
		for _, c := range s.Cooling {
			e.sample(float64(c.Most), "device", c.Device, "type", c.Type)
		}
	}
	if s.ThermalEvents != nil {
		e.single("qwqd_thermal_throttle_events_total", "counter", "Times that a processor slowed itself down for heat since it was started.", float64(*s.ThermalEvents))
	}
}
