package kvcache

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// memStore is a KVStore over plain memory. Entry (position, run) of a page is
// one F32 row, so tests can write and read single positions.
type memStore struct {
	spec  backend.KVSpec
	pages [][]byte
	fail  bool // CopyPage
}

func newStore(pages int) *memStore {
	return &memStore{spec: backend.KVSpec{Type: quant.F32, Layers: 2, Heads: 1, Dim: 1, Pages: pages}}
}

func (m *memStore) Spec() backend.KVSpec { return m.spec }
func (m *memStore) PageBytes() int {
	return m.spec.Layers * m.spec.Heads * 2 * PagePositions * 4 * m.spec.Dim
}
func (m *memStore) Grow(n int) error {
	if n > m.spec.Pages {
		return fmt.Errorf("grow to %d of %d", n, m.spec.Pages)
	}
	for len(m.pages) < n {
		m.pages = append(m.pages, bytes.Repeat([]byte{0xEE}, m.PageBytes()))
	}
	return nil
}
func (m *memStore) CopyPage(dst, src int32) error {
	if m.fail {
		return errors.New("copy failed")
	}
	copy(m.pages[dst], m.pages[src])
	return nil
}
func (m *memStore) ReadPage(id int32, p []byte) error  { copy(p, m.pages[id]); return nil }
func (m *memStore) WritePage(id int32, p []byte) error { copy(m.pages[id], p); return nil }

// put writes value v at a position in every run of the page, as a step would.
func put(s *Seq, pos int, v byte) {
	m := s.c.store.(*memStore)
	p := m.pages[s.pages[pos/PagePositions]]
	for run := 0; run < len(p); run += PagePositions * 4 {
		p[run+pos%PagePositions*4] = v
	}
}

func get(s *Seq, pos int) byte {
	return s.c.store.(*memStore).pages[s.pages[pos/PagePositions]][pos%PagePositions*4]
}

func write(t *testing.T, s *Seq, n int, v byte) {
	t.Helper()
	at := s.Len()
	if err := s.Reserve(n); err != nil {
		t.Fatal(err)
	}
	for i := at; i < n; i++ {
		put(s, i, v)
	}
	s.Commit(n)
}

