// Package kerneltest helps to test kernels: buffers that end at an unmapped
// page, odd lengths, and a run of every variant that the machine offers. Only
// tests import it.
package kerneltest

import (
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// Variants runs f for "generic" and each available variant as a subtest. A
// variant named in QWQ_REQUIRE_KERNEL (a list with commas) that is not available
// fails the test, so that a continuous run cannot skip what it is there to prove.
func Variants(t *testing.T, available []string, f func(t *testing.T, variant string)) {
	t.Helper()
	Require(t, available)
	for _, v := range slices.Compact(append([]string{"generic"}, available...)) {
		t.Run(v, func(t *testing.T) { f(t, v) })
	}
}

// Require fails where QWQ_REQUIRE_KERNEL names a variant that is not available.
func Require(t testing.TB, available []string) {
	t.Helper()
	for name := range strings.SplitSeq(os.Getenv("QWQ_REQUIRE_KERNEL"), ",") {
		if name = strings.TrimSpace(name); name != "" && name != "generic" && !slices.Contains(available, name) {
			t.Fatalf("QWQ_REQUIRE_KERNEL names %q, available: %v", name, available)
		}
	}
}

// Lengths are counts that catch wrong tails of a kernel that works in blocks:
// 0, 1, and around one, two and several blocks.
func Lengths(block int) []int {
	list := []int{0, 1, block - 1, block, block + 1, 2*block - 1, 2 * block, 2*block + 1, 5*block + block/2, 7*block + 1}
	slices.Sort(list)
	return slices.Compact(list)
}

// Unaligned copies p to an address that is off bytes beyond a multiple of 64.
func Unaligned(p []byte, off int) []byte {
	buf := make([]byte, len(p)+64+off)
	start := (64 - int(address(buf)%64)) % 64
	dst := buf[start+off : start+off+len(p) : start+off+len(p)]
	copy(dst, p)
	return dst
}

func address(p []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(p))) }
