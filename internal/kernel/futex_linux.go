package kernel

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

const (
	futexWaitPrivate = 0 | 128
	futexWakePrivate = 1 | 128
)

// futexWait parks the thread while *a is v, or returns for no reason. It is a
// system call as Go knows it (never RawSyscall): the thread gives up its
// processor, so the garbage collector need not wait for it.
func futexWait(a *atomic.Uint32, v uint32) {
	_, _, _ = syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(a)), futexWaitPrivate, uintptr(v), 0, 0, 0)
}

// futexWake wakes up to n threads parked on a.
func futexWake(a *atomic.Uint32, n int) {
	_, _, _ = syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(a)), futexWakePrivate, uintptr(n), 0, 0, 0)
}