func newCache(t *testing.T, pages int) *Cache {
	t.Helper()
	c, err := New(newStore(pages))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestForkCopiesOnWrite(t *testing.T) {
	c := newCache(t, 5)
	a := c.New()
	write(t, a, 100, 'a')
	b := a.Fork()
	if used, _ := c.Pages(); used != 2 {
		t.Fatalf("fork of 2 pages uses %d", used)
	}
	write(t, b, 101, 'b')
	if used, _ := c.Pages(); used != 3 {
		t.Errorf("%d pages used, want 3: only the page that b wrote is copied", used)
	}
	write(t, a, 102, 'A')
	if get(a, 100) != 'A' || get(b, 100) != 'b' || get(b, 99) != 'a' || get(a, 99) != 'a' {
		t.Errorf("positions 99, 100: a %c%c, b %c%c", get(a, 99), get(a, 100), get(b, 99), get(b, 100))
	}
	if used, _ := c.Pages(); used != 3 {
		t.Errorf("%d pages used, want 3: a owned its page alone", used)
	}
	a.Release()
	b.Truncate(64)
	if used, _ := c.Pages(); used != 1 || b.Len() != 64 {
		t.Errorf("%d pages used and %d positions, want 1 and 64", used, b.Len())
	}
	b.Release()
	b.Release()
	if used, _ := c.Pages(); used != 0 {
		t.Errorf("%d pages used after release", used)
	}
}

func TestOutOfPages(t *testing.T) {
	c := newCache(t, 2)
	a := c.New()
	write(t, a, 65, 'a')
	b := c.New()
	err := b.Reserve(1)
	var e *PageError
	if !errors.Is(err, ErrFull) || !errors.As(err, &e) || *e != (PageError{Need: 1, Free: 0, Total: 2}) {
		t.Fatalf("got %v", err)
	}
	f := a.Fork()
	if err := f.Reserve(66); !errors.Is(err, ErrFull) || f.Len() != 65 || len(f.pages) != 2 {
		t.Fatalf("copy on write with no page free: %v, %d positions, %d pages", err, f.Len(), len(f.pages))
	}
	a.Release()
	if err := f.Reserve(66); err != nil {
		t.Errorf("sole owner needs no copy: %v", err)
	}
	if _, err := New(newStore(0)); err == nil {
		t.Error("a store without pages passed")
	}
}

func TestCopyFailureLosesNothing(t *testing.T) {
	c := newCache(t, 8)
	a := c.New()
	write(t, a, 10, 'a')
	b := a.Fork()
	c.store.(*memStore).fail = true
	if err := b.Reserve(100); err == nil {
		t.Fatal("no error")
	}
	a.Release()
	b.Release()
	if used, _ := c.Pages(); used != 0 {
		t.Errorf("%d pages leaked", used)
	}
}

// TestRandom compares many forks against plain slices.
func TestRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := newCache(t, 40)
	var seqs []*Seq
	var want [][]byte
	for step := range 20000 {
		i := 0
		if len(seqs) > 0 {
			i = rng.IntN(len(seqs))
		}
		switch op := rng.IntN(6); {
		case op == 0 || len(seqs) == 0:
			seqs, want = append(seqs, c.New()), append(want, nil)
		case op == 1 && len(seqs) < 12:
			seqs, want = append(seqs, seqs[i].Fork()), append(want, bytes.Clone(want[i]))
		case op == 2:
			n := rng.IntN(len(want[i]) + 1)
			seqs[i].Truncate(n)
			want[i] = want[i][:n]
		case op == 3 && rng.IntN(4) == 0:
			seqs[i].Release()
			seqs, want = append(seqs[:i], seqs[i+1:]...), append(want[:i], want[i+1:]...)
		default:
			n := len(want[i]) + rng.IntN(150)
			if err := seqs[i].Reserve(n); err != nil {
				if !errors.Is(err, ErrFull) {
					t.Fatal(err)
				}
				continue
			}
			for pos := len(want[i]); pos < n; pos++ {
				put(seqs[i], pos, byte(step))
				want[i] = append(want[i], byte(step))
			}
			seqs[i].Commit(n)
		}
		held := map[int32]bool{}
		for k, s := range seqs {
			if s.Len() != len(want[k]) {
				t.Fatalf("step %d: %d positions, want %d", step, s.Len(), len(want[k]))
			}
			for _, id := range s.pages {
				held[id] = true
			}
		}
		if used, total := c.Pages(); used != len(held) || used > total {
			t.Fatalf("step %d: %d pages counted, %d held", step, used, len(held))
		}
		if step%50 == 0 {
			for k, s := range seqs {
				for pos := range want[k] {
					if get(s, pos) != want[k][pos] {
						t.Fatalf("step %d: sequence %d position %d holds %d, want %d", step, k, pos, get(s, pos), want[k][pos])
					}
				}
			}
		}
	}
}

func TestSaveLoad(t *testing.T) {
	c := newCache(t, 6)
	a := c.New()
	write(t, a, 130, 'x')
	var b bytes.Buffer
	if err := a.Save(&b); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b.Bytes()[headerSize+2*(c.store.PageBytes()+4):b.Len()-4], []byte{0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE}) {
		t.Error("unwritten positions were saved")
	}
	s := c.New()
	write(t, s, 5, 'q')
	if err := s.Load(bytes.NewReader(b.Bytes())); err != nil {
		t.Fatal(err)
	}
	if s.Len() != 130 || get(s, 129) != 'x' || get(s, 0) != 'x' {
		t.Errorf("%d positions, last %c", s.Len(), get(s, 129))
	}
	var again bytes.Buffer
	if err := s.Save(&again); err != nil || !bytes.Equal(again.Bytes(), b.Bytes()) {
		t.Errorf("a loaded sequence saves other bytes (%v)", err)
	}
	if err := c.New().Load(bytes.NewReader(b.Bytes())); !errors.Is(err, ErrFull) {
		t.Errorf("third copy in 6 pages: %v", err)
	}
}

