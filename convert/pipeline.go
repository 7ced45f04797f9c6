package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
)

// Details that are easy to get wrong:
//   - Every chunk goes to a place that the layout fixed, and a chunk's bytes
//     depend on its own weights alone: threads and memory change nothing.
//   - Sources are read with pread, never through a mapping: pages of a mapping
//     count as this process's memory.
//   - The buffers of a run are allocated before it starts and are all it uses.
//   - Chunks are handed out in order and a chunk that was begun is finished, so
//     the error of the lowest chunk, which is reported, is the same every time.

const (
	chunkElems  = 256 << 10 // weights of an ordinary chunk
	minElems    = 8 << 10   // the same when memory is short
	gatherElems = 4 << 20   // weights of a chunk that is gathered from a strided view
	pieceElems  = 4 << 10   // weights decoded at once: 16 KiB of float32 stay in L1
	scratchSize = 1 << 20   // bytes of a strided read
)

// pipeline copies items to a writer.
type pipeline struct {
	items    []*item
	w        *gguf.Writer
	codec    kernel.Codec
	anyValue bool // NaN and Inf are written
	progress func(done, total int64, what string)

	elems  int64 // weights of an ordinary chunk
	gather int64 // weights of a gathered one
	slots  chan struct{}

	mu          sync.Mutex // of what follows
	item        int
	at          int64 // rows or elements of it that are handed out
	seq         int64
	err         error
	errSeq      int64
	done, total int64
}

// chunk is a part of one item: elements lo…hi, or rows lo…hi.
type chunk struct {
	item   int
	lo, hi int64
	seq    int64
}

// worker owns the buffers of one goroutine.
type worker struct {
	in, out, scratch []byte
	f32              []float32
}

// flat reports whether an item is read as one run of elements; otherwise by rows.
func (it *item) flat() bool {
	return it.heads == 0 && (it.src == nil || it.src.DType == checkpoint.Packed || it.src.Contiguous())
}

// perChunk is how many elements (flat) or rows a chunk of the item has.
func (p *pipeline) perChunk(it *item) int64 {
	if it.flat() {
		if it.cols > 0 && it.cols <= p.elems {
			return p.elems / it.cols * it.cols // whole rows
		}
		return p.elems
	}
	n := p.elems
	if !it.src.Contiguous() {
		n = p.gather
	}
	rows := max(1, n/max(1, it.cols))
	if it.heads > 0 && rows > it.heads {
		rows -= rows % it.heads
	}
	return rows
}

// units is the length of an item in elements or rows.
func (it *item) units() int64 {
	if it.flat() {
		return it.rows * it.cols
	}
	return it.rows
}

// next hands out the next chunk.
func (p *pipeline) next() (chunk, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.err == nil && p.item < len(p.items) {
		it := p.items[p.item]
		if p.at >= it.units() {
			p.item, p.at = p.item+1, 0
			continue
		}
		c := chunk{p.item, p.at, min(it.units(), p.at+p.perChunk(it)), p.seq}
		p.at = c.hi
		p.seq++
		return c, true
	}
	return chunk{}, false
}

func (p *pipeline) fail(seq int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil || seq < p.errSeq {
		p.err, p.errSeq = err, seq
	}
}

// size finds the buffers for n workers under a memory limit: bytes of in and
// out per worker.
func (p *pipeline) size(limit int64, n int) (in, out int64) {
	each := limit / int64(n)
	p.elems = min(chunkElems, max(minElems, each/24)) / 512 * 512
	p.gather = min(gatherElems, max(p.elems, each/24)) / 512 * 512
	for _, it := range p.items {
		e := p.perChunk(it)
		if !it.flat() {
			e *= it.cols
		}
		e = min(e, it.rows*it.cols)
		if it.src != nil {
			in = max(in, stored(it.src, e))
		}
		if !it.raw() || it.heads > 0 {
			out = max(out, (e/int64(it.info.Type.Block())+1)*int64(it.info.Type.BlockBytes()))
		}
	}
	return in, out
}

// stored is the size of e elements as the source keeps them.
func stored(t *checkpoint.Tensor, e int64) int64 {
	if t.DType == checkpoint.Packed {
		return (e/int64(t.Block.Block()) + 1) * int64(t.Block.BlockBytes())
	}
	return e * int64(t.DType.Bytes())
}

// strided reports whether any item needs scratch for gathering.
func (p *pipeline) strided() bool {
	for _, it := range p.items {
		if it.src != nil && it.src.DType != checkpoint.Packed && !it.src.Contiguous() {
			return true
		}
	}
	return false
}

