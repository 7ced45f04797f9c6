package convert

import (
	"fmt"
	"io/fs"

	"github.com/qwq-edge/qwq/internal/cpu"
)

// fit compares what a model needs with what this machine, or the control group
// this process lives in, has left. root is the file system, for tests.
func fit(needed int64, root fs.FS) Fit {
	m := cpu.ReadMemory(root)
	f := Fit{Needed: needed, Available: int64(m.Free())}
	who, left := "this machine has", "available"
	if m.Limit > 0 && (m.Available == 0 || m.Free() < m.Available) {
		who, left = "the control group has", "left"
	}
	switch {
	case !m.Known():
		f.OK, f.Reason = true, "the memory of this machine is not known"
	case needed <= f.Available:
		f.OK, f.Reason = true, fmt.Sprintf("needs %s, %s %s %s", mib(needed), who, mib(f.Available), left)
	default:
		f.Reason = fmt.Sprintf("needs %s, %s only %s %s", mib(needed), who, mib(f.Available), left)
	}
	return f
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
