//go:build !amd64 || noasm

package x86

func gemmBF16(Level) bool { return false }

func gemmScratchBytes(Level) int { return 0 }

func gemmTile(Level, GemmTile, []byte) bool { return false }
