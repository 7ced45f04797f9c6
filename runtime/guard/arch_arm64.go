//go:build linux

package guard

import "golang.org/x/sys/unix"

const (
	arch = unix.AUDIT_ARCH_AARCH64
	x32  = 0
)

var archAllowed = []uint32{unix.SYS_MMAP, unix.SYS_FSTATAT, unix.SYS_GETRLIMIT, unix.SYS_FADVISE64}
