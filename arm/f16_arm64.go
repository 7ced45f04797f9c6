//go:build !noasm

package arm

import "github.com/qwq-edge/qwq/arm/ref"

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
