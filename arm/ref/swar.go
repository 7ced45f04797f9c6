package ref

// Integer products several at a time in one 64-bit word: the middle digit of
// (a + b·B)·(y + x·B) is a·x + b·y. Codes are unsigned, activations signed; the
// digits below borrow from the one that is read, which adding half of B before
// the shift undoes. Overflow above the digit that is read does not matter.
// Bounds: 32 products of 255·127 in a digit of 32 bits (Pairs); n·127 times the
// largest code below 2^15 in a digit of 16 bits (Quads), hence one sum is read
// per 16 codes of 4 bits, 8 of 5 bits, 4 of 6 bits.

const (
	pairMask = 0x000000ff000000ff
	quadMask = 0x00ff00ff00ff00ff
)

func pairSum(v uint64) int32 { return int32((int64(v) + 1<<31) >> 32) }
func quadSum(v uint64) int32 { return int32((int64(v) + 1<<47) >> 48) }

// term is the contribution of one sub-block.
func term(sum int32, scale, dx float32) float32 {
	return float32(float32(float32(sum)*scale) * dx)
}

// Spread fills W from the codes of an 8-bit type, which makes Dot faster where a
// row is used for several tokens. Other types do without.
func (r *Row) Spread() {
	if !r.f.wide {
		return
	}
	r.W = grow(r.W, len(r.Q)/2)
	for g := 0; g < len(r.Q)/8; g++ {
		v, w := le.Uint64(r.Q[8*g:]), (*[4]uint64)(r.W[4*g:])
		w[0], w[1], w[2], w[3] = v&pairMask, v>>8&pairMask, v>>16&pairMask, v>>24&pairMask
	}
}

// DotQ8_0 is Dot for a row of Q8_0 blocks that is used once, without a Row.
func DotQ8_0(row []byte, a *Act) float32 {
	acc := float32(0)
	sums, row := a.Sum[:2*len(a.D)], row[:34*len(a.D)]
	for b, dx := range a.D {
		w, x := (*[34]byte)(row[b*34:]), (*[16]uint64)(a.P[b*16:])
		v0, v1 := le.Uint64(w[2:])^signs, le.Uint64(w[10:])^signs
		v2, v3 := le.Uint64(w[18:])^signs, le.Uint64(w[26:])^signs
		s := (v0&pairMask)*x[0] + (v0>>8&pairMask)*x[1] + (v0>>16&pairMask)*x[2] + (v0>>24&pairMask)*x[3]
		t := (v1&pairMask)*x[4] + (v1>>8&pairMask)*x[5] + (v1>>16&pairMask)*x[6] + (v1>>24&pairMask)*x[7]
		s += (v2&pairMask)*x[8] + (v2>>8&pairMask)*x[9] + (v2>>16&pairMask)*x[10] + (v2>>24&pairMask)*x[11]
		t += (v3&pairMask)*x[12] + (v3>>8&pairMask)*x[13] + (v3>>16&pairMask)*x[14] + (v3>>24&pairMask)*x[15]
		sum := pairSum(s+t) - 128*(int32(sums[2*b])+int32(sums[2*b+1]))
		acc += term(sum, half(w[:2]), dx)
	}
	return acc
}

// dotBytes is Dot for codes of 8 bits as bytes.
func dotBytes(r *Row, a *Act) float32 {
	acc := float32(0)
	sums, scales := a.Sum[:2*len(a.D)], r.Scale[:len(a.D)]
	for b, dx := range a.D {
		q, x := (*[32]byte)(r.Q[b*32:]), (*[16]uint64)(a.P[b*16:])
		v0, v1, v2, v3 := le.Uint64(q[0:]), le.Uint64(q[8:]), le.Uint64(q[16:]), le.Uint64(q[24:])
		s := (v0&pairMask)*x[0] + (v0>>8&pairMask)*x[1] + (v0>>16&pairMask)*x[2] + (v0>>24&pairMask)*x[3]
		t := (v1&pairMask)*x[4] + (v1>>8&pairMask)*x[5] + (v1>>16&pairMask)*x[6] + (v1>>24&pairMask)*x[7]
		s += (v2&pairMask)*x[8] + (v2>>8&pairMask)*x[9] + (v2>>16&pairMask)*x[10] + (v2>>24&pairMask)*x[11]
		t += (v3&pairMask)*x[12] + (v3>>8&pairMask)*x[13] + (v3>>16&pairMask)*x[14] + (v3>>24&pairMask)*x[15]
		sum := pairSum(s+t) - 128*(int32(sums[2*b])+int32(sums[2*b+1]))
		acc += term(sum, scales[b], dx)
	}
	return acc
}

