//go:build !amd64 || noasm

package x86

func softenRows(Level, []float32, int, int, int, []float32, []float32, []float32, int) bool {
	return false
}
