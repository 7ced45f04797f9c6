//go:build !amd64 || noasm

package x86

import "github.com/qwq-edge/qwq/quant"

func integers(Level, []float32, int, quant.Type, []byte, int, Acts, []byte) bool { return false }

func scratchBytes(Level, quant.Type, int) int { return 0 }
