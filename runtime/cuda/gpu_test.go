package cuda

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// session does everything that a device can, and closes it.
func session(f *fake) (err error) {
	drv := f.Driver()
	infos, err := drv.Devices()
	if err != nil {
		return err
	}
	g, err := drv.Open(infos[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	m, err := g.Load("test", []byte("// ptx"))
	if err != nil {
		return err
	}
	if _, err := g.Function(m, "scale"); err != nil {
		return err
	}
	if err := g.Fits(1<<20, 0); err != nil {
		return err
	}
	staging, err := g.Pinned(64)
	if err != nil {
		return err
	}
	p, err := g.Alloc(1000)
	if err != nil {
		return err
	}
	src, dst := make([]byte, 1000), make([]byte, 1000)
	for i := range src {
		src[i] = byte(7 * i)
	}
	if err := g.upload(p, src, staging); err != nil {
		return err
	}
	if err := g.download(dst, p, staging); err != nil {
		return err
	}
	if !bytes.Equal(src, dst) {
		return errors.New("the bytes did not come back")
	}
	if g.Info.registers() {
		if _, err := g.Map(src); err != nil {
			return err
		}
	}
	if err := g.Release(p); err != nil {
		return err
	}
	return g.Sync()
}

// TestFailures lets every call of a session fail in turn: the error names the call,
// and nothing is left but what the failing call itself should have freed.
func TestFailures(t *testing.T) {
	whole := newFake(t)
	if err := session(whole); err != nil {
		t.Fatal(err)
	}
	whole.leaks()
	optional := 0
	for i, name := range whole.calls {
		f := newFake(t)
		f.failAt, f.with = i+1, NotPermitted
		err := session(f)
		if err == nil && name == "DeviceGetAttribute" {
			optional++
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.Result != NotPermitted || !strings.Contains(err.Error(), "not permitted now (800)") {
			t.Errorf("call %d, %s: error %v", i+1, name, err)
		}
		freeing := []string{"MemFree", "MemFreeHost", "MemHostUnregister", "ModuleUnload", "StreamDestroy", "PrimaryCtxRelease"}
		// Without its context nothing can be freed: it dies with the process.
		if last := name == "CtxSetCurrent" && i > slices.Index(whole.calls, "MemHostRegister"); !last && !slices.Contains(freeing, name) {
			f.leaks()
		}
	}
	if optional != 4 {
		t.Errorf("%d attributes may be missing, want 4", optional)
	}
}

func TestTarget(t *testing.T) {
	for _, c := range []struct {
		name          string
		major, minor  int32
		driver        int32
		target, wrong string
	}{
		{"Nano", 5, 3, 10020, "sm_53", ""},
		{"Xavier", 7, 2, 10020, "sm_72", ""},
		{"Orin", 8, 7, 11040, "sm_87", ""},
		{"Orin with JetPack 4", 8, 7, 10020, "", "CUDA 11.4 or newer, this one is for 10.2"},
		{"Ampere card", 8, 6, 12000, "sm_72", ""},
		{"Hopper", 9, 0, 12020, "compute_90", ""},
		{"Thor", 11, 0, 13000, "compute_90", ""},
		{"Kepler", 3, 5, 11040, "", "5.3 or newer"},
	} {
		f := newFake(t)
		f.name, f.major, f.minor, f.driver = c.name, c.major, c.minor, c.driver
		infos, err := f.Driver().Devices()
		if err != nil {
			t.Fatal(err)
		}
		g, err := f.Driver().Open(infos[0])
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) || infos[0].Usable || infos[0].Reason != err.Error() {
				t.Errorf("%s: error %v, info %+v", c.name, err, infos[0])
			}
			continue
		}
		if err != nil {
			t.Fatal(c.name, err)
		}
		if g.Target().Name != c.target || !infos[0].Usable {
			t.Errorf("%s: target %s, want %s", c.name, g.Target().Name, c.target)
		}
		if err := g.Close(); err != nil || g.Close() != nil {
			t.Error(err)
		}
		f.leaks()
		if _, err := g.Alloc(1); !errors.Is(err, errGPUClosed) {
			t.Errorf("%s: a closed device allocates: %v", c.name, err)
		}
	}
}

func TestNoDevice(t *testing.T) {
	f := newFake(t)
	f.devices = 0
	if _, err := f.Driver().Devices(); err == nil || !strings.Contains(err.Error(), "no CUDA device") {
		t.Error(err)
	}
	f = newFake(t)
	f.driver = 10010
	if _, err := f.Driver().Devices(); err == nil || !strings.Contains(err.Error(), "CUDA 10.1, 10.2 or newer") {
		t.Error(err)
	}
}

// TestNanoCopies: a Nano's driver never sees cuMemHostRegister.
func TestNanoCopies(t *testing.T) {
	f := newFake(t)
	f.name, f.major, f.minor, f.driver = "Nano", 5, 3, 10020
	if err := session(f); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(f.calls, "MemHostRegister") {
		t.Error("pages were registered")
	}
	infos, _ := f.Driver().Devices()
	g, err := f.Driver().Open(infos[0])
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if _, err := g.Map(make([]byte, 8)); err == nil || !strings.Contains(err.Error(), "weights are copied") {
		t.Error(err)
	}
}

func TestFits(t *testing.T) {
	f := newFake(t)
	infos, _ := f.Driver().Devices()
	g, err := f.Driver().Open(infos[0])
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	var b *BudgetError
	if err := g.Fits(8<<30, 0); !errors.As(err, &b) || b.Free != 8<<30 || b.Reserve != 512<<20 {
		t.Error(err)
	}
	if err := g.Fits(8<<30-512<<20, 0); err != nil {
		t.Error(err)
	}
	if err := g.Fits(1<<64-1, 0); err == nil {
		t.Error("everything fits")
	}
	if err := g.Release(12345); err == nil {
		t.Error("foreign memory is released")
	}
	if f.used() != 0 {
		t.Errorf("%d bytes taken to find out", f.used())
	}
}

// TestLog: what the driver's compiler says is part of the error.
func TestLog(t *testing.T) {
	f := newFake(t)
	infos, _ := f.Driver().Devices()
	g, err := f.Driver().Open(infos[0])
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	f.failAt, f.with = len(f.calls)+2, InvalidPTX
	if _, err := g.Load("gemv", []byte("x")); err == nil || !strings.Contains(err.Error(), "gemv for sm_87 on Orin") || !strings.Contains(err.Error(), "ptxas error: line 3") {
		t.Error(err)
	}
	if _, err := g.Load("gemv", nil); err != nil {
		t.Error(err)
	}
	if _, err := g.Function(g.modules[0], "nothing"); err == nil || !strings.Contains(err.Error(), "kernel nothing for sm_87") {
		t.Error(err)
	}
}
