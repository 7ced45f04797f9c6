//go:build !amd64 || noasm

package x86

func layerNorm(Level, []float32, []float32, []float32, []float32, float32) bool { return false }

func mul(Level, []float32, []float32) bool { return false }

func gelu(Level, []float32, []float32, bool) bool { return false }

func softmax(Level, []float32) bool { return false }
