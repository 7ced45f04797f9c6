// Package telemetry reads what a board says about itself: its temperatures,
// clock rates, throttling and memory. It only reads, opens no device that
// drives anything, and treats whatever is missing as "not available": a reading
// that fails is absent, never zero.
//
//	s := telemetry.Read(telemetry.Host())
//	if t, ok := s.SoC(); ok {
//		fmt.Println(t) // 48.312°C
//	}
package telemetry

import (
	"io/fs"
	"os"
	"path"
	"sort"
	"strconv"
	"strings"

	"periph.io/x/conn/v3/physic"

	"github.com/qwq-edge/qwq/internal/cpu"
)

// Sensor is one temperature sensor; periph's thermal sensors are.
type Sensor interface {
	String() string // the kernel's name, as in thermal_zone0
	Type() string   // what it measures, as in cpu-thermal
	Sense(*physic.Env) error
}

// Source is where readings come from. Its zero value has none.
type Source struct {
	Root     fs.FS                  // the file system, for proc/ and sys/; nil: nothing
	Sensors  []Sensor               // temperature sensors; nil: the thermal zones under Root
	Firmware func() (uint32, error) // the Raspberry Pi's throttle word; nil: not such a board
	Board    string                 // the device tree's model, "" when there is none
}

// Temperature is the reading of one sensor.
type Temperature struct {
	Name  string // type of the sensor, as in cpu-thermal
	Value physic.Temperature
}

// Frequency is the clock of one CPU. Max is 0 when unknown.
type Frequency struct {
	CPU      int
	Now, Max physic.Frequency
}

// Snapshot is everything that could be read at one moment.
type Snapshot struct {
	Board        string // "" when unknown
	Temperatures []Temperature
	Frequencies  []Frequency // one per online CPU that reports a clock
	Throttle     *Throttle   // nil: not available
	Cooling      []Cooling
	// ThermalEvents is how often the processors slowed themselves down for heat since they
	// were started; nil: not available.
	ThermalEvents *uint64
	Memory        cpu.Memory
}

// Read takes a snapshot. A reading that fails is left out.
func Read(s Source) Snapshot {
	if s.Sensors == nil && s.Root != nil {
		s.Sensors = zones(s.Root)
	}
	out := Snapshot{Board: s.Board, Temperatures: temperatures(s.Sensors)}
	if s.Root != nil {
		out.Cooling, out.ThermalEvents = cooling(s.Root), thermalEvents(s.Root)
		out.Frequencies = frequencies(s.Root)
		out.Memory = cpu.ReadMemory(s.Root)
	}
	if s.Firmware != nil {
		if w, err := s.Firmware(); err == nil {
			t := ParseThrottle(w)
			out.Throttle = &t
		}
	}
	return out
}

// SoC is the temperature of the processor: the first sensor whose type says
// so, else the first sensor.
func (s Snapshot) SoC() (physic.Temperature, bool) {
	for _, t := range s.Temperatures {
		name := strings.ToLower(t.Name)
		for _, mark := range []string{"cpu", "soc", "x86_pkg", "coretemp", "k10temp", "tj"} {
			if strings.Contains(name, mark) {
				return t.Value, true
			}
		}
	}
	if len(s.Temperatures) > 0 {
		return s.Temperatures[0].Value, true
	}
	return 0, false
}

func temperatures(sensors []Sensor) []Temperature {
	var out []Temperature
	seen := map[string]bool{}
	for _, s := range sensors {
		var e physic.Env
		if err := s.Sense(&e); err != nil || e.Temperature <= 0 {
			continue
		}
		name := s.Type()
		if name == "" || name == "<unknown>" {
			name = s.String()
		}
		if !seen[name] { // a zone shows up under thermal and under hwmon
			seen[name] = true
			out = append(out, Temperature{name, e.Temperature})
		}
	}
	return out
}

func frequencies(root fs.FS) []Frequency {
	dirs, err := fs.Glob(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq")
	if err != nil {
		return nil
	}
	var out []Frequency
	for _, d := range dirs {
		n, err := strconv.Atoi(strings.TrimPrefix(path.Base(path.Dir(d)), "cpu"))
		now, ok := readUint(root, path.Join(d, "scaling_cur_freq"))
		if err != nil || !ok {
			continue
		}
		limit, _ := readUint(root, path.Join(d, "cpuinfo_max_freq")) // 0 when absent: unknown
		out = append(out, Frequency{n, physic.Frequency(now) * physic.KiloHertz, physic.Frequency(limit) * physic.KiloHertz})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].CPU < out[j].CPU })
	return out
}

// readUint reads a file that holds one decimal number below 2^62.
func readUint(root fs.FS, name string) (uint64, bool) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	v, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 62)
	return v, err == nil
}

// PageSize is the size of a page of memory in bytes: 4096, 16384 on some
// Raspberry Pi 5 kernels, 65536 on some servers.
func PageSize() int { return os.Getpagesize() }
