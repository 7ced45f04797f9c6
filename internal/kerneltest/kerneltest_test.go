package kerneltest

import (
	"runtime/debug"
	"slices"
	"testing"
	"unsafe"
)

func TestGuardedFaultsBeyondItsEnd(t *testing.T) {
	for _, n := range []int{0, 1, 100, 70000} {
		b := Guarded(t, n)
		if len(b) != n {
			t.Fatalf("got %d bytes, want %d", len(b), n)
		}
		for i := range b {
			b[i] = 1
		}
		if !faults(func() { read = *(*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), n)) }) {
			t.Errorf("n=%d: the byte beyond the end can be read", n)
		}
	}
}

var read byte

func faults(f func()) (fault bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { fault = recover() != nil }()
	f()
	return
}

func TestUnaligned(t *testing.T) {
	for off := range 5 {
		p := Unaligned([]byte{1, 2, 3}, off)
		if got := int(address(p) % 64); got != off || !slices.Equal(p, []byte{1, 2, 3}) {
			t.Errorf("offset %d: got %d, %v", off, got, p)
		}
	}
}

func TestVariants(t *testing.T) {
	t.Setenv("QWQ_REQUIRE_KERNEL", "neon")
	var ran []string
	Variants(t, []string{"neon", "dotprod"}, func(_ *testing.T, v string) { ran = append(ran, v) })
	if want := []string{"generic", "neon", "dotprod"}; !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	fake := &fakeTB{TB: t}
	func() {
		defer func() { _ = recover() }()
		Require(fake, []string{"dotprod"})
	}()
	if !fake.failed {
		t.Error("a missing required kernel does not fail")
	}
}

// fakeTB records a Fatalf.
type fakeTB struct {
	testing.TB
	failed bool
}

func (f *fakeTB) Helper() {}

func (f *fakeTB) Fatalf(string, ...any) { f.failed = true; panic("fatal") }

func TestLengths(t *testing.T) {
	if got, want := Lengths(8), []int{0, 1, 7, 8, 9, 15, 16, 17, 44, 57}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
