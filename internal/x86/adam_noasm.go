//go:build !amd64 || noasm

package x86

func adam(Level, []float32, []float32, []float32, []float32, *AdamArgs) bool { return false }
