//go:build linux && (amd64 || arm64 || arm)

package guard

import (
	"math"

	"golang.org/x/sys/unix"
)

// Descriptors is how many files and sockets may be open at a time; 0: not known.
func Descriptors() int {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0
	}
	return int(min(r.Cur, math.MaxInt32))
}
