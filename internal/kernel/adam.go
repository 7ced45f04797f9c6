package kernel

import "github.com/qwq-edge/qwq/internal/x86"

// AdamArgs are the constants of one step of Adam, see x86.Adam for the formula.
type AdamArgs = x86.AdamArgs

// Adam updates parameters w and the moments m and v from gradient g, element by
// element, with the same bits on every variant.
func (p *Pool) Adam(w, g, m, v []float32, a AdamArgs) {
	if len(g) != len(w) || len(m) != len(w) || len(v) != len(w) {
		panic("kernel: adam: lengths differ")
	}
	p.Parallel(len(w), 1<<14, func(_, lo, hi int) {
		if !x86.Adam(p.variant.x86, w[lo:hi], g[lo:hi], m[lo:hi], v[lo:hi], a) {
			a.Apply(w[lo:hi], g[lo:hi], m[lo:hi], v[lo:hi])
		}
	})
}
