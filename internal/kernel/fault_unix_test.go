//go:build unix

package kernel

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

// TestTruncatedMapping: a file that shrinks under its mapping fails the call, in
// a worker or in the caller, and nothing else.
func TestTruncatedMapping(t *testing.T) {
	needFaultAddress(t)
	kerneltest.Variants(t, Variants(), func(t *testing.T, v string) {
		for _, threads := range []int{1, 2, 3} {
			for _, typ := range []quant.Type{quant.Q8_0, quant.F16, quant.F32, quant.Q4_0} {
				truncated(t, newPool(t, threads, v), typ)
			}
		}
	})
}

// needFaultAddress skips where the emulator does not say which address faulted:
// Go then takes the fault for a nil pointer.
func needFaultAddress(t *testing.T) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "empty"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	beyond, err := unix.Mmap(int(f.Fd()), 0, unix.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(beyond)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if _, ok := recover().(interface{ Addr() uintptr }); !ok {
			t.Skip("SIGBUS carries no address here (an emulator)")
		}
	}()
	copy(make([]byte, 1), beyond)
}

func truncated(t *testing.T, p *Pool, typ quant.Type) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	m := randomMatrix(t, r, typ, 600, 256)
	path := filepath.Join(t.TempDir(), "weights")
	if err := os.WriteFile(path, m.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := unix.Mmap(int(f.Fd()), 0, len(m.Data), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(data)
	mapped := m
	mapped.Data = data
	x, y, want := randomF32(r, 2, 256), newF32(2, 600), newF32(2, 600)
	if err := p.MatMul([]F32{want}, x, []quant.Matrix{mapped}, Fuse{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err := p.MatMul([]F32{y}, x, []quant.Matrix{mapped}, Fuse{})
		if err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Fatalf("%v, %d threads: got %v", typ, p.Threads(), err)
		}
		err = p.EmbedRows(newF32(1, 256), mapped, []int32{599})
		if err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Fatalf("embed %v: got %v", typ, err)
		}
		if err := p.MatMul([]F32{y}, x, []quant.Matrix{m}, Fuse{}); err != nil {
			t.Fatalf("after the fault: %v", err)
		}
		equalBits(t, "after the fault", y.Data, want.Data)
	}
}
