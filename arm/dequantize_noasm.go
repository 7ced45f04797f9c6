//go:build !arm64 || noasm

package arm

import "github.com/qwq-edge/qwq/quant"

func dequantize([]float32, quant.Type, []byte) bool { return false }
