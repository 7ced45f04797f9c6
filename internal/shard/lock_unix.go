//go:build unix

package shard

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock takes the lock on f until it is closed: got, or busy because another
// process has it, or neither where the file system has no locks.
func lock(f *os.File) (got, busy bool) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	return err == nil, errors.Is(err, unix.EWOULDBLOCK)
}
