package convert

import (
	"encoding/binary"
	"math"

	"github.com/qwq-edge/qwq/quant"
)

// A Q8_0 block: half d, int8 q[32]; x = d·q.
const (
	q8Bytes  = 2 + 32
	bf16Sign = 0x8000_8000_8000_8000 // of four bf16 in a word
	bf16Top  = 0x4af4                // 7995392: d = max/127 still fits a half
)

// almostHalf is the largest float32 below 0.5: truncating x+copysign(almostHalf, x)
// rounds half away from zero for every |x| < 2^22.
const almostHalf = 0x3effffff

// bf16ToQ8_0 encodes blocks of 32 bf16 as quant.Encode does with the decoded
// values, in one pass. It stops at the first block with a NaN, an Inf or a
// weight of 7995392 or more and returns how many blocks are done.
func bf16ToQ8_0(dst, src []byte) int {
	n := 0
	for ; len(src) >= 64; n++ {
		s, b := (*[64]byte)(src), (*[q8Bytes]byte)(dst)
		top := absMaxBF16(s)
		if top >= bf16Top {
			break
		}
		d := math.Float32frombits(uint32(top)<<16) / 127
		binary.LittleEndian.PutUint16(b[:], quant.FloatToHalf(d))
		id := 1 / d
		if math.Float32bits(id)&0x7f800000 == 0x7f800000 {
			id = 0
		}
		q := (*[32]byte)(b[2:])
		for i := 0; i < 8; i++ {
			w := binary.LittleEndian.Uint64(s[8*i:])
			lo, hi := uint32(w), uint32(w>>32)
			q[4*i] = byte(roundAway(lo<<16, id))
			q[4*i+1] = byte(roundAway(lo&0xffff0000, id))
			q[4*i+2] = byte(roundAway(hi<<16, id))
			q[4*i+3] = byte(roundAway(hi&0xffff0000, id))
		}
		src, dst = src[64:], dst[q8Bytes:]
	}
	return n
}

// roundAway is float32(bits)·id rounded to the nearest integer, ties away from zero.
func roundAway(bits uint32, id float32) int32 {
	h := math.Float32frombits(bits&(1<<31) | almostHalf)
	return int32(float32(math.Float32frombits(bits)*id) + h)
}

// absMaxBF16 is the largest of 32 magnitudes, as bits: four lanes of a word at a
// time. With the top bit of a lane set, a-b keeps it exactly when a >= b.
func absMaxBF16(s *[64]byte) uint16 {
	m := binary.LittleEndian.Uint64(s[:]) &^ bf16Sign
	for i := 8; i < 64; i += 8 {
		x := binary.LittleEndian.Uint64(s[i:]) &^ bf16Sign
		ge := ((m | bf16Sign) - x) & bf16Sign
		mask := ge | (ge - ge>>15)
		m = m&mask | x&^mask
	}
	return max(uint16(m), uint16(m>>16), uint16(m>>32), uint16(m>>48))
}
