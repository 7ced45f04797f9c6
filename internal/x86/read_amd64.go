//go:build !noasm

package x86

// readAVX2 returns the sum of 32·n words at p.
//
//go:noescape
func readAVX2(p *byte, n int) uint64

func read(p *byte, n int) uint64 { return readAVX2(p, n) }
