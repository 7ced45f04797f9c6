//go:build !amd64 || noasm

package x86

import "github.com/qwq-edge/qwq/arm/ref"

// Assembly reports whether this build has the AVX2 kernels.
const Assembly = false

func f16ToF32(dst []float32, src []byte) { ref.F16ToF32(dst, src) }
