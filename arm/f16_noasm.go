//go:build !arm64 || noasm

package arm

import "github.com/qwq-edge/qwq/arm/ref"

// Assembly reports whether this build has the NEON kernels.
const Assembly = false

func f16ToF32(dst []float32, src []byte) { ref.F16ToF32(dst, src) }
