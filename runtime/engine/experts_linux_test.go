package engine

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// cachedPages says of each page of a file whether it is in the page cache.
func cachedPages(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Munmap(b); err != nil {
			t.Error(err)
		}
	}()
	in := make([]byte, (len(b)+os.Getpagesize()-1)/os.Getpagesize())
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&in[0]))); errno != 0 {
		t.Fatal(errno)
	}
	return in
}

// evict drops a file from the page cache.
func evict(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	for _, in := range cachedPages(t, path) {
		if in&1 != 0 {
			t.Skip("this file system keeps files in memory: fadvise DONTNEED left pages")
		}
	}
}

// TestExpertPages: after one token of a file that was not in memory, at most a
// tenth more pages of experts are than the chosen ones have, and two for each
// matrix; fetched whole, no less than all of theirs.
func TestExpertPages(t *testing.T) {
	const experts = 64
	path := modeltest.Write(t, modeltest.Spec{Arch: "qwen3moe", Type: quant.Q8_0, Layers: 4, Hidden: 256, FFN: 512, Heads: 4, KVHeads: 2, HeadDim: 64,
		Experts: experts, Used: 2, ExpertFFN: 512})
	for _, how := range []string{"demand", "auto"} {
		evict(t, path)
		m := load(t, path, Options{Experts: how, Threads: 2})
		chosen := map[string]map[int]bool{} // by tensor
		s := m.cache.New()
		out, err := m.mdl.Run(&model.Batch{IDs: []int32{5}, Seqs: []model.Span{{KV: s, N: 1, Causal: true}}, Observe: func(name string, e int, _ backend.Tensor) {
			if e >= 0 {
				if chosen[name] == nil {
					chosen[name] = map[int]bool{}
				}
				chosen[name][e] = true
			}
		}})
		if err != nil || len(out) != 1 {
			t.Fatal(len(out), err)
		}
		in := cachedPages(t, path)
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := arch.Lookup("qwen3moe")
		got, want, matrices := 0, 0, 0
		page := uint64(os.Getpagesize())
		count := func(lo, hi uint64) (n int) {
			for p := lo / page; p <= (hi-1)/page; p++ {
				n += int(in[p] & 1)
			}
			return n
		}
		for _, x := range f.Tensors() {
			if n, ok := a.Find(x.Name); !ok || !n.Stacked() {
				continue
			}
			if len(chosen[x.Name]) != 2 {
				t.Fatalf("%s: %d experts of a token", x.Name, len(chosen[x.Name]))
			}
			matrices++
			got += count(x.Offset, x.Offset+x.Size)
			size := x.Size / experts
			for e := range chosen[x.Name] {
				lo, hi := x.Offset+uint64(e)*size, x.Offset+uint64(e+1)*size
				pages := int((hi-1)/page - lo/page + 1)
				want += pages
				if n := count(lo, hi); n != pages {
					t.Errorf("%s: %s: %d of expert %d's %d pages were read", how, x.Name, n, e, pages)
				}
			}
		}
		t.Logf("%s: %d pages of experts in memory, the chosen ones have %d, of %d matrices", how, got, want, matrices)
		if limit := want*11/10 + 2*matrices; got > limit || matrices != 12 {
			t.Errorf("%s: %d pages of experts in memory, want at most %d", how, got, limit)
		}
		s.Release()
		m.Close()
		f.Close()
	}
}
