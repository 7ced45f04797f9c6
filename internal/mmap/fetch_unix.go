//go:build unix

package mmap

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Fetch starts reading the pages of b, a part of a mapping, and does not wait.
// Failing is harmless: the pages are then read when touched.
func Fetch(b []byte) {
	if len(b) == 0 {
		return
	}
	page := uintptr(os.Getpagesize())
	p := unsafe.Pointer(unsafe.SliceData(b))
	lead := uintptr(p) % page
	_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Add(p, -int(lead))), len(b)+int(lead)), unix.MADV_WILLNEED)
}

// Waits is how often this process has waited for a page to be read from a file
// or a swap device: its major faults.
func Waits() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return int64(u.Majflt)
}
