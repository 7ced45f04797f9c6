//go:build !arm64 || noasm

package arm

import "github.com/qwq-edge/qwq/quant"

func floats([]float32, int, quant.Type, []byte, int, int, []float32, int, []byte) {}

func scores([]float32, int, []float32, []float32, int, float32) bool { return false }

func weigh(_, _ []float32, _ int, _ []float32, _ int) bool { return false }
