//go:build linux

package guard

import "golang.org/x/sys/unix"

const (
	arch = unix.AUDIT_ARCH_ARM
	x32  = 0
	// armSetTLS and armCacheflush are ARM's own calls (asm/unistd.h).
	armCacheflush = 0xf0002
	armSetTLS     = 0xf0005
)

var archAllowed = []uint32{
	unix.SYS_MMAP2, unix.SYS_FSTAT64, unix.SYS_FSTATAT64, unix.SYS_STAT64, unix.SYS_LSTAT64, unix.SYS_FCNTL64, unix.SYS__LLSEEK,
	unix.SYS_FTRUNCATE64, unix.SYS_STATFS64, unix.SYS_FSTATFS64, unix.SYS_SENDFILE64, unix.SYS_UGETRLIMIT, unix.SYS_ARM_FADVISE64_64,
	unix.SYS_GETUID32, unix.SYS_GETEUID32, unix.SYS_GETGID32, unix.SYS_GETEGID32,
	unix.SYS_FUTEX_TIME64, unix.SYS_CLOCK_GETTIME64, unix.SYS_CLOCK_NANOSLEEP_TIME64, unix.SYS_TIMER_SETTIME64, unix.SYS_PPOLL_TIME64,
	unix.SYS_EPOLL_WAIT, unix.SYS_POLL, unix.SYS_OPEN, unix.SYS_READLINK, unix.SYS_UNLINK, unix.SYS_RMDIR, unix.SYS_MKDIR,
	unix.SYS_RENAME, unix.SYS_ACCESS, unix.SYS_CHMOD, armCacheflush, armSetTLS,
}
