//go:build !noasm

package x86

import (
	"encoding/binary"

	"golang.org/x/sys/cpu"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/quant"
)

// Assembly reports whether this build has the AVX2 kernels.
const Assembly = true

// f16ToF32AVX2 widens n halves; n is a multiple of 8.
//
//go:noescape
func f16ToF32AVX2(dst *float32, src *byte, n int)

// f32ToF16AVX2 rounds n values; n is a multiple of 8.
//
//go:noescape
func f32ToF16AVX2(dst *byte, src *float32, n int)

// f16Chunk bounds one call to well under 200 µs: assembly cannot be preempted.
const f16Chunk = 1 << 15

func f16ToF32(dst []float32, src []byte) {
	for cpu.X86.HasAVX2 && cpu.X86.HasF16C && len(dst) >= 8 {
		n := min(len(dst)&^7, f16Chunk)
		f16ToF32AVX2(&dst[0], &src[0], n)
		dst, src = dst[n:], src[2*n:]
	}
	ref.F16ToF32(dst, src)
}

func f32ToF16(dst []byte, src []float32) {
	for cpu.X86.HasAVX2 && cpu.X86.HasF16C && len(src) >= 8 {
		n := min(len(src)&^7, f16Chunk)
		f32ToF16AVX2(&dst[0], &src[0], n)
		dst, src = dst[2*n:], src[n:]
	}
	for i, f := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], quant.FloatToHalf(f))
	}
}
