//go:build !noasm

package x86

//go:noescape
func adamAVX2(w, grad, m, v *float32, n int, a *AdamArgs)

func adam(l Level, w, g, m, v []float32, a *AdamArgs) bool {
	if l < AVX2 {
		return false
	}
	for len(w) >= 8 {
		n := min(len(w)&^7, mathChunk)
		adamAVX2(&w[0], &g[0], &m[0], &v[0], n, a)
		w, g, m, v = w[n:], g[n:], m[n:], v[n:]
	}
	a.Apply(w, g, m, v)
	return true
}