// run copies everything with threads computing goroutines, and one more to
// read and write meanwhile.
func (p *pipeline) run(ctx context.Context, threads int, limit int64) error {
	scratch := int64(0)
	if p.strided() {
		scratch = min(scratchSize, max(checkpoint.MinScratch, limit/64))
	}
	n := threads + 1
	var in, out, each int64
	for ; ; n-- {
		if n == 0 {
			return fmt.Errorf("convert: the longest row needs %d bytes of buffers, the memory limit is %d", each, limit)
		}
		in, out = p.size(limit, n)
		if each = in + out + scratch + 4*pieceElems; each*int64(n) <= limit {
			break
		}
	}
	p.slots = make(chan struct{}, threads)
	var wg sync.WaitGroup
	for range n {
		w := &worker{in: make([]byte, in), out: make([]byte, out), scratch: make([]byte, scratch), f32: make([]float32, pieceElems)}
		wg.Go(func() { p.work(ctx, w) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	return p.err
}

func (p *pipeline) work(ctx context.Context, w *worker) {
	for ctx.Err() == nil {
		c, ok := p.next()
		if !ok {
			return
		}
		if err := p.one(w, c); err != nil {
			p.fail(c.seq, err)
			return
		}
	}
}

// one reads, converts and writes a chunk.
func (p *pipeline) one(w *worker, c chunk) error {
	it := p.items[c.item]
	lo, hi := c.lo, c.hi // in elements
	if !it.flat() {
		lo, hi = lo*it.cols, hi*it.cols
	}
	ordered, err := p.read(w, it, c)
	if err != nil {
		return err
	}
	p.slots <- struct{}{}
	b, err := p.convert(w, it, lo, hi, ordered)
	<-p.slots
	if err != nil {
		return err
	}
	off := lo / int64(it.info.Type.Block()) * int64(it.info.Type.BlockBytes())
	if err := p.w.WriteAt(c.item, off, b); err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	if it.src != nil {
		p.note(it, stored(it.src, hi-lo))
	}
	return nil
}

func (p *pipeline) note(it *item, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done = min(p.total, p.done+n); p.progress != nil {
		p.progress(p.done, p.total, it.info.Name)
	}
}

// read fills w.in with a chunk's elements. ordered is false when its rows are
// still in the checkpoint's order.
func (p *pipeline) read(w *worker, it *item, c chunk) (ordered bool, err error) {
	switch {
	case it.src == nil:
		return true, nil
	case it.flat():
		err = it.src.ReadFlat(w.in[:it.bytes(c.hi)-it.bytes(c.lo)], c.lo, c.hi)
		return true, wrap(err)
	case it.heads > 0 && (c.lo%it.heads != 0 || c.hi%it.heads != 0):
		rb := it.cols * int64(it.src.DType.Bytes())
		for r := c.lo; r < c.hi; r++ {
			s := it.from(r)
			if err := it.src.ReadRows(w.in[(r-c.lo)*rb:(r-c.lo+1)*rb], s, s+1, w.scratch); err != nil {
				return true, wrap(err)
			}
		}
		return true, nil
	}
	rb := it.cols * int64(it.src.DType.Bytes())
	return it.heads == 0, wrap(it.src.ReadRows(w.in[:(c.hi-c.lo)*rb], c.lo, c.hi, w.scratch))
}

func wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("convert: %w (the file has become shorter)", err)
	}
	return fmt.Errorf("convert: %w", err)
}

// bytes is the source's size of the first e elements.
func (it *item) bytes(e int64) int64 {
	if it.src.DType == checkpoint.Packed {
		return e / int64(it.src.Block.Block()) * int64(it.src.Block.BlockBytes())
	}
	return e * int64(it.src.DType.Bytes())
}

// from is the checkpoint's row for row r: GGUF rotates pairs (2i, 2i+1) of a
// head where the checkpoint rotates (i, i+half).
func (it *item) from(r int64) int64 {
	if it.heads == 0 {
		return r
	}
	head, i := r/it.heads*it.heads, r%it.heads
	return head + i%2*(it.heads/2) + i/2
}

// convert turns elements lo…hi, which are in w.in, into blocks.
func (p *pipeline) convert(w *worker, it *item, lo, hi int64, ordered bool) ([]byte, error) {
	if it.src == nil {
		b := w.out[:(hi-lo)*4]
		return b, quant.Encode(quant.F32, b, it.values[lo:hi])
	}
	if it.raw() && ordered {
		b := w.in[:it.bytes(hi)-it.bytes(lo)]
		return b, p.inspect(w, it, b, lo)
	}
	typ := it.info.Type
	out := w.out[:(hi-lo)/int64(typ.Block())*int64(typ.BlockBytes())]
	if ordered {
		return out, p.encode(w, it, out, w.in[:it.bytes(hi)-it.bytes(lo)], lo)
	}
	rb, ob := it.bytes(it.cols), it.cols/int64(typ.Block())*int64(typ.BlockBytes())
	first := lo / it.cols
	for r := first; r < hi/it.cols; r++ {
		src := w.in[(it.from(r)-first)*rb:][:rb]
		if err := p.encode(w, it, out[(r-first)*ob:][:ob], src, r*it.cols); err != nil {
			return nil, err
		}
	}
	return out, nil
}
