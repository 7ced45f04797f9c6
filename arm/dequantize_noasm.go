//go:build !arm64 || noasm

package arm

import "github.com/qwq-edge/qwq/quant"

func dequantize([]float32, quant.Type, []byte) bool { return false }
func encode([]byte, quant.Type, []float32) bool     { return false }