func dotPairs(r *Row, a *Act) float32 {
	if len(r.W) == 0 {
		return dotBytes(r, a)
	}
	acc := float32(0)
	sums, scales := a.Sum[:2*len(a.D)], r.Scale[:len(a.D)]
	for b, dx := range a.D {
		w, x := (*[16]uint64)(r.W[b*16:]), (*[16]uint64)(a.P[b*16:])
		s := w[0]*x[0] + w[1]*x[1] + w[2]*x[2] + w[3]*x[3]
		t := w[4]*x[4] + w[5]*x[5] + w[6]*x[6] + w[7]*x[7]
		s += w[8]*x[8] + w[9]*x[9] + w[10]*x[10] + w[11]*x[11]
		t += w[12]*x[12] + w[13]*x[13] + w[14]*x[14] + w[15]*x[15]
		sum := pairSum(s+t) - 128*(int32(sums[2*b])+int32(sums[2*b+1]))
		acc += term(sum, scales[b], dx)
	}
	return acc
}

// quads16 is the sum of 16 products with codes of at most 4 bits.
func quads16(q *[16]byte, x *[4]uint64) int32 {
	v0, v1 := le.Uint64(q[0:]), le.Uint64(q[8:])
	return quadSum((v0&quadMask)*x[0] + (v0>>8&quadMask)*x[1] + (v1&quadMask)*x[2] + (v1>>8&quadMask)*x[3])
}

// dotQuads4: codes of at most 4 bits in sub-blocks of 32.
func dotQuads4(r *Row, a *Act) float32 {
	acc, bias := float32(0), r.f.bias
	sums, scales := a.Sum[:2*len(a.D)], r.Scale[:len(a.D)]
	for b, dx := range a.D {
		q, x := (*[32]byte)(r.Q[b*32:]), (*[8]uint64)(a.R[b*8:])
		sumX := int32(sums[2*b]) + int32(sums[2*b+1])
		sum := quads16((*[16]byte)(q[:16]), (*[4]uint64)(x[:4])) + quads16((*[16]byte)(q[16:]), (*[4]uint64)(x[4:]))
		acc += term(sum-bias*sumX, scales[b], dx)
		if b < len(r.Min) {
			acc -= term(sumX, r.Min[b], dx)
		}
	}
	return acc
}

// quads8 is the sum of 8 products with codes of at most 5 bits.
func quads8(v uint64, x0, x1 uint64) int32 {
	return quadSum((v&quadMask)*x0 + (v>>8&quadMask)*x1)
}

// dotQuads5: codes of 5 bits in sub-blocks of 32.
func dotQuads5(r *Row, a *Act) float32 {
	acc, bias := float32(0), r.f.bias
	sums, scales := a.Sum[:2*len(a.D)], r.Scale[:len(a.D)]
	for b, dx := range a.D {
		q, x := (*[32]byte)(r.Q[b*32:]), (*[8]uint64)(a.R[b*8:])
		sumX := int32(sums[2*b]) + int32(sums[2*b+1])
		sum := quads8(le.Uint64(q[0:]), x[0], x[1]) + quads8(le.Uint64(q[8:]), x[2], x[3]) +
			quads8(le.Uint64(q[16:]), x[4], x[5]) + quads8(le.Uint64(q[24:]), x[6], x[7])
		acc += term(sum-bias*sumX, scales[b], dx)
		if b < len(r.Min) {
			acc -= term(sumX, r.Min[b], dx)
		}
	}
	return acc
}

// dotQuads3: codes of 2 and 3 bits in sub-blocks of 16.
func dotQuads3(r *Row, a *Act) float32 {
	acc, bias := float32(0), r.f.bias
	scales := r.Scale[:len(a.Sum)]
	for s, sumX := range a.Sum {
		q, x, dx := (*[16]byte)(r.Q[s*16:]), (*[4]uint64)(a.R[s*4:]), a.D[s/2]
		acc += term(quads16(q, x)-bias*int32(sumX), scales[s], dx)
		if s < len(r.Min) {
			acc -= term(int32(sumX), r.Min[s], dx)
		}
	}
	return acc
}

// dotQuads6: codes of 6 bits in sub-blocks of 16, without mins.
func dotQuads6(r *Row, a *Act) float32 {
	acc, bias := float32(0), r.f.bias
	scales := r.Scale[:len(a.Sum)]
	for s, sumX := range a.Sum {
		q, x, dx := (*[16]byte)(r.Q[s*16:]), (*[4]uint64)(a.R[s*4:]), a.D[s/2]
		v0, v1 := le.Uint64(q[0:]), le.Uint64(q[8:])
		sum := quadSum((v0&quadMask)*x[0]) + quadSum((v0>>8&quadMask)*x[1]) +
			quadSum((v1&quadMask)*x[2]) + quadSum((v1>>8&quadMask)*x[3])
		acc += term(sum-bias*int32(sumX), scales[s], dx)
	}
	return acc
}
