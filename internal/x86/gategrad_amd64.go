//go:build !noasm

package x86

//go:noescape
func swigluGradAVX2(dg, du, gate, up, dy, s *float32, n int)

func swigluGrad(l Level, dg, du, g, u, dy, s []float32) int {
	if l < AVX2 {
		return 0
	}
	done := 0
	for len(g)-done >= 8 {
		n := min((len(g)-done)&^7, mathChunk)
		swigluGradAVX2(&dg[done], &du[done], &g[done], &u[done], &dy[done], &s[done], n)
		done += n
	}
	return done
}
