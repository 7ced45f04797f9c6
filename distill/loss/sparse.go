package loss

import (
	"math"

	"github.com/qwq-edge/qwq/distill"
)

// bucket is one id of a sparse teacher, or the tail (id -1): masses of the teacher
// and the student, and q·df/dq.
type bucket struct {
	id    int32
	p, g  float64
	q, lq float64
}

// Floors that keep logarithms finite: of the teacher's tail in the divergences
// that divide by it, and of the student's.
const (
	teacherFloor = 1e-12
	studentFloor = 1e-30
)

// sparse is the divergence of two distributions over the teacher's likeliest ids
// and one bucket for all others: the tail, of mass 1-P and 1-Q. At T = 1 the
// teacher's tail is stored; at others a likeliest id has e^(log p/T - log Z_T),
// log Z_T being stored. 1-Q is a sum over the ids outside, never a difference.
// The masses are scaled to a sum of 1, which they have but for rounding.
func (l *Loss) sparse(w *work, m *mix, st *student, t *distill.Targets, at, i int, soft float64) (loss, mass float64) {
	b, tail := w.bucket[:0], float64(t.Tail[i])
	logz := 0.0
	if st.temp != 1 {
		logz = float64(t.LogZ[at*t.N+i])
	}
	shared := &st.q[0] == &st.e[0]
	for k := i * t.K; k < (i+1)*t.K && t.IDs[k] >= 0; k++ {
		id := t.IDs[k]
		p, lq := math.Exp(float64(t.LogP[k])/st.temp-logz), st.logq(int(id))
		b = append(b, bucket{id: id, p: p, q: math.Exp(lq), lq: lq})
		f := fix{id: id}
		if shared {
			f.e = float64(st.q[id])
		}
		m.fix = append(m.fix, f)
		st.q[id] = 0
		mass += p
	}
	w.bucket = b
	if st.temp != 1 {
		tail = 1 - mass
	}
	tail = max(tail, 0)
	if len(b) < len(st.q) {
		rest := max(total(st.q), studentFloor*st.sum)
		b = append(b, bucket{id: -1, p: tail, q: rest / st.sum, lq: math.Log(rest) - math.Log(st.sum)})
	} else {
		tail = 0
	}
	if mass+tail == 0 {
		return 0, 0
	}
	kind, sum := l.spec.kind(), 0.0
	for j := range b {
		p := b[j].p / (mass + tail)
		if kind != Forward {
			p = max(p, teacherFloor)
		}
		var f float64
		f, b[j].g = l.spec.term(kind, p, b[j].q, math.Log(p), b[j].lq)
		loss, sum = loss+f, sum+b[j].g
	}
	for j, x := range b {
		if x.id < 0 {
			m.a = soft * (x.g/x.q - sum) / st.sum
		} else {
			m.fix[j].v = soft * (x.g - x.q*sum)
		}
	}
	return loss, mass
}

// total is Σ x in 8 lanes.
func total(x []float32) float64 {
	var l [8]float64
	for ; len(x) >= 8; x = x[8:] {
		for i, v := range (*[8]float32)(x) {
			l[i] += float64(v)
		}
	}
	for i, v := range x {
		l[i] += float64(v)
	}
	return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]))
}
