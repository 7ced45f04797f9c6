package cache

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/x448/float16"

	"github.com/qwq-edge/qwq/distill"
)

// LowMass is the captured mass below which a recipe should be warned: the loss
// then rests on the tail, where the cache knows no ids.
const LowMass = 0.9

// TeacherOptions say what a run needs of a cache.
type TeacherOptions struct {
	Temps     []float64     // each must be in the cache
	Samples   int           // ids drawn per position; at least so many must be there
	Teacher   distill.Hash  // unless zero, the cache must be this teacher's
	Tokenizer distill.Hash  // unless zero, the cache's rows must be this tokenizer's
	Vocab     distill.Vocab // of the student
}

// TempError means that a cache was made without a temperature that is asked for.
type TempError struct {
	Path string
	Temp float64
	Have []float64
}

func (e *TempError) Error() string {
	return fmt.Sprintf("cache: %s: made for the temperatures %v, not %g: cache again with it, or use the live teacher", e.Path, e.Have, e.Temp)
}

// Teacher scores rows out of a cache. It is for one goroutine at a time.
type Teacher struct {
	r    *Reader
	v    *distill.Mapped
	temp []int // places in the header of the temperatures asked for
	o    TeacherOptions
	rows []cachedRow // of the batch, newest last
	ids  []int32
}

type cachedRow struct {
	key  distill.Hash
	f    *frame // nil: not read yet
	slot int
}

// Teacher checks that the cache has what o needs.
func (r *Reader) Teacher(o TeacherOptions) (*Teacher, error) {
	h := r.x.h
	t := &Teacher{r: r, o: o}
	for _, temp := range o.Temps {
		i := slices.Index(h.Temps, temp)
		if i < 0 {
			return nil, &TempError{r.path, temp, h.Temps}
		}
		t.temp = append(t.temp, i)
	}
	zero := distill.Hash{}
	switch {
	case !slices.IsSorted(o.Temps):
		return nil, fmt.Errorf("cache: temperatures %v are not ascending", o.Temps)
	case o.Samples > h.Samples || o.Samples < 0:
		return nil, fmt.Errorf("cache: %s: %d drawn ids a position, %d are wanted", r.path, h.Samples, o.Samples)
	case o.Teacher != zero && Hash(o.Teacher) != h.Teacher:
		return nil, fmt.Errorf("cache: %s: made by teacher %x, not %s", r.path, h.Teacher, o.Teacher)
	case o.Tokenizer != zero && Hash(o.Tokenizer) != h.Tokenizer:
		return nil, fmt.Errorf("cache: %s: made with tokenizer %x, not %s", r.path, h.Tokenizer, o.Tokenizer)
	}
	var err error
	t.v, err = o.Vocab.For(h.Vocab)
	return t, err
}

// Warnings says what of the cache is doubtful for the temperatures asked for.
func (t *Teacher) Warnings() []string {
	var out []string
	for _, temp := range t.o.Temps {
		if m := t.r.Captured(temp); m < LowMass {
			out = append(out, fmt.Sprintf("the cache's %d ids hold %.2f of the teacher's mass at temperature %g, below %.1f: use the live teacher or drawn ids",
				t.r.x.h.K, m, temp, LowMass))
		}
	}
	return out
}

// ID implements distill.Teacher: the key of the cache.
func (t *Teacher) ID() distill.Hash { return t.r.key }

// Score implements distill.Teacher.
func (t *Teacher) Score(ctx context.Context, b *distill.Batch, lo, hi int, dst *distill.Targets) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if lo < 0 || hi < lo || hi > len(b.IDs) {
		return fmt.Errorf("cache: positions %d to %d of %d", lo, hi, len(b.IDs))
	}
	if err := b.Check(); err != nil {
		return err
	}
	h := t.r.x.h
	if b.Length != h.Length {
		return fmt.Errorf("cache: rows of %d ids, the cache's have %d", b.Length, h.Length)
	}
	own := *h
	own.Temps, own.Samples = t.o.Temps, t.o.Samples
	Reserve(dst, hi-lo, &own)
	dst.Vocab = t.v.Size
	for row := lo / b.Length; row*b.Length < hi; row++ {
		f, slot, err := t.row(b, row)
		if err != nil {
			return fmt.Errorf("cache: %s: row %d of the batch: %w", t.r.path, row, err)
		}
		for p := max(lo, row*b.Length); p < min(hi, (row+1)*b.Length); p++ {
			if b.Next[p] < 0 {
				t.empty(dst, p-lo)
				continue
			}
			at, ok := f.find(slot, p-row*b.Length)
			if !ok {
				return fmt.Errorf("cache: %s: row %d of the batch: position %d was not scored when the cache was made", t.r.path, row, p-row*b.Length)
			}
			if err := t.fill(dst, p-lo, f, at); err != nil {
				return fmt.Errorf("cache: %s: row %d of the batch: %w", t.r.path, row, err)
			}
		}
	}
	return nil
}

