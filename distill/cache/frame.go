package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/x448/float16"

	"github.com/qwq-edge/qwq/distill"
)

// A frame unpacked, for rows rows with P scored positions in all:
//
//	rows bitmaps of the scored positions, (L+7)/8 bytes each
//	P·K ids of idBits bits, likeliest first
//	P·K low bytes, then P·K high bytes, of the log-probabilities as float16;
//	    0xfc00 (-Inf) marks an entry that is not there, whose id is 0
//	P tail masses as float16
//	for each temperature but 1: P log Z as float32
//	for each temperature: P·Samples ids of idBits bits
//
// all little-endian; each list of ids starts at a byte.
type frame struct {
	h      *Header
	rows   int
	before []int32 // [rows+1] scored positions before a row
	maps   []byte
	ids    []byte
	lo, hi []byte
	tail   []byte
	logZ   []byte
	drawn  [][]byte // [temperatures]
	keys   []byte   // [rows*32], set by Reader
}

// builder collects the rows of a frame.
type builder struct {
	h     *Header
	rows  int
	maps  []byte
	ids   packer
	lo    []byte
	hi    []byte
	tail  []byte
	logZ  [][]byte // [temperatures], nil at 1
	drawn []packer // [temperatures]
	n     int      // positions
}

func newBuilder(h *Header) *builder {
	b := &builder{h: h, ids: packer{bits: h.idBits()}, logZ: make([][]byte, len(h.Temps)), drawn: make([]packer, len(h.Temps))}
	for i := range b.drawn {
		b.drawn[i].bits = h.idBits()
	}
	return b
}

// row begins a row whose scored positions are those with a target in next.
func (b *builder) row(next []int32) {
	at := len(b.maps)
	b.maps = append(b.maps, make([]byte, (b.h.Length+7)/8)...)
	for i, id := range next {
		if id >= 0 {
			b.maps[at+i/8] |= 1 << (i % 8)
		}
	}
	b.rows++
}

// position appends position i of t. Its mass must be that of a distribution.
func (b *builder) position(t *distill.Targets, i int) error {
	h := b.h
	k := t.K
	if k > h.K {
		k = h.K
	}
	mass := 0.0
	for j := range h.K {
		id, l := int32(-1), float32(math.Inf(-1))
		if j < k {
			id, l = t.IDs[i*t.K+j], t.LogP[i*t.K+j]
		}
		if id >= int32(h.Vocab) || id >= 0 && !(l <= 1e-3) {
			return fmt.Errorf("cache: id %d with log-probability %g, vocabulary %d", id, l, h.Vocab)
		}
		f := float16.Fromfloat32(min(l, 0)).Bits()
		if id < 0 {
			id, f = 0, 0xfc00
		} else {
			mass += math.Exp(float64(l))
		}
		b.ids.put(uint32(id))
		b.lo, b.hi = append(b.lo, byte(f)), append(b.hi, byte(f>>8))
	}
	tail := t.Tail[i]
	for j := k; j < t.K; j++ { // entries that do not fit
		if t.IDs[i*t.K+j] >= 0 {
			tail += float32(math.Exp(float64(t.LogP[i*t.K+j])))
		}
	}
	if !(tail >= 0) || math.Abs(mass+float64(tail)-1) > 1e-2 {
		return fmt.Errorf("cache: %d ids of mass %.4f and a tail of %.4f are no distribution", h.K, mass, tail)
	}
	b.tail = binary.LittleEndian.AppendUint16(b.tail, float16.Fromfloat32(min(tail, 1)).Bits())
	for j, temp := range h.Temps {
		at := t.Temp(temp)
		if at < 0 && (temp != 1 || h.Samples > 0) {
			return fmt.Errorf("cache: the teacher says nothing about temperature %g", temp)
		}
		if temp != 1 {
			z := t.LogZ[at*t.N+i]
			if z-z != 0 {
				return fmt.Errorf("cache: log Z at temperature %g is %g", temp, z)
			}
			b.logZ[j] = binary.LittleEndian.AppendUint32(b.logZ[j], math.Float32bits(z))
		}
		if h.Samples > 0 && t.M < h.Samples {
			return fmt.Errorf("cache: the teacher draws %d ids, %d are wanted", t.M, h.Samples)
		}
		for m := range h.Samples {
			id := t.Samples[(at*t.N+i)*t.M+m]
			if id < 0 || id >= int32(h.Vocab) {
				return fmt.Errorf("cache: drawn id %d, vocabulary %d", id, h.Vocab)
			}
			b.drawn[j].put(uint32(id))
		}
	}
	b.n++
	return nil
}

