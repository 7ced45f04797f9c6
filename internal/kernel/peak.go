package kernel

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/qwq-edge/qwq/arm"
	"github.com/qwq-edge/qwq/internal/x86"
)

// The limits of the machine, to be printed beside what a model reaches: matrix
// products of many tokens are bound by the peaks, of one by the reading rate.

// PeakInt8 measures the products of bytes, in operations per second (a product
// and its addition are two), that the pool's threads reach together with the
// instructions of the kernel in use and nothing around them. It is 0 where that
// is plain Go. It takes about 50 ms.
func (p *Pool) PeakInt8() float64 {
	return p.peak(func(n int) int { return x86.PeakInt8(p.variant.x86, n) + arm.PeakInt8(p.variant.arm, n) })
}

// PeakFP32 is the same for fused products and sums of float32.
func (p *Pool) PeakFP32() float64 {
	return p.peak(func(n int) int { return x86.PeakFP32(p.variant.x86, n) + arm.PeakFP32(p.variant.arm, n) })
}

// peak is the best rate of five times some 10 ms; rounds takes 2 to 10 µs a
// round and returns its operations; it is 0 on the ladder that is not the machine's.
func (p *Pool) peak(rounds func(n int) int) (best float64) {
	for range 5 {
		var ops atomic.Int64
		start := time.Now()
		p.Parallel(1000*p.Active(), 10, func(_, lo, hi int) { ops.Add(int64(rounds(hi - lo))) })
		best = max(best, float64(ops.Load())/time.Since(start).Seconds())
	}
	return best
}

// readPart is the number of bytes that a thread reads before it asks for more.
const readPart = 1 << 20

// ReadBuffer makes a buffer for ReadRate of at least size bytes. It should be
// many times the last cache. Every page of it is written: an untouched one
// would be the zero page.
func ReadBuffer(size int) []byte {
	b := make([]byte, (size+readPart-1)/readPart*readPart)
	for i := 0; i < len(b); i += 256 {
		b[i] = 1
	}
	return b
}

// ReadRate measures how many bytes per second the pool's threads read of a
// ReadBuffer together: the best of rounds.
func (p *Pool) ReadRate(b []byte, rounds int) (best float64) {
	var total atomic.Uint64
	for range rounds {
		start := time.Now()
		p.Parallel(len(b)/readPart, 1, func(_, lo, hi int) { total.Add(p.read(b[lo*readPart : hi*readPart])) })
		best = max(best, float64(len(b))/time.Since(start).Seconds())
	}
	if total.Load() != uint64(rounds*len(b)/256) {
		panic("kernel: a buffer that ReadBuffer did not make, or one written to")
	}
	return best
}

// read sums the words of b, in 8 separate sums, so that the loads and not the
// additions are what takes the time.
func (p *Pool) read(b []byte) uint64 {
	if sum, ok := x86.Read(p.variant.x86, b); ok {
		return sum
	}
	if sum, ok := arm.Read(p.variant.arm, b); ok {
		return sum
	}
	var s [8]uint64
	for ; len(b) >= 64; b = b[64:] {
		x := b[:64:64]
		s[0] += binary.LittleEndian.Uint64(x)
		s[1] += binary.LittleEndian.Uint64(x[8:])
		s[2] += binary.LittleEndian.Uint64(x[16:])
		s[3] += binary.LittleEndian.Uint64(x[24:])
		s[4] += binary.LittleEndian.Uint64(x[32:])
		s[5] += binary.LittleEndian.Uint64(x[40:])
		s[6] += binary.LittleEndian.Uint64(x[48:])
		s[7] += binary.LittleEndian.Uint64(x[56:])
	}
	return s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7]
}
