//go:build !noasm

package arm

import (
	"encoding/binary"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/quant"
)

// Assembly reports whether this build has the NEON kernels.
const Assembly = true

// f16ToF32NEON widens n halves; n is a multiple of 8.
//
//go:noescape
func f16ToF32NEON(dst *float32, src *byte, n int)

// f16Chunk bounds one call to well under 200 µs: assembly cannot be preempted.
const f16Chunk = 1 << 15

func f16ToF32(dst []float32, src []byte) {
	for len(dst) >= 8 {
		n := min(len(dst)&^7, f16Chunk)
		f16ToF32NEON(&dst[0], &src[0], n)
		dst, src = dst[n:], src[2*n:]
	}
	ref.F16ToF32(dst, src)
}

// f32ToF16NEON rounds n floats; n is a multiple of 8.
//
//go:noescape
func f32ToF16NEON(dst *byte, src *float32, n int)

func f32ToF16(dst []byte, src []float32) {
	for len(src) >= 8 {
		n := min(len(src)&^7, f16Chunk)
		f32ToF16NEON(&dst[0], &src[0], n)
		dst, src = dst[2*n:], src[n:]
	}
	for i, v := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], quant.FloatToHalf(v))
	}
}
