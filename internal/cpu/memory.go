package cpu

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// Memory is what the machine and this process's control group allow, in bytes.
// 0 means unknown, for Limit: no limit.
type Memory struct {
	Total     uint64 // MemTotal
	Available uint64 // MemAvailable: free and reclaimable
	Limit     uint64 // the tightest control group's limit
	Used      uint64 // what that group uses, reclaimable page cache not counted
}

// Known reports whether the system says anything about what is free.
func (m Memory) Known() bool { return m.Available > 0 || m.Limit > 0 }

// Free is what a new program can have: MemAvailable, or less where a control
// group allows less; 0 where that is not Known.
func (m Memory) Free() uint64 {
	if m.Limit == 0 {
		return m.Available
	}
	left := m.Limit - min(m.Used, m.Limit)
	if m.Available == 0 {
		return left
	}
	return min(m.Available, left)
}

// HostMemory is the Memory of the machine this runs on.
func HostMemory() Memory { return ReadMemory(os.DirFS("/")) }

// ReadMemory reads proc/ and sys/ of a root file system. What cannot be read is
// unknown.
func ReadMemory(root fs.FS) Memory {
	info := fields(root, "proc/meminfo")
	m := Memory{Total: info["MemTotal"] << 10, Available: info["MemAvailable"] << 10}
	b, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(b)) {
		p := strings.SplitN(strings.TrimSpace(line), ":", 3) // id:controllers:path
		if len(p) != 3 {
			continue
		}
		switch {
		case p[0] == "0" && p[1] == "":
			m.tighten(root, "sys/fs/cgroup", p[2], "memory.max", "memory.current", "")
		case strings.Contains(","+p[1]+",", ",memory,"):
			m.tighten(root, "sys/fs/cgroup/memory", p[2], "memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
		}
	}
	return m
}

// tighten walks from the process's group up to the root of the hierarchy and
// keeps the group with the least room. Inside a container the path may be the
// host's; the groups that are not visible are passed over. Version 1 counts a
// group's children under the prefix total_.
func (m *Memory) tighten(root fs.FS, base, group, limitFile, usedFile, prefix string) {
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		at := path.Join(base, dir)
		if limit, ok := readUint(root, path.Join(at, limitFile)); ok && limit < 1<<60 { // "max" and v1's huge number: none
			used, _ := readUint(root, path.Join(at, usedFile)) // unreadable: counted as unused
			stat := fields(root, path.Join(at, "memory.stat"))
			used -= min(used, stat[prefix+"inactive_file"]+stat[prefix+"active_file"]) // page cache is given back
			if m.Limit == 0 || limit-min(used, limit) < m.Limit-min(m.Used, m.Limit) {
				m.Limit, m.Used = limit, used
			}
		}
		if dir == "/" {
			return
		}
	}
}

// fields reads lines of "Name: 12 kB" or "name 12".
func fields(root fs.FS, name string) map[string]uint64 {
	out := map[string]uint64{}
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if v, err := strconv.ParseUint(f[1], 10, 50); err == nil {
			out[strings.TrimSuffix(f[0], ":")] = v
		}
	}
	return out
}

// readUint reads a file that holds one decimal number below 2^62.
func readUint(root fs.FS, name string) (uint64, bool) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	v, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 62)
	return v, err == nil
}
