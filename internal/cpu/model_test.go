package cpu

import (
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
)

func TestReadModel(t *testing.T) {
	const pi = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\nprocessor\t: 1\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n"
	const mixed = pi + "CPU implementer\t: 0x41\nCPU part\t: 0xd05\n"
	for _, c := range []struct{ name, board, cpuinfo, want string }{
		{"nothing", "", "", ""},
		{"x86", "", "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nmodel name\t: AMD EPYC\n", "AMD EPYC"},
		{"board", "Raspberry Pi 5 Model B\x00", pi, "Raspberry Pi 5 Model B, 2 x 0x41/0xd0b"},
		{"big.LITTLE", "", mixed, "2 x 0x41/0xd0b, 1 x 0x41/0xd05"},
		{"endless", strings.Repeat("x", 5000), "", strings.Repeat("x", maxModel)},
		{"no text", "a\xff", "", "a?"},
	} {
		root := fstest.MapFS{"proc/cpuinfo": {Data: []byte(c.cpuinfo)}}
		if c.board != "" {
			root["sys/firmware/devicetree/base/model"] = &fstest.MapFile{Data: []byte(c.board)}
		}
		if got := ReadModel(root); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if got := Model(); got == "" && runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
		t.Error("no model name on this machine")
	}
}
