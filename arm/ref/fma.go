package ref

import "math"

// FMA is a·b+c with one rounding, for every input: what FMADD gives in float32.
// The product of two float32 is exact in float64. The sum is rounded to float64
// first; rounding that to float32 is wrong only where it lies halfway between
// two float32 and was not exact, or where the result is subnormal.
func FMA(a, b, c float32) float32 {
	p := float64(a) * float64(b)
	s := p + float64(c)
	u := math.Float64bits(s)
	if u<<35 == 1<<63 || u&(1<<63-1) < minNormal {
		return fmaOdd(p, float64(c), s)
	}
	return float32(s)
}

// minNormal is the bits of the float64 2^-126, the smallest normal float32.
const minNormal = (1023 - 126) << 52

// fmaOdd rounds the exact p+c to float32, s being p+c rounded to float64: s is
// moved to the neighbour with an odd last bit where it is not exact ("round to
// odd", Boldo and Melquiond 2008), which makes the second rounding harmless.
func fmaOdd(p, c, s float64) float32 {
	bb := s - p
	t := (p - (s - bb)) + (c - bb) // s + t is exactly p + c
	if (t > 0 || t < 0) && math.Float64bits(s)&1 == 0 {
		u := math.Float64bits(s)
		if (t > 0) == (s > 0) {
			u++
		} else {
			u--
		}
		s = math.Float64frombits(u)
	}
	return float32(s)
}

// halfway is FMA's rare case inside the fast loops: s = p+c is a candidate for a
// wrong second rounding. It returns the right float32, widened.
//
//go:noinline
func halfway(w float32, x, acc, s float64) float64 {
	return float64(fmaOdd(float64(float64(w)*x), acc, s))
}

// Wide is a float32 vector widened to float64 and padded with zeros to a
// multiple of 16, ready for Dot.
type Wide struct {
	V   []float64
	Exp int // lower bound of the values' exponents, see MinExp
}

// Widen fills w from x; V is reused when it is large enough.
func (w *Wide) Widen(x []float32) {
	n := (len(x) + 15) &^ 15
	if cap(w.V) < n {
		w.V = make([]float64, n)
	}
	w.V = w.V[:n]
	for i, v := range x {
		w.V[i] = float64(v)
	}
	clear(w.V[len(x):])
	w.Exp = MinExp(x)
}

const safeExp = 23*2 - 149 // of two exponents: products are multiples of 2^-149

// Dot is the product of a float row with activations in the order of the
// package comment. exp bounds w's exponents from below (MinExp); len(w) is at
// most len(x.V), and more than len(x.V)-16.
func Dot(w []float32, exp int, x *Wide) float32 {
	if exp+x.Exp < safeExp {
		return dotAny(w, x)
	}
	var lanes [16]float64
	n := len(w) &^ 15
	dotBody(&lanes, w[:n], x.V[:n])
	if n < len(w) {
		var tail [16]float32
		copy(tail[:], w[n:])
		dotBody(&lanes, tail[:], x.V[n:])
	}
	return tree(&lanes)
}

// dotBody runs both halves of the lanes over whole steps of 16.
func dotBody(lanes *[16]float64, w []float32, x []float64) {
	for h := 0; h < 16 && h < len(w); h += 8 {
		w, x := w[h:], x[h:] // the last step may end 8 short
		for {
			n, lane := dotLanes((*[8]float64)(lanes[h:]), w, x)
			if lane == 8 {
				break
			}
			for ; lane < 8; lane++ {
				a := &lanes[h+lane]
				*a = float64(FMA(w[n+lane], float32(x[n+lane]), float32(*a)))
			}
			if n+16 > len(w) {
				break
			}
			w, x = w[n+16:], x[n+16:]
		}
	}
}

