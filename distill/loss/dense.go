package loss

import "math"

// dense is the divergence from a teacher's logits z over the same vocabulary. The
// two Kullback-Leibler divergences need no logarithm per id: log p - log q is a
// difference of logits and of two constants.
func (l *Loss) dense(w *work, m *mix, st *student, z []float32, soft float64) float64 {
	w.p = grow(w.p, len(z))
	top, psum := l.pool.ExpRow(w.p, z, float32(1/st.temp))
	logp := float64(top) + math.Log(psum)
	m.p = w.p
	switch kind := l.spec.kind(); kind {
	case Forward: // dD/dz = (q - p)/T
		m.a, m.c = soft/st.sum, -soft/psum
		return l.pool.DotDiffRow(w.p, z, st.z)/psum/st.temp - (logp - st.log)
	case Reverse: // dD/dz_v = q_v·(log q_v - log p_v - D)/T
		d := l.pool.DotDiffRow(st.q, st.z, z)/st.sum/st.temp - (st.log - logp)
		inv, c := float32(1/st.temp), float32(st.log-logp+d)
		for v, q := range st.q {
			w.p[v] = q * (float32((st.z[v]-z[v])*inv) - c)
		}
		m.c = soft / st.sum
		return d
	default:
		f, g := 0.0, 0.0
		for v, q := range st.q {
			lp, lq := float64(z[v])/st.temp-logp, st.logq(v)
			fv, gv := l.spec.term(kind, float64(w.p[v])/psum, float64(q)/st.sum, lp, lq)
			w.p[v] = float32(gv)
			f, g = f+fv, g+gv
		}
		m.a, m.c = -soft*g/st.sum, soft
		return f
	}
}
