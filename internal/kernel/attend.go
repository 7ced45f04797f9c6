package kernel

import (
	"fmt"
	"math"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/quant"
)

// tileRows is the number of query rows that share a page's widened keys and
// values; each comes with all query heads of one KV head.
const tileRows = 8

// attend is the attention in progress: items are (sequence, KV head, tile of
// rows). Where there are too few items for the threads, each split of 256
// positions becomes a task of its own and the items merge them afterwards, in
// order. The result is the same.
type attend struct {
	y, q  F32
	seqs  []KVPages
	mask  Mask
	group int  // query heads per KV head
	dim   int  // head dimension, padded for the kernels
	fast  bool // not by arm/ref

	items  []item
	tasks  []task
	states states // of all tasks

	fnItem, fnTask, fnMerge func(worker, lo, hi int)
}

// item is a tile of rows of one sequence and one KV head.
type item struct {
	seq, head     int
	row, rows     int // rows of the sequence
	base          int // row of q and y where the sequence begins
	split, splits int // first split with positions, and how many
	state         int // of the first task: [splits, rows, group]
}

// task is one split of an item.
type task struct{ item, split int }

// attnLocal is one worker's scratch.
type attnLocal struct {
	q         []float32  // [rows, group, dim]: an item's queries; dim is padded here
	wide      []ref.Wide // [rows, group]: the same for arm/ref
	part, all states     // [rows, group]: the split in progress, those before
	k, v      []float32  // [64, dim]: a page, widened
	scores    []float32  // [rows, group, 64]
	o         []float64  // [dim], for arm/ref
}

// PageBytes is the size of a page of 64 positions for one layer: for each KV head
// 64 key rows, then 64 value rows. t is F32, F16 or Q8_0.
func PageBytes(t quant.Type, heads, dim int) (int, error) {
	n, ok := t.RowBytes(dim)
	if t != quant.F32 && t != quant.F16 && t != quant.Q8_0 {
		return 0, fmt.Errorf("kernel: kv cache of type %v: want F32, F16 or Q8_0", t)
	}
	if !ok || heads < 1 || dim < 1 || heads > 1<<16 || dim > 1<<16 {
		return 0, fmt.Errorf("kernel: kv cache of %v with %d heads of %d", t, heads, dim)
	}
	return heads * 2 * ref.PagePositions * n, nil
}

// check reports what is wrong with s for positions from up to Start+N.
func (s *KVPages) check(from int) error {
	size, err := PageBytes(s.Type, s.Heads, s.Dim)
	if err != nil {
		return err
	}
	if s.Start < 0 || s.N < 0 || s.Start > math.MaxInt32-s.N {
		return fmt.Errorf("kernel: kv pages: %d rows at position %d", s.N, s.Start)
	}
	for i := from / ref.PagePositions; i*ref.PagePositions < s.Start+s.N; i++ {
		switch {
		case i >= len(s.Pages):
			return fmt.Errorf("kernel: kv pages: %d pages for %d positions", len(s.Pages), s.Start+s.N)
		case s.Pages[i] < 0 || int(s.Pages[i]) >= len(s.Table):
			return fmt.Errorf("kernel: kv pages: page %d is %d of %d", i, s.Pages[i], len(s.Table))
		case len(s.Table[s.Pages[i]]) != size:
			return fmt.Errorf("kernel: kv pages: page %d has %d bytes, want %d", s.Pages[i], len(s.Table[s.Pages[i]]), size)
		}
	}
	return nil
}

// rows returns the bytes of positions lo to hi of page i, counted in the page:
// the keys of a head, or its values.
func (s *KVPages) rows(page, head int, values bool, lo, hi int) []byte {
	n, _ := s.Type.RowBytes(s.Dim)
	at := head * 2 * ref.PagePositions * n
	if values {
		at += ref.PagePositions * n
	}
	return s.Table[s.Pages[page]][at+lo*n : at+hi*n]
}

// sees is the range of positions that row i attends to.
func (s *KVPages) sees(i, window int) (lo, hi int) {
	pos := s.Start + i
	hi = s.Start + s.N
	if s.Causal {
		hi = pos + 1
	}
	if window > 0 {
		lo = max(0, pos-window+1)
	}
	return lo, hi
}

