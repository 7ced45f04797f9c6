package kernel

import (
	"unsafe"

	"github.com/qwq-edge/qwq/quant"
)

// littleEndian reports the byte order of this machine.
var littleEndian = func() bool {
	v := uint16(1)
	return *(*byte)(unsafe.Pointer(&v)) == 1
}()

// copyF32 reads little-endian float32 from src, at any alignment.
func copyF32(dst []float32, src []byte) {
	if !littleEndian {
		_ = quant.Decode(quant.F32, dst, src)
		return
	}
	if len(dst) > 0 {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&dst[0])), 4*len(dst)), src)
	}
}

// putF32 writes little-endian float32.
func putF32(dst []byte, src []float32) {
	if !littleEndian {
		_ = quant.Encode(quant.F32, dst, src)
		return
	}
	if len(src) > 0 {
		copy(dst, unsafe.Slice((*byte)(unsafe.Pointer(&src[0])), 4*len(src)))
	}
}

// bytesOf views float32 values as bytes, on a little-endian machine.
func bytesOf(x []float32) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x))
}
