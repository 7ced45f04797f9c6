//go:build !arm64 || noasm

package arm

import "github.com/qwq-edge/qwq/quant"

func can(quant.Type, int) bool { return false }

// ScratchBytes is the scratch that Integers and Floats want for rows of k weights.
func ScratchBytes(Level, quant.Type, int, int) int { return 0 }

func integers(Level, []float32, int, quant.Type, []byte, int, int, *Acts, []byte) {}
