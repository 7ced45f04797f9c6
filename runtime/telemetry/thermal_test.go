package telemetry

import (
	"fmt"
	"os"
	"testing"
	"testing/fstest"

	"periph.io/x/conn/v3/physic"
)

// TestTrees: what is read of the files of a Raspberry Pi, a Jetson and a PC.
func TestTrees(t *testing.T) {
	for name, want := range map[string]string{
		"pi4":    "temperatures cpu-thermal=82.277°C; SoC 82.277°C; cooling pwm-fan 3/4; clocks 1GHz of 1.800GHz; throttle soft temperature limit, soft temperature limit; memory 3977588736 3268435968",
		"jetson": "temperatures AO-therm=48.500°C CPU-therm=41°C GPU-therm=39.500°C PMIC-Die=100°C thermal-fan-est=40.250°C; SoC 41°C; cooling gpu-balanced 0/5 cpu-balanced 2/7 pwm-fan 1/3; clocks; throttle -; memory 0 0",
		"pc":     "temperatures x86_pkg_temp=61°C; SoC 61°C; cooling; clocks; throttle -; memory 0 0; thermal events 18",
	} {
		t.Run(name, func(t *testing.T) {
			root := os.DirFS("testdata/" + name)
			s := Read(Source{Root: root, Firmware: func() (uint32, error) { return firmware(root, "/nowhere") }})
			got := "temperatures"
			for _, x := range s.Temperatures {
				got += fmt.Sprintf(" %s=%s", x.Name, x.Value)
			}
			soc, _ := s.SoC()
			got += fmt.Sprintf("; SoC %s; cooling", soc)
			for _, c := range s.Cooling {
				got += fmt.Sprintf(" %s %d/%d", c.Type, c.State, c.Most)
			}
			got += "; clocks"
			for _, f := range s.Frequencies {
				got += fmt.Sprintf(" %s of %s", f.Now, f.Max)
			}
			got += "; throttle "
			if s.Throttle != nil {
				got += s.Throttle.Now.String() + ", " + s.Throttle.SinceBoot.String()
			} else {
				got += "-"
			}
			got += fmt.Sprintf("; memory %d %d", s.Memory.Total, s.Memory.Available)
			if s.ThermalEvents != nil {
				got += fmt.Sprintf("; thermal events %d", *s.ThermalEvents)
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestHostileTree: files that are too long, no numbers or folders are no readings.
func TestHostileTree(t *testing.T) {
	s := Read(Source{Root: fstest.MapFS{
		"sys/class/thermal/thermal_zone0/temp/x":                     {},
		"sys/class/thermal/thermal_zone1/temp":                       {Data: make([]byte, 1<<20)},
		"sys/class/thermal/thermal_zone2/temp":                       {Data: []byte("99999999999999999999\n")},
		"sys/class/thermal/thermal_zone-1/temp":                      {Data: []byte("40000\n")},
		"sys/class/thermal/cooling_device0/cur_state":                {Data: []byte("1\n")},
		"sys/devices/system/cpu/cpu0/thermal_throttle/x":             {},
		"sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle": {Data: []byte("3\n")},
	}})
	if len(s.Temperatures)+len(s.Cooling) > 0 || s.ThermalEvents != nil {
		t.Errorf("%+v", s)
	}
	if err := (zone{fstest.MapFS{"z/temp": {Data: []byte("300000")}}, "z"}).Sense(&physic.Env{}); err == nil {
		t.Error("300 °C is a temperature")
	}
}
