package x86

// SwiGLUGrad is the backward of silu(g)·u for training, s being silu(g), every
// operation rounded to float32:
//
//	σ = |g| > 1e-30 ? s/g : 0.5   dg = (dy·u)·(σ + s·(1-σ))   du = dy·s
//
// dg may be g, du may be u. The bits are the same on every level but on
// processors where Go fuses a product and a sum.
func SwiGLUGrad(l Level, dg, du, g, u, dy, s []float32) {
	n := len(g)
	if len(dg) != n || len(du) != n || len(u) != n || len(dy) != n || len(s) != n {
		panic("x86: SwiGLUGrad: lengths differ")
	}
	i := swigluGrad(l, dg, du, g, u, dy, s)
	dg, du, g, u, dy, s = dg[i:], du[i:], g[i:], u[i:], dy[i:], s[i:]
	for i, x := range g {
		y, z, t := s[i], dy[i], u[i]
		dg[i], du[i] = z*t*SiLUSlope(x, y), z*y
	}
}

// SiLUSlope is the derivative of y = silu(x), from both.
func SiLUSlope(x, y float32) float32 {
	s := float32(0.5)
	if x > 1e-30 || x < -1e-30 {
		s = y / x
	}
	return s + float32(y*(1-s))
}
