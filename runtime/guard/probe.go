//go:build linux && (amd64 || arm64 || arm)

package guard

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// missing is what Confine and Seal did not find in the kernel: behind the filter it cannot
// be asked any more.
var missing struct{ landlock, seccomp string }

// Probe tries what must be refused.
func Probe() (s State) {
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	s.Landlock = errors.Is(err, unix.EACCES)
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	s.Seccomp = errors.Is(err, unix.EPERM)
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	s.NoNewPrivs = err == nil && len(tasks) > 0
	for _, name := range tasks {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		s.Seccomp = s.Seccomp && strings.Contains(string(b), "\nSeccomp:\t2")
		s.NoNewPrivs = s.NoNewPrivs && strings.Contains(string(b), "\nNoNewPrivs:\t1")
	}
	var why []string
	for _, x := range []struct {
		on            bool
		name, missing string
	}{{s.Landlock, "landlock", missing.landlock}, {s.Seccomp && len(tasks) > 0, "seccomp", missing.seccomp}} {
		if x.missing == "" {
			x.missing = x.name + " is not switched on, or does not hold"
		}
		if !x.on {
			why = append(why, x.missing)
		}
	}
	s.Seccomp = s.Seccomp && len(tasks) > 0
	s.Why = strings.Join(why, "; ")
	return s
}