// StoreKV rounds N rows of keys and values into the pages from position Start on.
// k and v: [N, Heads·Dim]. The pages are those the caller may write to.
func (p *Pool) StoreKV(k, v F32, s KVPages) error {
	if err := s.check(s.Start); err != nil {
		return err
	}
	if width := s.Heads * s.Dim; k.Rows != s.N || v.Rows != s.N || k.Cols != width || v.Cols != width ||
		len(k.Data) != s.N*width || len(v.Data) != s.N*width {
		return fmt.Errorf("kernel: store kv: k is [%d, %d], v [%d, %d], want [%d, %d]", k.Rows, k.Cols, v.Rows, v.Cols, s.N, width)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := &p.op
	o.kind, o.y, o.x, o.kv = opStoreKV, k, v, s
	return p.rows(s.N, 2*k.Cols)
}

// storeRow rounds row i of keys and values.
func (v variant) storeRow(s *KVPages, i int, key, value []float32) {
	page, at := (s.Start+i)/ref.PagePositions, (s.Start+i)%ref.PagePositions
	for h := range s.Heads {
		lo, hi := h*s.Dim, (h+1)*s.Dim
		v.store(s.Type, s.rows(page, h, false, at, at+1), key[lo:hi])
		v.store(s.Type, s.rows(page, h, true, at, at+1), value[lo:hi])
	}
}

func (v variant) store(t quant.Type, dst []byte, src []float32) {
	if t == quant.F32 {
		putF32(dst, src)
		return
	}
	if v.encode(dst, t, src) {
		return
	}
	if err := quant.Encode(t, dst, src); err != nil {
		panic(fmt.Sprintf("kernel: a page that was checked cannot be written: %v", err))
	}
}

// Attend computes attention over paged keys and values: for each row and query
// head, y = Σ softmax(q·k·Scale)·v over the positions that the row sees; arm/ref
// State fixes the order. q and y: [Σ N, QHeads·Dim], sequences in row order; y
// may be q. Query head h uses KV head h / (QHeads/Heads).
func (p *Pool) Attend(y, q F32, seqs []KVPages, m Mask) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := &p.attn
	a.y, a.q, a.seqs, a.mask = y, q, seqs, m
	defer a.release()
	if err := a.plan(p.variant, p.Active()); err != nil {
		return err
	}
	if len(a.tasks) == 0 {
		return p.run(len(a.items), 1, a.fnItem)
	}
	if err := p.run(len(a.tasks), 1, a.fnTask); err != nil {
		return err
	}
	return p.run(len(a.items), 1, a.fnMerge)
}

func (a *attend) release() { a.y, a.q, a.seqs = F32{}, F32{}, nil }

// plan checks the call and lists items and, where that helps, tasks.
func (a *attend) plan(v variant, threads int) error {
	a.items, a.tasks, a.group = a.items[:0], a.tasks[:0], 0
	base, splits, states, dim := 0, 0, 0, 0
	for i := range a.seqs {
		s := &a.seqs[i]
		first, _ := s.sees(0, a.mask.Window)
		if err := s.check(first); err != nil {
			return err
		}
		if i > 0 && (s.Heads != a.seqs[0].Heads || s.Dim != a.seqs[0].Dim) || a.mask.QHeads < 1 || a.mask.QHeads%s.Heads != 0 {
			return fmt.Errorf("kernel: attend: %d query heads over %d kv heads of %d", a.mask.QHeads, s.Heads, s.Dim)
		}
		a.group, dim = a.mask.QHeads/s.Heads, s.Dim
		for row := 0; row < s.N; row += tileRows {
			rows := min(tileRows, s.N-row)
			lo, _ := s.sees(row, a.mask.Window)
			_, hi := s.sees(row+rows-1, a.mask.Window)
			it := item{seq: i, row: row, rows: rows, base: base, split: lo / ref.SplitPositions}
			it.splits = (hi-1)/ref.SplitPositions - it.split + 1
			for it.head = range s.Heads {
				it.state = states
				a.items = append(a.items, it)
				splits += it.splits
				states += it.splits * rows * a.group
			}
		}
		base += s.N
	}
	width := a.mask.QHeads * dim
	if base != a.q.Rows || a.q.Rows != a.y.Rows || len(a.seqs) > 0 && (a.q.Cols != width || a.y.Cols != width) ||
		len(a.q.Data) != base*a.q.Cols || len(a.y.Data) != base*a.q.Cols {
		return fmt.Errorf("kernel: attend: q is [%d, %d], y [%d, %d], want [%d, %d]", a.q.Rows, a.q.Cols, a.y.Rows, a.y.Cols, base, width)
	}
	a.dim = v.padded(dim)
	a.fast = v.canFloats(quant.F32, a.dim)
	if threads > 1 && len(a.items) < 2*threads && splits > len(a.items) {
		for i, it := range a.items {
			for n := range it.splits {
				a.tasks = append(a.tasks, task{i, it.split + n})
			}
		}
		a.states.resize(states, a.dim)
	}
	return nil
}
