package kernel

import (
	"unsafe"

	"github.com/qwq-edge/qwq/arm"
	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/x86"
	"github.com/qwq-edge/qwq/quant"
)

// The switches between the ladders, see the package comment. Each is passed once
// per row or range of rows.

// f16 widens a row of halves.
func (v variant) f16(dst []float32, src []byte) {
	switch {
	case v.arm != arm.None:
		arm.F16ToF32(dst, src)
	case v.x86 != x86.None:
		x86.F16ToF32(dst, src)
	default:
		ref.F16ToF32(dst, src)
	}
}

// can reports whether there is a kernel for rows of k weights of type t; else
// they are multiplied by arm/ref.
func (v variant) can(t quant.Type, k int) bool {
	return v.x86 != x86.None && x86.Can(v.x86, t, k) || v.arm != arm.None && arm.Can(v.arm, t, k)
}

// integers multiplies rows rows of w, of a type that can holds for, with all
// tokens.
func (w *worker) integers(y []float32, stride int, t quant.Type, data []byte, rows int, a acts) {
	v := w.pool.variant
	if v.arm != arm.None {
		if !arm.Integers(v.arm, y, stride, t, data, rows, arm.Acts(a), w.scratch(arm.ScratchBytes(v.arm, t, a.Blocks*32))) {
			panic("kernel: no kernel for " + t.String())
		}
		return
	}
	if !x86.Integers(v.x86, y, stride, t, data, rows, x86.Acts(a), w.scratch(x86.ScratchBytes(v.x86, t, a.Blocks*32))) {
		panic("kernel: no kernel for " + t.String())
	}
}

// scratch returns n bytes at an address that is a multiple of 64.
func (w *worker) scratch(n int) []byte {
	if n == 0 {
		return nil
	}
	if len(w.packed) < n {
		buf := make([]byte, n+63)
		w.packed = buf[-uintptr(unsafe.Pointer(&buf[0]))&63:]
	}
	return w.packed[:n]
}
