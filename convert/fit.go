package convert

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// fit compares what a model needs with what this machine, or the control group
// this process lives in, has left. root is the file system, for tests.
func fit(needed int64, root fs.FS) Fit {
	f := Fit{Needed: needed}
	avail, known := meminfo(root, "MemAvailable:")
	what := "this machine has available"
	if left, ok := cgroupLeft(root); ok && (!known || left < avail) {
		avail, known, what = left, true, "the control group has left"
	}
	f.Available = avail
	switch {
	case !known:
		f.OK, f.Reason = true, "the memory of this machine is not known"
	case needed <= avail:
		f.OK, f.Reason = true, fmt.Sprintf("needs %s, %s %s", mib(needed), what, mib(avail))
	default:
		f.Reason = fmt.Sprintf("needs %s, only %s is what %s", mib(needed), mib(avail), what)
	}
	return f
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// meminfo reads a line of /proc/meminfo, in bytes.
func meminfo(root fs.FS, key string) (int64, bool) {
	b, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, false
	}
	s := bufio.NewScanner(bytes.NewReader(b))
	for s.Scan() {
		if v, ok := strings.CutPrefix(s.Text(), key); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")), 10, 64)
			return n << 10, err == nil && n >= 0 && n < math.MaxInt64>>10
		}
	}
	return 0, false
}

// cgroupLeft is the smallest room that a limit of this process's control group,
// or one above it, leaves; page cache counts as room, it is given back. False
// when there is no limit.
func cgroupLeft(root fs.FS) (int64, bool) {
	b, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	left, found := int64(math.MaxInt64), false
	for line := range strings.Lines(string(b)) {
		p := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(p) != 3 {
			continue
		}
		base, limit, usage := "sys/fs/cgroup", "memory.max", "memory.current"
		if p[0] != "0" || p[1] != "" {
			if !strings.Contains(","+p[1]+",", ",memory,") {
				continue
			}
			base, limit, usage = "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
		}
		for dir := path.Clean("/" + p[2]); ; dir = path.Dir(dir) {
			at := path.Join(base, dir)
			if n, ok := room(root, at, limit, usage); ok {
				left, found = min(left, n), true
			}
			if dir == "/" {
				break
			}
		}
	}
	return left, found
}

// room is limit - usage + page cache of one control group.
func room(root fs.FS, dir, limit, usage string) (int64, bool) {
	most, ok := number(root, path.Join(dir, limit))
	if !ok || most >= 1<<60 {
		return 0, false
	}
	used, ok := number(root, path.Join(dir, usage))
	if !ok {
		return 0, false
	}
	b, _ := fs.ReadFile(root, path.Join(dir, "memory.stat"))
	for line := range strings.Lines(string(b)) {
		key, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		if key == "inactive_file" || key == "active_file" {
			if n, err := strconv.ParseInt(v, 10, 64); err == nil && n > 0 {
				used -= n
			}
		}
	}
	return min(most, max(0, most-used)), true
}

func number(root fs.FS, name string) (int64, bool) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // "max" is no limit
	return n, err == nil && n >= 0
}
