package cpu

import (
	"runtime"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// board is a made-up big.LITTLE system: two fast cores, four small ones, and one
// fast core with two threads.
func board() fstest.MapFS {
	fs := fstest.MapFS{}
	put := func(name, text string) { fs[name] = &fstest.MapFile{Data: []byte(text + "\n")} }
	put("present", "0-5")
	for n, c := range []struct{ siblings, mhz, capacity string }{
		{"0", "1416000", "485"}, {"1", "1416000", "485"}, {"2", "1416000", "485"}, {"3", "1416000", "485"},
		{"4-5", "1800000", "1024"}, {"4-5", "1800000", "1024"},
	} {
		dir := "cpu" + string(rune('0'+n))
		put(dir+"/topology/core_cpus_list", c.siblings)
		put(dir+"/cpufreq/cpuinfo_max_freq", c.mhz)
		put(dir+"/cpu_capacity", c.capacity)
	}
	for n, c := range [][3]string{{"1", "Data", "32K"}, {"1", "Instruction", "48K"}, {"2", "Unified", "1M"}} {
		dir := "cpu0/cache/index" + string(rune('0'+n))
		put(dir+"/level", c[0])
		put(dir+"/type", c[1])
		put(dir+"/size", c[2])
	}
	return fs
}

func TestRead(t *testing.T) {
	var got Info
	got.read(board())
	want := Info{Physical: 5, L1D: 32 << 10, L2: 1 << 20, Clusters: []Cluster{
		{CPUs: []int{4, 5}, MaxMHz: 1800, Capacity: 1024}, {CPUs: []int{0, 1, 2, 3}, MaxMHz: 1416, Capacity: 485}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestReadNothing(t *testing.T) {
	var got Info
	got.read(fstest.MapFS{"present": {Data: []byte("x-2,7-,99999999")}})
	if d := cmp.Diff(Info{}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestDetect(t *testing.T) {
	i := Detect()
	if i.Logical < 1 || i.Arch != runtime.GOARCH {
		t.Errorf("got %+v", i)
	}
	if runtime.GOARCH == "arm64" && !slices.Contains(Kernels(), "neon") {
		t.Errorf("arm64 without neon: %v", i.Features)
	}
	for _, f := range i.Features {
		if !Has(f) {
			t.Errorf("Has(%q) is false", f)
		}
	}
	if Has("no such feature") {
		t.Error("has a feature that does not exist")
	}
}
