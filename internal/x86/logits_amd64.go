//go:build !noasm

package x86

//go:noescape
func scaleMaxAVX2(y, x *float32, n int, s float32) (top float32)

//go:noescape
func dotDiffAVX2(e, x, y *float32, n int) (sum float32)

//go:noescape
func mixAVX2(dst, x, y, z *float32, n int, a, b, c float32)

func scaleMax(l Level, y, x []float32, s float32) (float32, bool) {
	if l < AVX2 || len(x) == 0 || len(x) > mathChunk {
		return 0, false
	}
	return scaleMaxAVX2(&y[0], &x[0], len(x), s), true
}

func dotDiff(l Level, e, x, y []float32) (float32, bool) {
	if l < AVX2 || len(e) == 0 || len(e) > mathChunk {
		return 0, false
	}
	return dotDiffAVX2(&e[0], &x[0], &y[0], len(e)), true
}

func mix(l Level, dst, x, y, z []float32, a, b, c float32) bool {
	if l < AVX2 || len(dst) == 0 || len(dst) > mathChunk {
		return false
	}
	mixAVX2(&dst[0], &x[0], &y[0], &z[0], len(dst), a, b, c)
	return true
}
