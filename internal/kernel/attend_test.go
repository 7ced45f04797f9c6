package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

// sequence is a paged sequence under test with its float32 originals.
type sequence struct {
	k, v F32 // [positions, heads·dim]
	KVPages
}

// newSequence makes pages in a scattered order and stores n positions in chunks.
func newSequence(t testing.TB, p *Pool, r *rand.Rand, typ quant.Type, heads, dim, n, chunk int) *sequence {
	t.Helper()
	s := &sequence{k: randomF32(r, n, heads*dim), v: randomF32(r, n, heads*dim)}
	size, err := PageBytes(typ, heads, dim)
	if err != nil {
		t.Fatal(err)
	}
	pages := (n + 63) / 64
	s.KVPages = KVPages{Type: typ, Heads: heads, Dim: dim, Causal: true}
	for range 2*pages + 1 {
		page := make([]byte, size)
		for i := range page {
			page[i] = 0xff // NaN: what is not stored must not be read
		}
		s.Table = append(s.Table, page)
	}
	for _, id := range r.Perm(len(s.Table))[:pages] {
		s.Pages = append(s.Pages, int32(id))
	}
	for at := 0; at < n; at += chunk {
		part := s.at(at, min(chunk, n-at))
		if err := p.StoreKV(slice(s.k, at, part.N), slice(s.v, at, part.N), part); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// at is the sequence for n query rows from position start.
func (s *sequence) at(start, n int) KVPages {
	v := s.KVPages
	v.Start, v.N = start, n
	return v
}

func slice(m F32, at, n int) F32 { return F32{n, m.Cols, m.Data[at*m.Cols : (at+n)*m.Cols]} }

// plainAttend is attention in float64 over the stored (rounded) values.
func plainAttend(t *testing.T, s KVPages, q []float32, row, qhead int, m Mask) []float64 {
	t.Helper()
	lo, hi := s.sees(row, m.Window)
	head := qhead / (m.QHeads / s.Heads)
	get := func(pos int, values bool) []float32 {
		out := make([]float32, s.Dim)
		if err := quant.Decode(s.Type, out, s.rows(pos/64, head, values, pos%64, pos%64+1)); err != nil {
			t.Fatal(err)
		}
		return out
	}
	scores, top := make([]float64, hi), math.Inf(-1)
	for pos := lo; pos < hi; pos++ {
		for d, k := range get(pos, false) {
			scores[pos] += float64(k) * float64(q[d])
		}
		scores[pos] *= float64(m.Scale)
		top = math.Max(top, scores[pos])
	}
	sum, y := 0.0, make([]float64, s.Dim)
	for pos := lo; pos < hi; pos++ {
		e := math.Exp(scores[pos] - top)
		sum += e
		for d, v := range get(pos, true) {
			y[d] += e * float64(v)
		}
	}
	for d := range y {
		y[d] /= sum
	}
	return y
}

func TestAttend(t *testing.T) {
	kerneltest.Variants(t, Variants(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(1, 1))
		p := newPool(t, 2, v)
		for _, c := range []struct {
			typ                   quant.Type
			heads, qheads, dim, n int
			start, rows, window   int
			full                  bool
		}{
			{quant.F32, 2, 2, 16, 1, 0, 1, 0, false},
			{quant.F32, 2, 4, 20, 70, 60, 10, 0, false},
			{quant.F16, 1, 3, 64, 300, 287, 13, 0, false},
			{quant.F16, 2, 4, 24, 600, 599, 1, 0, false},
			{quant.Q8_0, 2, 4, 32, 600, 591, 9, 0, false},
			{quant.F16, 2, 2, 8, 600, 510, 20, 100, false},
			{quant.F32, 1, 2, 8, 600, 599, 1, 3, false},
			{quant.F32, 1, 2, 8, 90, 0, 20, 0, true},
			{quant.F32, 1, 2, 8, 90, 70, 20, 0, true},
		} {
			s := newSequence(t, p, r, c.typ, c.heads, c.dim, c.n, 33)
			view := s.at(c.start, c.rows)
			view.Causal = !c.full
			q, y := randomF32(r, c.rows, c.qheads*c.dim), newF32(c.rows, c.qheads*c.dim)
			m := Mask{Scale: float32(1 / math.Sqrt(float64(c.dim))), Window: c.window, QHeads: c.qheads}
			if err := p.Attend(y, q, []KVPages{view}, m); err != nil {
				t.Fatal(err)
			}
			for i := range c.rows {
				for h := range c.qheads {
					got := y.At(i)[h*c.dim : (h+1)*c.dim]
					want := plainAttend(t, view, q.At(i)[h*c.dim:(h+1)*c.dim], i, h, m)
					for d := range want {
						if math.Abs(float64(got[d])-want[d]) > 2e-6 || got[d] != got[d] {
							t.Fatalf("%+v: row %d head %d value %d: got %v, want %v", c, i, h, d, got[d], want[d])
						}
					}
				}
			}
		}
	})
}

// TestAttendBits: the same bits alone, in a batch of sequences, with any number
// of threads (one of which splits, others not), and in chunks of any size.
func TestAttendBits(t *testing.T) {
	const heads, qheads, dim, n, last = 1, 2, 32, 530, 70 // the last 70 rows are compared
	m := Mask{Scale: 0.2, QHeads: qheads}
	for _, typ := range []quant.Type{quant.F32, quant.F16, quant.Q8_0} {
		r := rand.New(rand.NewPCG(2, 2))
		p1 := newPool(t, 1, "generic")
		s := newSequence(t, p1, r, typ, heads, dim, n, 64)
		other := newSequence(t, p1, r, typ, heads, dim, 70, 70)
		q := randomF32(r, n, qheads*dim)
		want := newF32(n, qheads*dim)
		if err := p1.Attend(slice(want, n-last, last), slice(q, n-last, last), []KVPages{s.at(n-last, last)}, m); err != nil {
			t.Fatal(err)
		}
		for threads := 1; threads <= 3; threads++ {
			p := newPool(t, threads, "")
			for _, chunk := range []int{1, 7, 64} {
				first := n - last
				if chunk == 1 {
					first = n - 5
				}
				y := newF32(n, qheads*dim)
				for at := first; at < n; at += chunk {
					rows := min(chunk, n-at)
					if err := p.Attend(slice(y, at, rows), slice(q, at, rows), []KVPages{s.at(at, rows)}, m); err != nil {
						t.Fatal(err)
					}
				}
				equalBits(t, fmt.Sprintf("%v, %d threads, chunks of %d", typ, threads, chunk), slice(y, first, n-first).Data, slice(want, first, n-first).Data)
			}
			batch, yb := newF32(13, qheads*dim), newF32(13, qheads*dim)
			copy(batch.Data, q.Data[(n-3)*q.Cols:])
			copy(batch.Data[12*q.Cols:], q.Data[(n-1)*q.Cols:])
			if err := p.Attend(yb, batch, []KVPages{s.at(n-3, 3), other.at(61, 9), s.at(n-1, 1)}, m); err != nil {
				t.Fatal(err)
			}
			equalBits(t, "batch", slice(yb, 0, 3).Data, slice(want, n-3, 3).Data)
			equalBits(t, "batch's last", yb.At(12), want.At(n-1))
			if err := p.Attend(batch, batch, []KVPages{s.at(n-3, 3), other.at(61, 9), s.at(n-1, 1)}, m); err != nil {
				t.Fatal(err)
			}
			equalBits(t, "in place", batch.Data, yb.Data)
		}
	}
}

func TestAttendErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	p := newPool(t, 1, "")
	s := newSequence(t, p, r, quant.F16, 2, 8, 70, 70)
	q := randomF32(r, 1, 32)
	edit := func(f func(*KVPages)) KVPages { v := s.at(69, 1); f(&v); return v }
	for _, c := range []struct {
		name string
		q    F32
		s    KVPages
		m    Mask
		want string
	}{
		{"position beyond pages", q, s.at(128, 1), Mask{1, 0, 4}, "2 pages"},
		{"page id", q, edit(func(v *KVPages) { v.Pages = []int32{99, 0} }), Mask{1, 0, 4}, "page 0 is 99"},
		{"type", q, edit(func(v *KVPages) { v.Type = quant.Q4_0 }), Mask{1, 0, 4}, "Q4_0"},
		{"dim", q, edit(func(v *KVPages) { v.Dim = 16 }), Mask{1, 0, 4}, "bytes"},
		{"start", q, edit(func(v *KVPages) { v.Start = -1 }), Mask{1, 0, 4}, "position -1"},
		{"heads", q, s.at(69, 1), Mask{1, 0, 3}, "3 query heads"},
		{"width", randomF32(r, 1, 31), s.at(69, 1), Mask{1, 0, 4}, "[1, 31]"},
		{"rows", randomF32(r, 2, 32), s.at(69, 1), Mask{1, 0, 4}, "[2, 32]"},
	} {
		err := p.Attend(newF32(c.q.Rows, c.q.Cols), c.q, []KVPages{c.s}, c.m)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if err := p.StoreKV(randomF32(r, 1, 15), randomF32(r, 1, 16), s.at(69, 1)); err == nil {
		t.Error("StoreKV takes keys of the wrong width")
	}
	if err := p.StoreKV(randomF32(r, 1, 16), randomF32(r, 1, 16), s.at(128, 1)); err == nil {
		t.Error("StoreKV takes a position without a page")
	}
	if _, err := PageBytes(quant.Q8_0, 1, 33); err == nil {
		t.Error("PageBytes takes a Q8_0 head of 33")
	}
	if n, err := PageBytes(quant.Q8_0, 3, 64); err != nil || n != 3*2*64*68 {
		t.Errorf("PageBytes: got %d, %v", n, err)
	}
}
