//go:build !amd64 || noasm

package x86

func read(*byte, int) uint64 { panic("x86: read without assembly") }