// row finds row i of the batch, by its key alone.
func (t *Teacher) row(b *distill.Batch, i int) (*frame, int, error) {
	docs, sum := b.Docs, 0
	for sum < i*b.Length {
		sum += int(docs[0])
		docs = docs[1:]
	}
	n := 0
	for ; sum < (i+1)*b.Length; n++ {
		sum += int(docs[n])
	}
	t.ids = t.ids[:0]
	for _, id := range b.IDs[i*b.Length : (i+1)*b.Length] {
		id, ok := t.v.ToTeacher(id)
		if !ok {
			return nil, 0, fmt.Errorf("the teacher has no id for the student's %d", id)
		}
		t.ids = append(t.ids, id)
	}
	key := rowKey(t.ids, docs[:n])
	for _, c := range t.rows {
		if c.key == key {
			return c.f, c.slot, nil
		}
	}
	f, slot, err := t.r.row(key)
	if err != nil {
		return nil, 0, err
	}
	f = f.only(slot)
	if len(t.rows) >= b.Rows+1 {
		t.rows = append(t.rows[:0], t.rows[1:]...)
	}
	t.rows = append(t.rows, cachedRow{key, f, 0})
	return f, 0, nil
}

func (t *Teacher) empty(dst *distill.Targets, i int) {
	for j := range dst.K {
		dst.IDs[i*dst.K+j], dst.LogP[i*dst.K+j] = -1, float32(math.Inf(-1))
	}
	dst.Tail[i] = 1
	for j := range dst.Temps {
		dst.LogZ[j*dst.N+i] = 0
		for m := range dst.M {
			dst.Samples[(j*dst.N+i)*dst.M+m] = -1
		}
	}
}

// fill decodes number at of f. Rounding to float16 is undone as far as mass
// goes: the masses are scaled to sum to 1.
func (t *Teacher) fill(dst *distill.Targets, i int, f *frame, at int) error {
	h := f.h
	sum := float64(float16.Frombits(binary.LittleEndian.Uint16(f.tail[2*at:])).Float32())
	tail, n := sum, 0
	ids, logP := dst.IDs[i*h.K:(i+1)*h.K], dst.LogP[i*h.K:(i+1)*h.K]
	for j := range h.K {
		l := float16.Frombits(uint16(f.lo[at*h.K+j]) | uint16(f.hi[at*h.K+j])<<8).Float32()
		if !(l >= -65504 && l <= 0) {
			continue
		}
		p := math.Exp(float64(l))
		sum += p
		raw := unpack(f.ids, at*h.K+j, h.idBits())
		if int(raw) >= h.Vocab {
			return fmt.Errorf("id %d, vocabulary %d", raw, h.Vocab)
		}
		id := t.v.ToStudent(int32(raw))
		if id < 0 {
			tail += p
			continue
		}
		ids[n], logP[n] = id, l
		n++
	}
	if sum == 0 { // everything in the tail, and its mass rounded to 0
		sum, tail = 1, 1
	}
	scale := float32(math.Log(sum))
	for j := range n {
		logP[j] -= scale
	}
	for j := n; j < h.K; j++ {
		ids[j], logP[j] = -1, float32(math.Inf(-1))
	}
	dst.Tail[i] = float32(tail / sum)
	return t.temps(dst, i, f, at)
}

func (t *Teacher) temps(dst *distill.Targets, i int, f *frame, at int) error {
	h, positions := f.h, int(f.before[f.rows])
	for j, place := range t.temp {
		stored := place
		if one := slices.Index(h.Temps, 1); one >= 0 && one < place {
			stored--
		}
		dst.LogZ[j*dst.N+i] = 0
		if h.Temps[place] != 1 {
			dst.LogZ[j*dst.N+i] = math.Float32frombits(binary.LittleEndian.Uint32(f.logZ[4*(stored*positions+at):]))
		}
		for m := range dst.M {
			raw := unpack(f.drawn[place], at*h.Samples+m, h.idBits())
			if int(raw) >= h.Vocab {
				return fmt.Errorf("drawn id %d, vocabulary %d", raw, h.Vocab)
			}
			dst.Samples[(j*dst.N+i)*dst.M+m] = t.v.ToStudent(int32(raw))
		}
	}
	return nil
}
