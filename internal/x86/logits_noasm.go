//go:build !amd64 || noasm

package x86

func scaleMax(Level, []float32, []float32, float32) (float32, bool) { return 0, false }

func dotDiff(Level, []float32, []float32, []float32) (float32, bool) { return 0, false }

func mix(Level, []float32, []float32, []float32, []float32, float32, float32, float32) bool {
	return false
}
