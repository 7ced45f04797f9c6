package cuda

import (
	"bytes"
	"fmt"
)

// Info describes a device.
type Info struct {
	Ordinal    int    `json:"ordinal"`
	Name       string `json:"name"`
	Major      int    `json:"-"` // compute capability
	Minor      int    `json:"-"`
	SM         string `json:"sm"`     // "sm_87"
	Memory     uint64 `json:"memory"` // bytes; an integrated one shares them with the CPU
	Integrated bool   `json:"integrated"`
	Driver     string `json:"driver"` // the newest CUDA that the driver knows, "12.6"
	Processors int    `json:"multiprocessors"`
	ClockHz    uint64 `json:"clock_hz"`    // the highest
	MemoryRate uint64 `json:"memory_rate"` // bytes/s by clock and bus width; 0: the driver does not say
	Usable     bool   `json:"usable"`
	Reason     string `json:"reason,omitempty"` // why not

	version  int  // of the driver: 1000*major + 10*minor
	register bool // pages of the host can be mapped
	shared   int  // bytes of a block
}

// Target is a build of the kernels and what it asks for.
type Target struct {
	Name   string // "sm_87", "compute_90"
	SM     int    // 10*major + minor of the compute capability
	PTX    string // version of the PTX text
	Driver int    // the oldest driver that accepts it
}

// targets are the builds of the kernels, best last. A device takes the best that
// is not above its own capability: PTX runs on every newer one.
var targets = []Target{
	{Name: "sm_53", SM: 53, PTX: "6.5", Driver: 10020},
	{Name: "sm_72", SM: 72, PTX: "6.5", Driver: 10020},
	{Name: "sm_87", SM: 87, PTX: "7.4", Driver: 11040},
	{Name: "compute_90", SM: 90, PTX: "7.8", Driver: 11080},
}

// target is the build that a device runs, or what is missing.
func (i *Info) target() (Target, error) {
	sm := 10*i.Major + i.Minor
	for k := len(targets) - 1; k >= 0; k-- {
		t := targets[k]
		if t.SM > sm {
			continue
		}
		if i.version < t.Driver {
			return Target{}, fmt.Errorf("cuda: %s (%s) needs a driver for CUDA %s or newer, this one is for %s: install the JetPack or driver that docs/cuda.md names",
				i.Name, i.SM, version(t.Driver), i.Driver)
		}
		return t, nil
	}
	return Target{}, fmt.Errorf("cuda: %s is %s: the kernels need compute capability 5.3 or newer", i.Name, i.SM)
}

func version(v int) string { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) }

// oldest is the driver below which the functions in use are missing.
const oldest = 10020

// Devices lists what the driver has, usable or not. No device at all is an error.
func (d *Driver) Devices() ([]Info, error) {
	if err := failed("cuInit", d.Init(0), ""); err != nil {
		return nil, err
	}
	v, n := new(int32), new(int32)
	if err := failed("cuDriverGetVersion", d.DriverGetVersion(v), ""); err != nil {
		return nil, err
	}
	if *v < oldest {
		return nil, fmt.Errorf("cuda: the driver is for CUDA %s, %s or newer is needed (JetPack 4.6 has it)", version(int(*v)), version(oldest))
	}
	if err := failed("cuDeviceGetCount", d.DeviceGetCount(n), ""); err != nil {
		return nil, err
	}
	if *n < 1 {
		return nil, failed("cuDeviceGetCount", NoDevice, "")
	}
	var out []Info
	for i := range int(*n) {
		info, err := d.describe(i, int(*v))
		if err != nil {
			return nil, err
		}
		out = append(out, info)
	}
	return out, nil
}

func (d *Driver) describe(ordinal, driver int) (Info, error) {
	dev, total := new(int32), new(uint64)
	if err := failed("cuDeviceGet", d.DeviceGet(dev, int32(ordinal)), "device %d", ordinal); err != nil {
		return Info{}, err
	}
	name := make([]byte, 256)
	if err := failed("cuDeviceGetName", d.DeviceGetName(&name[0], int32(len(name)), *dev), "device %d", ordinal); err != nil {
		return Info{}, err
	}
	if err := failed("cuDeviceTotalMem", d.DeviceTotalMem(total, *dev), "device %d", ordinal); err != nil {
		return Info{}, err
	}
	name, _, _ = bytes.Cut(name, []byte{0})
	i := Info{Ordinal: ordinal, Name: string(name), Memory: *total, version: driver, Driver: version(driver)}
	var integrated, register, clock, memClock, bus int
	for _, a := range []struct {
		id       Attribute
		to       *int
		optional bool
	}{
		{attrMajor, &i.Major, false}, {attrMinor, &i.Minor, false}, {attrMultiprocessors, &i.Processors, false}, {attrIntegrated, &integrated, false},
		{attrSharedPerBlock, &i.shared, false}, {attrClock, &clock, true}, {attrMemoryClock, &memClock, true}, {attrBusWidth, &bus, true}, {attrHostRegister, &register, true},
	} {
		value := new(int32)
		r := d.DeviceGetAttribute(value, a.id, *dev)
		if r != Success && !a.optional {
			return Info{}, failed("cuDeviceGetAttribute", r, "device %d, attribute %d", ordinal, a.id)
		}
		if r == Success {
			*a.to = int(*value)
		}
	}
	i.SM, i.Integrated, i.register = fmt.Sprintf("sm_%d%d", i.Major, i.Minor), integrated != 0, register != 0
	i.ClockHz = uint64(clock) * 1000
	i.MemoryRate = 2 * uint64(memClock) * 1000 * uint64(bus) / 8 // double data rate
	if _, err := i.target(); err != nil {
		i.Reason = err.Error()
	} else {
		i.Usable = true
	}
	return i, nil
}

// registers says whether weights may be used in the mapping's own pages. A Nano
// (CUDA 10.2) accepts the call for anonymous memory alone and reads without a
// cache; there and on discrete devices weights are copied.
func (i *Info) registers() bool {
	return i.Integrated && i.register && 10*i.Major+i.Minor >= 72 && i.version >= 11040
}
