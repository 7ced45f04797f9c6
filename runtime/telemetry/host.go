package telemetry

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"periph.io/x/conn/v3/driver/driverreg"
	"periph.io/x/host/v3/distro"
	"periph.io/x/host/v3/sysfs"
)

// throttledFiles is where kernels show the firmware's throttle word, in hex.
var throttledFiles = []string{
	"sys/devices/platform/soc/soc:firmware/get_throttled",
	"sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled",
	"sys/devices/platform/soc/firmware/get_throttled",
}

// Host is the machine this runs on. Only periph's sysfs drivers are loaded:
// board drivers would map GPIO memory, which a reader has no business with.
func Host() Source {
	s := Source{Root: os.DirFS("/")}
	if _, err := driverreg.Init(); err == nil {
		for _, t := range sysfs.ThermalSensors {
			s.Sensors = append(s.Sensors, t)
		}
	}
	if m := distro.DTModel(); m != "<unknown>" {
		s.Board = m
	}
	s.Firmware = func() (uint32, error) { return firmware(s.Root, "/dev/vcio") }
	return s
}

// firmware reads the throttle word from sysfs, else from the firmware's
// mailbox device.
func firmware(root fs.FS, mailbox string) (uint32, error) {
	for _, name := range throttledFiles {
		b, err := fs.ReadFile(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		v, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(string(b)), "0x"), 16, 32)
		return uint32(v), err
	}
	return vcio(mailbox)
}
