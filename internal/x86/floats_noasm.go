//go:build !amd64 || noasm

package x86

import "github.com/qwq-edge/qwq/quant"

func floats(Level, []float32, int, quant.Type, []byte, int, []float32, int, int, float32) bool {
	return false
}

func scores(Level, []float32, int, []float32, []float32, int, int, int, float32) bool { return false }

func weigh(Level, []float32, []float32, int, []float32, int, int, int) bool { return false }

func canFloats(Level, quant.Type, int) bool { return false }
