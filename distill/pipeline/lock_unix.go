//go:build unix

package pipeline

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lock keeps a second process out of the folder; the kernel lifts it when the
// process ends, however that happens. wait: until the other one is done.
func lock(path string, wait bool) (func(), error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	if err := unix.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: another process works in this folder: %w", path, err)
	}
	return func() { f.Close() }, nil
}