// bytes is the frame; the builder starts over.
func (b *builder) bytes() ([]byte, error) {
	out := append([]byte(nil), b.maps...)
	out = append(out, b.ids.bytes()...)
	out = append(append(append(out, b.lo...), b.hi...), b.tail...)
	for _, z := range b.logZ {
		out = append(out, z...)
	}
	for i := range b.drawn {
		out = append(out, b.drawn[i].bytes()...)
	}
	scored := 0
	for _, m := range b.maps {
		scored += bits.OnesCount8(m)
	}
	if scored != b.n {
		return nil, fmt.Errorf("cache: %d positions are scored, %d were added", scored, b.n)
	}
	*b = *newBuilder(b.h)
	return out, nil
}

// parseFrame checks that b has exactly the size that its bitmaps say.
func parseFrame(h *Header, rows int, b []byte) (*frame, error) {
	m := (h.Length + 7) / 8
	if rows < 1 || rows > frameRows || len(b) < rows*m {
		return nil, fmt.Errorf("frame of %d rows with %d bytes", rows, len(b))
	}
	f := &frame{h: h, rows: rows, maps: b[:rows*m], before: make([]int32, rows+1)}
	for r := range rows {
		n := 0
		for _, v := range f.maps[r*m : (r+1)*m] {
			n += bits.OnesCount8(v)
		}
		if h.Length%8 != 0 && f.maps[(r+1)*m-1]>>(h.Length%8) != 0 {
			return nil, errors.New("bits behind the end of a row")
		}
		f.before[r+1] = f.before[r] + int32(n)
	}
	p := int(f.before[rows])
	if want := h.frameBytes(rows, p); int64(len(b)) != want {
		return nil, fmt.Errorf("frame of %d rows with %d positions has %d bytes, want %d", rows, p, len(b), want)
	}
	b = b[rows*m:]
	take := func(n int) []byte {
		v := b[:n:n]
		b = b[n:]
		return v
	}
	f.ids = take((p*h.K*h.idBits() + 7) / 8)
	f.lo, f.hi, f.tail = take(p*h.K), take(p*h.K), take(2*p)
	f.logZ = take(4 * p * h.stored())
	for range h.Temps {
		f.drawn = append(f.drawn, take((p*h.Samples*h.idBits()+7)/8))
	}
	return f, f.check()
}

// check refuses tails that are no mass and log Z that are no number.
func (f *frame) check() error {
	for i := 0; i < len(f.tail); i += 2 {
		if v := binary.LittleEndian.Uint16(f.tail[i:]); v > 0x3c00 { // 1
			return fmt.Errorf("tail mass %#04x of position %d is not from 0 to 1", v, i/2)
		}
	}
	for i := 0; i < len(f.logZ); i += 4 {
		if v := binary.LittleEndian.Uint32(f.logZ[i:]); v&0x7f800000 == 0x7f800000 {
			return fmt.Errorf("log Z %#08x is no number", v)
		}
	}
	return nil
}

// find is the number in the frame of a row's position; false: not scored.
func (f *frame) find(row, pos int) (int, bool) {
	m := f.maps[row*((f.h.Length+7)/8):]
	if m[pos/8]>>(pos%8)&1 == 0 {
		return 0, false
	}
	n := int(f.before[row])
	for _, v := range m[:pos/8] {
		n += bits.OnesCount8(v)
	}
	return n + bits.OnesCount8(m[pos/8]&(1<<(pos%8)-1)), true
}

// only is a copy of one row, so that a batch of random rows does not keep a
// whole frame for each.
func (f *frame) only(row int) *frame {
	h, m := f.h, (f.h.Length+7)/8
	lo, hi := int(f.before[row]), int(f.before[row+1])
	n, all := hi-lo, int(f.before[f.rows])
	o := &frame{h: h, rows: 1, before: []int32{0, int32(n)}, maps: slices.Clone(f.maps[row*m : (row+1)*m])}
	o.ids = f.repack(f.ids, lo*h.K, n*h.K)
	o.lo, o.hi = slices.Clone(f.lo[lo*h.K:hi*h.K]), slices.Clone(f.hi[lo*h.K:hi*h.K])
	o.tail = slices.Clone(f.tail[2*lo : 2*hi])
	for t := range h.stored() {
		o.logZ = append(o.logZ, f.logZ[4*(t*all+lo):4*(t*all+hi)]...)
	}
	for _, d := range f.drawn {
		o.drawn = append(o.drawn, f.repack(d, lo*h.Samples, n*h.Samples))
	}
	return o
}

func (f *frame) repack(b []byte, first, n int) []byte {
	p := packer{bits: f.h.idBits()}
	for i := range n {
		p.put(unpack(b, first+i, p.bits))
	}
	return p.bytes()
}
