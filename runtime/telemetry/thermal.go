package telemetry

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"periph.io/x/conn/v3/physic"
)

// Cooling is a device by which the kernel cools: a fan that turns faster, a processor
// whose clock is lowered (Documentation/driver-api/thermal/sysfs-api.rst).
type Cooling struct {
	Device      string // as in cooling_device0
	Type        string // as in cpufreq-cpu0, pwm-fan
	State, Most uint64 // 0: it does not cool
}

const thermalFolder = "sys/class/thermal"

// cooling reads the cooling devices of a root, in their order.
func cooling(root fs.FS) []Cooling {
	var out []Cooling
	for _, d := range numbered(root, thermalFolder, "cooling_device") {
		state, ok := readUint(root, path.Join(d, "cur_state"))
		most, ok2 := readUint(root, path.Join(d, "max_state"))
		if ok && ok2 {
			out = append(out, Cooling{path.Base(d), readText(root, path.Join(d, "type")), state, most})
		}
	}
	return out
}

// zones are the thermal zones of a root as sensors.
func zones(root fs.FS) []Sensor {
	var out []Sensor
	for _, d := range numbered(root, thermalFolder, "thermal_zone") {
		out = append(out, zone{root, d})
	}
	return out
}

// zone is a thermal zone's folder.
type zone struct {
	root fs.FS
	dir  string
}

func (z zone) String() string { return path.Base(z.dir) }

func (z zone) Type() string { return readText(z.root, path.Join(z.dir, "type")) }

// Sense implements Sensor.
func (z zone) Sense(e *physic.Env) error {
	milli, err := strconv.ParseInt(readText(z.root, path.Join(z.dir, "temp")), 10, 32)
	if err != nil {
		return err
	}
	if milli < -100_000 || milli > 250_000 {
		return errors.New("telemetry: not a temperature: " + strconv.FormatInt(milli, 10) + " m°C")
	}
	e.Temperature = physic.ZeroCelsius + physic.Temperature(milli)*physic.MilliKelvin
	return nil
}

// thermalEvents is how often the processors of a root slowed themselves down for heat,
// each package and core once; nil: they do not tell (only Intel's do).
func thermalEvents(root fs.FS) *uint64 {
	var sum uint64
	any := false
	seen := map[string]bool{}
	for _, d := range numbered(root, "sys/devices/system/cpu", "cpu") {
		pkg := readText(root, path.Join(d, "topology/physical_package_id"))
		core := pkg + "/" + readText(root, path.Join(d, "topology/core_id"))
		for _, x := range []struct{ file, whose string }{{"core_throttle_count", core}, {"package_throttle_count", pkg}} {
			n, ok := readUint(root, path.Join(d, "thermal_throttle", x.file))
			if !ok || seen[x.file+x.whose] { // siblings share a core's count
				continue
			}
			seen[x.file+x.whose], any = true, true
			sum += n
		}
	}
	if !any {
		return nil
	}
	return &sum
}

// numbered lists the entries of a folder that are a prefix and a number, by the number.
func numbered(root fs.FS, dir, prefix string) []string {
	list, err := fs.ReadDir(root, dir)
	if err != nil {
		return nil
	}
	type entry struct {
		n    int
		path string
	}
	var found []entry
	for _, d := range list {
		rest, ok := strings.CutPrefix(d.Name(), prefix)
		if n, err := strconv.Atoi(rest); ok && err == nil && n >= 0 {
			found = append(found, entry{n, path.Join(dir, d.Name())})
		}
	}
	slices.SortFunc(found, func(a, b entry) int { return a.n - b.n })
	out := make([]string, len(found))
	for i, f := range found {
		out[i] = f.path
	}
	return out
}

// readText reads a short file, "" where it cannot be read.
func readText(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil || len(b) > 256 {
		return ""
	}
	return strings.TrimSpace(string(b))
}
