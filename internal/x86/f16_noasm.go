//go:build !amd64 || noasm

package x86

import (
	"encoding/binary"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/quant"
)

// Assembly reports whether this build has the AVX2 kernels.
const Assembly = false

func f16ToF32(dst []float32, src []byte) { ref.F16ToF32(dst, src) }

func f32ToF16(dst []byte, src []float32) {
	for i, f := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], quant.FloatToHalf(f))
	}
}
