package loss

import (
	"math"

	"github.com/qwq-edge/qwq/distill"
)

// student is a row of logits z with its exponentials at T and at 1.
type student struct {
	z        []float32
	q, e     []float32 // e^(z/T - max), e^(z - max); one slice where T is 1
	sum, one float64   // their sums
	log, lse float64   // log Σ e^(z/T), log Σ e^z
	temp     float64
}

// mix is the gradient of a row: a·q + b·e + c·p, p being a third row, and then
// what some ids have on top of it.
type mix struct {
	a, b, c float64
	p       []float32 // nil: none
	fix     []fix
}

// fix adds v to the gradient of id. e is what id had in q and e before it was
// taken out of them, or 0.
type fix struct {
	id   int32
	v, e float64
}

func (m *mix) add(id int32, v float64) { m.fix = append(m.fix, fix{id: id, v: v}) }

// row overwrites x by its gradient.
func (l *Loss) row(w *work, x []float32, t *distill.Targets, at, i, next int, scale float64) row {
	s := l.spec
	st, m, r := l.student(w, x), mix{fix: w.fix[:0]}, row{}
	soft := scale * s.factor(len(x)) / st.temp
	switch {
	case s.Soft == 0:
	case s.Sampled:
		r.soft, r.mass = sampled(&m, &st, t.Samples[(at*t.N+i)*t.M:][:t.M], soft)
	case t.Dense != nil:
		r.soft, r.mass = l.dense(w, &m, &st, t.Dense[i*len(x):][:len(x)], soft), 1
	default:
		r.soft, r.mass = l.sparse(w, &m, &st, t, at, i, soft)
	}
	if s.Hard > 0 {
		r.hard = st.lse - float64(x[next])
		m.b = scale * s.Hard / st.one
		m.add(int32(next), -scale*s.Hard)
	}
	if m.p == nil {
		m.p = st.q
	}
	l.pool.MixRow(x, st.q, st.e, m.p, float32(m.a), float32(m.b), float32(m.c))
	for _, f := range m.fix {
		x[f.id] += float32(f.v + m.b*f.e)
	}
	w.fix = m.fix
	return r
}

// student computes the exponentials that the spec needs; slices that it does not
// need are aliases, to be mixed in with factor 0.
func (l *Loss) student(w *work, x []float32) student {
	s := l.spec
	st := student{z: x, temp: s.temperature()}
	if s.Soft == 0 {
		st.temp = 1
	}
	w.q = grow(w.q, len(x))
	top, sum := l.pool.ExpRow(w.q, x, float32(1/st.temp))
	st.q, st.sum, st.log = w.q, sum, float64(top)+math.Log(sum)
	st.e, st.one, st.lse = st.q, st.sum, st.log
	if s.Hard > 0 && st.temp != 1 {
		w.e = grow(w.e, len(x))
		top, sum := l.pool.ExpRow(w.e, x, 1)
		st.e, st.one, st.lse = w.e, sum, float64(top)+math.Log(sum)
	}
	return st
}

// logq is the logarithm of the student's probability of id at T.
func (st *student) logq(id int) float64 { return float64(st.z[id])/st.temp - st.log }

func grow(x []float32, n int) []float32 {
	if cap(x) < n {
		return make([]float32, n)
	}
	return x[:n]
}

// sampled is the cross-entropy with m ids drawn from the teacher at T: the
// gradient q - (share of the draws). Ids that the student does not know are left
// out.
func sampled(m *mix, st *student, ids []int32, soft float64) (loss, mass float64) {
	n := 0.0
	for _, id := range ids {
		if id >= 0 {
			n++
		}
	}
	if n == 0 {
		return 0, 0
	}
	for _, id := range ids {
		if id >= 0 {
			loss -= st.logq(int(id)) / n
			m.add(id, -soft/n)
		}
	}
	m.a = soft / st.sum
	return loss, n / float64(len(ids))
}