// TestAppend: of a snapshot the first positions can be loaded, without reading more, and
// a snapshot of the later positions goes on from there.
func TestAppend(t *testing.T) {
	c := newCache(t, 12)
	a := c.New()
	for at := range 200 {
		write(t, a, at+1, byte(at))
	}
	save := func(first int) []byte {
		var b bytes.Buffer
		if err := a.SaveFrom(&b, first); err != nil || a.SaveSize(first) != int64(b.Len()) {
			t.Fatalf("from %d: %d bytes, announced %d, %v", first, b.Len(), a.SaveSize(first), err)
		}
		return b.Bytes()
	}
	check := func(s *Seq, what string, n int) {
		t.Helper()
		if s.Len() != n {
			t.Fatalf("%s: %d positions, want %d", what, s.Len(), n)
		}
		for at := range n {
			if get(s, at) != byte(at) {
				t.Fatalf("%s: position %d has %d", what, at, get(s, at))
			}
		}
	}
	whole, page := save(0), c.store.PageBytes()+4
	for n, pages := range map[int]int{0: 0, 1: 1, 64: 1, 65: 2, 190: 3, 200: 4, 1000: 4} {
		s := c.New()
		if err := s.Append(bytes.NewReader(whole[:headerSize+pages*page]), n); err != nil {
			t.Error(err)
		}
		check(s, fmt.Sprint(n), min(n, 200))
		for _, first := range []int{128, 64} {
			err := s.Append(bytes.NewReader(save(first)), 199)
			if n < first {
				if !errors.Is(err, ErrSnapshot) {
					t.Errorf("from %d on after %d: %v", first, n, err)
				}
				check(s, "after a gap", min(n, 200))
			} else if check(s, fmt.Sprintf("%d and from %d on", n, first), 199); err != nil {
				t.Error(err)
			}
		}
		if err := s.Append(bytes.NewReader(whole[:headerSize+page]), 199); !errors.Is(err, ErrSnapshot) || s.Len() != 0 {
			t.Errorf("cut short: %v, %d positions", err, s.Len())
		}
		s.Release()
	}
	broken := errors.New("broken")
	if err := c.New().Load(iotest.ErrReader(broken)); !errors.Is(err, broken) || errors.Is(err, ErrSnapshot) {
		t.Errorf("a reader that fails: %v", err)
	}
	for _, first := range []int{-64, 1, 256} {
		if err := a.SaveFrom(io.Discard, first); err == nil {
			t.Errorf("saved from %d", first)
		}
	}
}

func TestLoadHostile(t *testing.T) {
	c := newCache(t, 3)
	a := c.New()
	write(t, a, 70, 'x')
	var b bytes.Buffer
	if err := a.Save(&b); err != nil {
		t.Fatal(err)
	}
	a.Release()
	for i := range b.Len() {
		bad := bytes.Clone(b.Bytes())
		bad[i] ^= 0x10
		if err := a.Load(bytes.NewReader(bad)); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	for i := range b.Len() {
		if err := a.Load(bytes.NewReader(b.Bytes()[:i])); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	other := newStore(3)
	other.spec.Heads = 2
	oc, _ := New(other)
	if err := oc.New().Load(bytes.NewReader(b.Bytes())); !errors.Is(err, ErrSnapshot) {
		t.Errorf("another shape: %v", err)
	}
	if used, _ := c.Pages(); used != 0 {
		t.Errorf("%d pages leaked", used)
	}
}

func FuzzLoad(f *testing.F) {
	c, err := New(newStore(3))
	if err != nil {
		f.Fatal(err)
	}
	a := c.New()
	if err := a.Reserve(65); err != nil {
		f.Fatal(err)
	}
	a.Commit(65)
	var b bytes.Buffer
	if err := a.Save(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:headerSize])
	a.Release()
	f.Fuzz(func(t *testing.T, p []byte) {
		s := c.New()
		err := s.Load(bytes.NewReader(p))
		if err != nil && s.Len() != 0 {
			t.Errorf("%d positions after %v", s.Len(), err)
		}
		s.Release()
		if used, _ := c.Pages(); used != 0 {
			t.Errorf("%d pages leaked", used)
		}
	})
}
