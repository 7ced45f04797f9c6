//go:build linux

package guard

import "golang.org/x/sys/unix"

const (
	arch = unix.AUDIT_ARCH_X86_64
	x32  = 1 << 30
)

var archAllowed = []uint32{
	unix.SYS_MMAP, unix.SYS_NEWFSTATAT, unix.SYS_GETRLIMIT, unix.SYS_ARCH_PRCTL, unix.SYS_EPOLL_WAIT, unix.SYS_FADVISE64,
	// the older names, which Go's syscall package takes on this architecture
	unix.SYS_OPEN, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_READLINK, unix.SYS_UNLINK, unix.SYS_RMDIR, unix.SYS_MKDIR,
	unix.SYS_RENAME, unix.SYS_ACCESS, unix.SYS_CHMOD, unix.SYS_POLL,
}
