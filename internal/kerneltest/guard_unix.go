//go:build unix

package kerneltest

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Guarded returns n zero bytes whose end is followed by an unmapped page: a
// kernel that reads or writes one byte beyond faults. Freed with the test.
func Guarded(t testing.TB, n int) []byte {
	t.Helper()
	page := unix.Getpagesize()
	body := (n + page - 1) / page * page
	m, err := unix.Mmap(-1, 0, body+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(m) })
	if err := unix.Mprotect(m[body:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return m[body-n : body : body]
}

// GuardedF32 is Guarded for n float32.
func GuardedF32(t testing.TB, n int) []float32 {
	t.Helper()
	b := Guarded(t, 4*n)
	if n == 0 {
		return []float32{}
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), n)
}
