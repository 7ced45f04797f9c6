package train

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/internal/kernel"
)

// ranks combines the processes of a run pair by pair: at distance 1 ranks 0 and 1,
// 2 and 3 and so on, then pairs at distance 2, 4, … So a sum is added in the tree
// in which one process adds its leaves, and has its bits.
//
// Of n parameters a rank owns a range of whole blocks of optim.Block: at distance
// d the ranks of a pair keep half of what both hold, the rank without bit d the
// lower. reduce sums gradients that way (every value travels once), gather is the
// way back.
type ranks struct {
	x          Exchanger
	rank, size int
	n          int // parameters
	piece      int // blocks that are exchanged at a time
	got        [2][]float32
}

// pieceBlocks is 4 MB of float32.
const pieceBlocks = 1 << 20 / optim.Block

func newRanks(x Exchanger, n int) *ranks {
	return &ranks{x: x, rank: x.Rank(), size: x.Size(), n: n, piece: pieceBlocks}
}

// span is a range of blocks.
type span struct{ lo, hi int }

// at is block b's first parameter.
func (r *ranks) at(b int) int { return min(b*optim.Block, r.n) }

// before is what this rank holds when it exchanges at distance d.
func (r *ranks) before(d int) span {
	s := span{0, optim.Blocks(r.n)}
	for e := 1; e < d; e *= 2 {
		s, _ = r.halve(s, e)
	}
	return s
}

// halve cuts s into what this rank keeps at distance d and what the other does.
func (r *ranks) halve(s span, d int) (own, other span) {
	mid := (s.lo + s.hi + 1) / 2
	if r.rank&d == 0 {
		return span{s.lo, mid}, span{mid, s.hi}
	}
	return span{mid, s.hi}, span{s.lo, mid}
}

// own is the range of blocks that this rank ends with.
func (r *ranks) own() span { return r.before(r.size) }

// raw is the memory of x.
func raw[T float32 | float64 | int64](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(*new(T))))
}

// cut is piece i of s.
func (r *ranks) cut(s span, i int) span {
	return span{min(s.lo+i*r.piece, s.hi), min(s.lo+(i+1)*r.piece, s.hi)}
}

// pieces is the number of pieces of the longer.
func (r *ranks) pieces(a, b span) int {
	return max(1, (max(a.hi-a.lo, b.hi-b.lo)+r.piece-1)/r.piece)
}

// pipeline makes n exchanges with a rank. ready(i) comes before exchange i, done(i)
// after it; both run beside an exchange where they can.
func (r *ranks) pipeline(rank, n int, ready func(i int), slices func(i int) (out, in []byte), done func(i int)) error {
	ready(0)
	for i := range n {
		out, in := slices(i)
		wait := make(chan error, 1)
		go func() { wait <- r.x.Exchange(rank, out, in) }()
		if i > 0 {
			done(i - 1)
		}
		if i+1 < n {
			ready(i + 1)
		}
		if err := <-wait; err != nil {
			return err
		}
	}
	done(n - 1)
	return nil
}

// reduce adds the gradients of all ranks: afterwards this rank's range of grad is
// the sum, and the rest is undefined. sums are added whole.
func (r *ranks) reduce(p *kernel.Pool, grad []float32, sums []float64) error {
	for d := 1; d < r.size; d *= 2 {
		if r.got[0] == nil {
			for i := range r.got {
				r.got[i] = make([]float32, min(r.piece*optim.Block, r.n))
			}
		}
		own, other := r.halve(r.before(d), d)
		part := func(i int) []float32 { // of this rank's
			c := r.cut(own, i)
			return grad[r.at(c.lo):r.at(c.hi)]
		}
		err := r.pipeline(r.rank^d, r.pieces(own, other), func(int) {}, func(i int) (out, in []byte) {
			c := r.cut(other, i)
			return raw(grad[r.at(c.lo):r.at(c.hi)]), raw(r.got[i%2][:len(part(i))])
		}, func(i int) {
			if x := part(i); len(x) > 0 { // the order of two operands does not matter
				p.Add(kernel.Row(x), kernel.Row(r.got[i%2][:len(x)]))
			}
		})
		if err != nil {
			return err
		}
	}
	return each(r, sums, func(a, b float64) float64 { return a + b })
}

// gather gets every rank's range of x. ready is called for each part of this
// rank's range before it is sent, done, where it is not nil, for each that came.
func (r *ranks) gather(x []float32, ready, done func(lo, hi int)) error {
	if r.size == 1 {
		ready(0, r.n)
		return nil
	}
	for d := r.size / 2; d >= 1; d /= 2 {
		own, other := r.halve(r.before(d), d)
		err := r.pipeline(r.rank^d, r.pieces(own, other), func(i int) {
			if c := r.cut(own, i); d == r.size/2 && c.lo < c.hi {
				ready(r.at(c.lo), r.at(c.hi))
			}
		}, func(i int) (out, in []byte) {
			a, b := r.cut(own, i), r.cut(other, i)
			return raw(x[r.at(a.lo):r.at(a.hi)]), raw(x[r.at(b.lo):r.at(b.hi)])
		}, func(i int) {
			if c := r.cut(other, i); done != nil && c.lo < c.hi {
				done(r.at(c.lo), r.at(c.hi))
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// blocks gets every rank's range of x, [blocks].
func (r *ranks) blocks(x []float64) error {
	for d := r.size / 2; d >= 1; d /= 2 {
		own, other := r.halve(r.before(d), d)
		if err := r.x.Exchange(r.rank^d, raw(x[own.lo:own.hi]), raw(x[other.lo:other.hi])); err != nil {
			return err
		}
	}
	return nil
}

// each adds or otherwise joins x of all ranks, value by value, in the tree's order.
func each[T float64 | int64](r *ranks, x []T, join func(lower, upper T) T) error {
	got := make([]T, len(x))
	for d := 1; d < r.size; d *= 2 {
		if err := r.x.Exchange(r.rank^d, raw(x), raw(got)); err != nil {
			return err
		}
		for i, v := range got {
			if r.rank&d == 0 {
				x[i] = join(x[i], v)
			} else {
				x[i] = join(v, x[i])
			}
		}
	}
	return nil
}

// agree reports ranks that are not at the same place of the same run.
func (r *ranks) agree(state [32]byte) error {
	lo, hi := make([]int64, 4), make([]int64, 4)
	for i := range lo {
		lo[i] = int64(binary.LittleEndian.Uint64(state[8*i:]))
		hi[i] = lo[i]
	}
	if err := each(r, lo, func(a, b int64) int64 { return min(a, b) }); err != nil {
		return err
	}
	if err := each(r, hi, func(a, b int64) int64 { return max(a, b) }); err != nil {
		return err
	}
	for i := range lo {
		if lo[i] != hi[i] {
			return fmt.Errorf("train: the %d processes are not at the same step of the same run with the same parameters on the same kernels: is the folder of the checkpoint shared?", r.size)
		}
	}
	return nil
}
