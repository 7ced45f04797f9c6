package convert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/qwq-edge/qwq/internal/testdata"
)

func TestInspect(t *testing.T) {
	c := tinyLlama(100)
	dir := c.write(t, "BF16")
	want := int64(0)
	for _, m := range c.tensors {
		want += int64(len(m.v))
	}
	i, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if i.Architecture != "llama" || i.Parameters != want || i.BytesPerType["BF16"] != 2*want || i.Memory.Weights != 2*want || len(i.Tensors) != len(c.tensors) {
		t.Errorf("got %+v, want llama, %d parameters in BF16", i, want)
	}
	if i.Memory.Context != 128 || i.Memory.KV != 128*2*2*16*2*2 || i.Memory.Scratch <= 0 || i.Fit.Needed != i.Memory.Weights+i.Memory.KV+i.Memory.Scratch {
		t.Errorf("memory %+v, fit %+v", i.Memory, i.Fit)
	}
	b, _ := run(t, Options{Source: dir, Type: "q8_0"})
	g := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := os.WriteFile(g, b, 0o644); err != nil {
		t.Fatal(err)
	}
	j, err := InspectContext(g, 65)
	if err != nil {
		t.Fatal(err)
	}
	if j.Architecture != "llama" || j.Name != "tiny-llama" || j.Parameters != want || j.BytesPerType["Q8_0"] == 0 || j.BytesPerType["F32"] != 5*64*4 || j.Memory.Context != 65 || j.Memory.KV != i.Memory.KV {
		t.Errorf("got %+v", j)
	}
	for _, x := range j.Tensors {
		if x.Name == "blk.0.ffn_down.weight" && (x.Shape[0] != 64 || x.Shape[1] != 96 || x.Bytes != 64*96/32*34) {
			t.Errorf("%+v, want [64 96] in %d bytes", x, 64*96/32*34)
		}
	}
}

func TestInspectTied(t *testing.T) {
	i, err := Inspect(testdata.Shared(t, "goldens", "models", "qwen2-tiny", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	if i.Architecture != "qwen2" || i.Parameters != 476288 {
		t.Errorf("%s with %d parameters, want qwen2 with 476288", i.Architecture, i.Parameters)
	}
}

func TestFit(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	const mem = "MemTotal: 4096 kB\nMemAvailable:    2048 kB\n"
	v2 := fstest.MapFS{
		"proc/meminfo": file(mem), "proc/self/cgroup": file("0::/a/b\n"),
		"sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/b/memory.current": file("10\n"),
		"sys/fs/cgroup/a/memory.max": file("1000000\n"), "sys/fs/cgroup/a/memory.current": file("600000\n"),
		"sys/fs/cgroup/a/memory.stat": file("anon 5\ninactive_file 100000\n"),
	}
	v1 := fstest.MapFS{
		"proc/meminfo": file(mem), "proc/self/cgroup": file("5:cpu,cpuacct:/x\n3:memory:/x\n"),
		"sys/fs/cgroup/memory/x/memory.limit_in_bytes": file("9223372036854771712\n"), "sys/fs/cgroup/memory/x/memory.usage_in_bytes": file("1\n"),
		"sys/fs/cgroup/memory/memory.limit_in_bytes": file("300000\n"), "sys/fs/cgroup/memory/memory.usage_in_bytes": file("400000\n"),
	}
	for _, c := range []struct {
		name   string
		fs     fstest.MapFS
		needed int64
		want   Fit
		reason string
	}{
		{"fits", fstest.MapFS{"proc/meminfo": file(mem)}, 2 << 20, Fit{OK: true, Available: 2 << 20}, "needs 2.0 MiB, this machine has 2.0 MiB available"},
		{"too large", fstest.MapFS{"proc/meminfo": file(mem)}, 2<<20 + 1, Fit{Available: 2 << 20}, "this machine has only 2.0 MiB available"},
		{"unknown", fstest.MapFS{}, 5, Fit{OK: true}, "not known"},
		{"v2", v2, 500001, Fit{Available: 500000}, "the control group has only 0.5 MiB left"},
		{"v1", v1, 1, Fit{Available: 0}, "control group"},
	} {
		got := fit(c.needed, c.fs)
		if got.OK != c.want.OK || got.Available != c.want.Available || got.Needed != c.needed || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s: got %+v, want %+v and %q", c.name, got, c.want, c.reason)
		}
	}
}
