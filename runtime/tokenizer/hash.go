package tokenizer

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"unsafe"
)

// hashSeed hashes short strings, as tokens are, in two multiplications, and long
// ones with maphash. It is random in every vocabulary, so that nobody can write
// a file whose tokens all meet in one place of the table.
type hashSeed struct {
	a, b, c uint64
	long    maphash.Seed
}

func newHashSeed() hashSeed {
	return hashSeed{rand.Uint64(), rand.Uint64(), rand.Uint64() | 1, maphash.MakeSeed()}
}

func (h *hashSeed) hash(s string) uint64 {
	n := len(s)
	if n > 16 {
		return maphash.String(h.long, s)
	}
	var x, y uint64
	b := unsafe.Slice(unsafe.StringData(s), n)
	switch {
	case n >= 8:
		x, y = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		x, y = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
	case n > 0:
		x = uint64(b[0])<<16 | uint64(b[n/2])<<8 | uint64(b[n-1])
	}
	hi, lo := bits.Mul64(x^h.a, y^h.b)
	hi, lo = bits.Mul64(hi^uint64(n)^h.b, lo^h.c)
	return hi ^ lo
}
