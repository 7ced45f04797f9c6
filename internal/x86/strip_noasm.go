//go:build !amd64 || noasm

package x86

import "github.com/qwq-edge/qwq/quant"

func stripFloats(Level, quant.Type, int, int) int { return 0 }

func stripScratch(int) int { return 0 }

func packStrips(Level, []float32, []float32, int, int, int, int) {}

func strips(Level, []float32, int, quant.Type, []byte, int, []float32, int, int, []byte) bool {
	return false
}