// dotLanes adds to 8 lanes, whose values are at the start of each step of 16.
// An accumulator is a float64 that holds a float32. Where a sum may round
// wrongly it stops and returns the step's index and the lane, to be finished by
// FMA; else lane is 8. There is no call inside the loop: it would make the
// compiler keep the accumulators in memory. Subnormal results are exact because
// all products are multiples of 2^-149.
func dotLanes(l *[8]float64, w []float32, x []float64) (n, lane int) {
	const rare = 1 << 63 // of the last 29 bits: halfway between two float32
	a0, a1, a2, a3, a4, a5, a6, a7 := l[0], l[1], l[2], l[3], l[4], l[5], l[6], l[7]
	for lane = 8; n+8 <= len(w) && n+8 <= len(x); n += 16 {
		ww, xx := (*[8]float32)(w[n:]), (*[8]float64)(x[n:])
		s := a0 + float64(float64(ww[0])*xx[0])
		if math.Float64bits(s)<<35 == rare {
			lane = 0
			break
		}
		a0 = float64(float32(s))
		s = a1 + float64(float64(ww[1])*xx[1])
		if math.Float64bits(s)<<35 == rare {
			lane = 1
			break
		}
		a1 = float64(float32(s))
		s = a2 + float64(float64(ww[2])*xx[2])
		if math.Float64bits(s)<<35 == rare {
			lane = 2
			break
		}
		a2 = float64(float32(s))
		s = a3 + float64(float64(ww[3])*xx[3])
		if math.Float64bits(s)<<35 == rare {
			lane = 3
			break
		}
		a3 = float64(float32(s))
		s = a4 + float64(float64(ww[4])*xx[4])
		if math.Float64bits(s)<<35 == rare {
			lane = 4
			break
		}
		a4 = float64(float32(s))
		s = a5 + float64(float64(ww[5])*xx[5])
		if math.Float64bits(s)<<35 == rare {
			lane = 5
			break
		}
		a5 = float64(float32(s))
		s = a6 + float64(float64(ww[6])*xx[6])
		if math.Float64bits(s)<<35 == rare {
			lane = 6
			break
		}
		a6 = float64(float32(s))
		s = a7 + float64(float64(ww[7])*xx[7])
		if math.Float64bits(s)<<35 == rare {
			lane = 7
			break
		}
		a7 = float64(float32(s))
	}
	l[0], l[1], l[2], l[3], l[4], l[5], l[6], l[7] = a0, a1, a2, a3, a4, a5, a6, a7
	return n, lane
}

// dotAny is Dot for values of any size, one FMA at a time.
func dotAny(w []float32, x *Wide) float32 {
	var lanes [16]float64
	for i, xv := range x.V {
		wv := float32(0)
		if i < len(w) {
			wv = w[i]
		}
		lanes[i&15] = float64(FMA(wv, float32(xv), float32(lanes[i&15])))
	}
	return tree(&lanes)
}

// tree adds 16 lanes that hold float32 values.
func tree(l *[16]float64) float32 {
	var f [16]float32
	for i, v := range l {
		f[i] = float32(v)
	}
	return Tree(&f)
}

// Tree adds 16 lanes in the fixed order: l with l+8, l+4, l+2, l+1.
func Tree(l *[16]float32) float32 {
	for h := 8; h > 0; h /= 2 {
		for i := range h {
			l[i] += l[i+h]
		}
	}
	return l[0]
}

// Axpy is one position of P·V: o[d] = FMA(p, v[d], o[d]). The float64 in o hold
// float32 values; exp bounds v's exponents from below.
func Axpy(o []float64, p float32, v []float32, exp int) {
	if exp+MinExp([]float32{p}) < safeExp {
		for d := range o {
			o[d] = float64(FMA(p, v[d], float32(o[d])))
		}
		return
	}
	w := float64(p)
	for ; len(o) >= 4 && len(v) >= 4; o, v = o[4:], v[4:] {
		oo, vv := (*[4]float64)(o), (*[4]float32)(v)
		s0 := oo[0] + float64(w*float64(vv[0]))
		s1 := oo[1] + float64(w*float64(vv[1]))
		s2 := oo[2] + float64(w*float64(vv[2]))
		s3 := oo[3] + float64(w*float64(vv[3]))
		if math.Float64bits(s0)<<35 == 1<<63 {
			s0 = halfway(vv[0], w, oo[0], s0)
		}
		if math.Float64bits(s1)<<35 == 1<<63 {
			s1 = halfway(vv[1], w, oo[1], s1)
		}
		if math.Float64bits(s2)<<35 == 1<<63 {
			s2 = halfway(vv[2], w, oo[2], s2)
		}
		if math.Float64bits(s3)<<35 == 1<<63 {
			s3 = halfway(vv[3], w, oo[3], s3)
		}
		oo[0], oo[1], oo[2], oo[3] = float64(float32(s0)), float64(float32(s1)), float64(float32(s2)), float64(float32(s3))
	}
	for d := range o {
		o[d] = float64(FMA(p, v[d], float32(o[d])))
	}
}
