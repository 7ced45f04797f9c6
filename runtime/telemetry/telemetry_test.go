package telemetry

import (
	"errors"
	"testing"
	"testing/fstest"

	"periph.io/x/conn/v3/physic"
)

// fake is a sensor with a fixed reading that counts how often it is asked.
type fake struct {
	name, kind string
	temp       physic.Temperature
	err        error
	asked      int
}

func (f *fake) String() string { return f.name }
func (f *fake) Type() string   { return f.kind }
func (f *fake) Sense(e *physic.Env) error {
	f.asked++
	e.Temperature = f.temp
	return f.err
}

func celsius(milli int64) physic.Temperature {
	return physic.ZeroCelsius + physic.Temperature(milli)*physic.MilliKelvin
}

func files(m map[string]string) fstest.MapFS {
	fs := fstest.MapFS{}
	for k, v := range m {
		fs[k] = &fstest.MapFile{Data: []byte(v)}
	}
	return fs
}

func TestRead(t *testing.T) {
	hot := &fake{"thermal_zone0", "cpu-thermal", celsius(71234), nil, 0}
	s := Read(Source{
		Board: "Raspberry Pi 4 Model B Rev 1.4",
		Sensors: []Sensor{
			&fake{"thermal_zone9", "gpu", celsius(65000), nil, 0},
			hot,
			&fake{"hwmon0", "cpu-thermal", celsius(71234), nil, 0},
			&fake{"hwmon1", "broken", 0, errors.New("no"), 0},
			&fake{"hwmon2", "<unknown>", celsius(30000), nil, 0},
		},
		Firmware: func() (uint32, error) { return 0x50005, nil },
		Root: files(map[string]string{
			"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq":  "600000\n",
			"sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq":  "1500000\n",
			"sys/devices/system/cpu/cpu10/cpufreq/scaling_cur_freq": "700000\n",
			"sys/devices/system/cpu/cpu2/cpufreq/scaling_cur_freq":  "x\n",
			"sys/devices/system/cpu/cpufreq/policy0":                "",
		}),
	})
	if soc, ok := s.SoC(); !ok || soc != celsius(71234) || soc.String() != "71.234°C" {
		t.Errorf("SoC %v %v, want 71.234°C", soc, ok)
	}
	if hot.asked != 1 {
		t.Errorf("the sensor was asked %d times, want once", hot.asked)
	}
	var names []string
	for _, x := range s.Temperatures {
		names = append(names, x.Name)
	}
	if len(names) != 3 || names[0] != "gpu" || names[1] != "cpu-thermal" || names[2] != "hwmon2" {
		t.Errorf("sensors %q", names)
	}
	want := []Frequency{{0, 600 * physic.MegaHertz, 1500 * physic.MegaHertz}, {10, 700 * physic.MegaHertz, 0}}
	if len(s.Frequencies) != 2 || s.Frequencies[0] != want[0] || s.Frequencies[1] != want[1] {
		t.Errorf("frequencies %v, want %v", s.Frequencies, want)
	}
	if s.Throttle == nil || s.Throttle.Now.String() != "under-voltage, throttled" || s.Throttle.SinceBoot.String() != "under-voltage, throttled" {
		t.Errorf("throttle %+v", s.Throttle)
	}
	if s.Board == "" {
		t.Error("the board's name is lost")
	}
}

func TestNothing(t *testing.T) {
	s := Read(Source{Firmware: func() (uint32, error) { return 0, errors.New("no firmware") }})
	if _, ok := s.SoC(); ok || s.Throttle != nil || len(s.Frequencies) > 0 || s.Memory.Free() != 0 {
		t.Errorf("readings out of nothing: %+v", s)
	}
}

func TestThrottle(t *testing.T) {
	for w, want := range map[uint32][2]string{
		0:       {"none", "none"},
		0x50000: {"none", "under-voltage, throttled"},
		0xE000A: {"frequency capped, soft temperature limit", "frequency capped, throttled, soft temperature limit"},
	} {
		got := ParseThrottle(w)
		if got.Now.String() != want[0] || got.SinceBoot.String() != want[1] || got.Now.Any() != (want[0] != "none") {
			t.Errorf("%#x: got %v / %v, want %v", w, got.Now, got.SinceBoot, want)
		}
	}
}

func TestFirmwareFile(t *testing.T) {
	got, err := firmware(files(map[string]string{throttledFiles[0]: "0x80008\n"}), "/nonexistent")
	if err != nil || got != 0x80008 {
		t.Errorf("got %#x, %v", got, err)
	}
	if _, err := firmware(files(map[string]string{throttledFiles[1]: "many\n"}), "/nonexistent"); err == nil {
		t.Error("a word that is no number was taken")
	}
	if _, err := firmware(files(nil), t.TempDir()+"/none"); err == nil {
		t.Error("no device, yet an answer")
	}
}
