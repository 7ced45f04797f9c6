package cpu

import (
	"testing"
	"testing/fstest"
)

func TestMemory(t *testing.T) {
	const info = "MemTotal:        8000000 kB\nMemFree: 1 kB\nMemAvailable:    6000000 kB\n"
	const gib = 1 << 30
	for name, c := range map[string]struct {
		files map[string]string
		want  Memory
		free  uint64
	}{
		"no groups": {map[string]string{"proc/meminfo": info}, Memory{8000000 << 10, 6000000 << 10, 0, 0}, 6000000 << 10},
		"v2, the parent is tighter, cache not counted": {map[string]string{
			"proc/meminfo":                               info,
			"proc/self/cgroup":                           "0::/a.slice/b.service\n",
			"sys/fs/cgroup/a.slice/memory.max":           "2147483648\n",
			"sys/fs/cgroup/a.slice/memory.current":       "1610612736\n",
			"sys/fs/cgroup/a.slice/memory.stat":          "anon 5\ninactive_file 1000000000\nactive_file 73741824\n",
			"sys/fs/cgroup/a.slice/b.service/memory.max": "max\n",
		}, Memory{8000000 << 10, 6000000 << 10, 2 * gib, gib / 2}, gib + gib/2},
		"v2 in a container that sees only its own root": {map[string]string{
			"proc/meminfo":                 info,
			"proc/self/cgroup":             "0::/docker/0123\n",
			"sys/fs/cgroup/memory.max":     "1073741824",
			"sys/fs/cgroup/memory.current": "2147483648",
		}, Memory{8000000 << 10, 6000000 << 10, gib, 2 * gib}, 0},
		"v1": {map[string]string{
			"proc/meminfo":     info,
			"proc/self/cgroup": "4:cpu,cpuacct:/x\n3:memory:/x\n",
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "3221225472",
			"sys/fs/cgroup/memory/x/memory.usage_in_bytes": "1073741824",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712",
		}, Memory{8000000 << 10, 6000000 << 10, 3 * gib, gib}, 2 * gib},
		"limit only": {map[string]string{
			"proc/self/cgroup":         "0::/\nnonsense\n",
			"sys/fs/cgroup/memory.max": "1073741824",
		}, Memory{0, 0, gib, 0}, gib},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		got := ReadMemory(root)
		if !got.Known() {
			t.Errorf("%s: not known", name)
		}
		if got != c.want || got.Free() != c.free {
			t.Errorf("%s: got %+v free %d, want %+v free %d", name, got, got.Free(), c.want, c.free)
		}
	}
}

func TestMemoryUnknown(t *testing.T) {
	if m := ReadMemory(fstest.MapFS{}); m.Known() || m.Free() != 0 {
		t.Errorf("memory out of nothing: %+v", m)
	}
}
