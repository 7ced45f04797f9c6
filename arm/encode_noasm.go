//go:build !arm64 || noasm

package arm

import "github.com/qwq-edge/qwq/quant"

func encode([]byte, quant.Type, []float32) bool { return false }
