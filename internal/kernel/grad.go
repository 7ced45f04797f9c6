package kernel

import (
	"math"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/x86"
)

// The backward of the row-wise operations. Sums over rows are taken in blocks of
// gradBlock rows and the blocks added in one binary tree, so they do not depend
// on the number of threads.
const gradBlock = 64

// normGrad is the RMSNormGrad in progress.
type normGrad struct {
	dx, dy, x F32
	w         []float32
	dim       int
	eps       float32
	add       bool
	part      []float32 // [blocks, dim]: Σ of the block's rows; nil: not wanted
	fn        func(worker, lo, hi int)
}

// RMSNormGrad is the backward of RMSNormHeads. For each run of dim columns,
// r = 1/sqrt(mean x² + eps) and g = dy·w:
//
//	dx (+)= r·g - x·r³·mean(g·x)   dw += Σ_rows dy·x·r
//
// add says whether dx is added to. dx may be dy without add. dx or dw may be
// empty: not wanted.
func (p *Pool) RMSNormGrad(dx F32, dw []float32, dy, x F32, dim int, w []float32, eps float32, add bool) {
	must(same(dy, x) && len(w) == dim && dim > 0 && x.Cols%dim == 0 && (dw == nil || len(dw) == dim), "rmsnorm gradient", dy, x)
	must(dx.Data == nil || same(dx, x), "rmsnorm gradient", dx, x)
	p.mu.Lock()
	defer p.mu.Unlock()
	n := &p.norm
	part := n.part
	defer func() { *n = normGrad{part: part, fn: n.fn} }()
	n.dx, n.dy, n.x, n.w, n.dim, n.eps, n.add, n.part = dx, dy, x, w, dim, eps, add, nil
	blocks := (x.Rows + gradBlock - 1) / gradBlock
	if dw != nil {
		part = grow(part, blocks*dim)
		n.part = part
		clear(n.part)
	}
	if n.fn == nil {
		n.fn = func(_, lo, hi int) {
			for b := lo; b < hi; b++ {
				p.norm.block(b)
			}
		}
	}
	fault(p.run(blocks, 1, n.fn))
	if dw != nil {
		addBlocks(dw, n.part, blocks)
	}
}

func (n *normGrad) block(b int) {
	var dw []float32
	if n.part != nil {
		dw = n.part[b*n.dim : (b+1)*n.dim]
	}
	for r := b * gradBlock; r < min((b+1)*gradBlock, n.x.Rows); r++ {
		x, dy := n.x.At(r), n.dy.At(r)
		var dx []float32
		if n.dx.Data != nil {
			dx = n.dx.At(r)
		}
		for h := 0; h < len(x); h += n.dim {
			if dx != nil {
				n.run(dx[h:h+n.dim], dw, dy[h:h+n.dim], x[h:h+n.dim])
			} else {
				n.run(nil, dw, dy[h:h+n.dim], x[h:h+n.dim])
			}
		}
	}
}

// run is one run of dim columns.
func (n *normGrad) run(dx, dw, dy, x []float32) {
	w := n.w[:len(x)]
	dy = dy[:len(x)]
	var q0, q1, s0, s1 float32
	i := 0
	for ; i+2 <= len(x); i += 2 {
		q0 += float32(x[i] * x[i])
		q1 += float32(x[i+1] * x[i+1])
		s0 += float32(dy[i] * w[i] * x[i])
		s1 += float32(dy[i+1] * w[i+1] * x[i+1])
	}
	for ; i < len(x); i++ {
		q0 += float32(x[i] * x[i])
		s0 += float32(dy[i] * w[i] * x[i])
	}
	r := 1 / float32(math.Sqrt(float64((q0+q1)/float32(len(x))+n.eps)))
	if dw != nil {
		dw = dw[:len(x)]
		for i, f := range x {
			dw[i] += float32(dy[i] * (f * r))
		}
	}
	if dx == nil {
		return
	}
	c := (s0 + s1) / float32(len(x)) * r * r * r
	dx = dx[:len(x)]
	if n.add {
		for i, f := range x {
			dx[i] += float32(r*(dy[i]*w[i])) - float32(f*c)
		}
		return
	}
	for i, f := range x {
		dx[i] = float32(r*(dy[i]*w[i])) - float32(f*c)
	}
}

// addBlocks adds the rows of part, summed in a binary tree, to y. part: [blocks,
// len(y)]; it is destroyed.
func addBlocks(y, part []float32, blocks int) {
	n := len(y)
	for step := 1; step < blocks; step *= 2 {
		for b := 0; b+step < blocks; b += 2 * step {
			dst, src := part[b*n:(b+1)*n], part[(b+step)*n:(b+step+1)*n]
			for i, f := range src {
				dst[i] += f
			}
		}
	}
	if blocks > 0 {
		for i, f := range part[:n] {
			y[i] += f
		}
	}
}

// SumRows computes y += Σ_rows x. y: [cols]
func (p *Pool) SumRows(y []float32, x F32) {
	must(len(y) == x.Cols, "sum of rows", x, x)
	p.mu.Lock()
	defer p.mu.Unlock()
	blocks := (x.Rows + gradBlock - 1) / gradBlock
	part := grow(p.norm.part, blocks*x.Cols)
	p.norm.part = part
	clear(part)
	fault(p.run(blocks, 1, func(_, lo, hi int) {
		for b := lo; b < hi; b++ {
			dst := part[b*x.Cols : (b+1)*x.Cols]
			for r := b * gradBlock; r < min((b+1)*gradBlock, x.Rows); r++ {
				p.variant.add(dst, x.At(r))
			}
		}
	}))
	addBlocks(y, part, blocks)
}

// ScatterRows computes y[ids[i]] += x[i], i ascending: the backward of EmbedRows.
func (p *Pool) ScatterRows(y, x F32, ids []int32) {
	must(len(ids) == x.Rows && y.Cols == x.Cols, "scatter rows", y, x)
	p.mu.Lock()
	defer p.mu.Unlock()
	fault(p.run(x.Cols, 64, func(_, lo, hi int) {
		for i, id := range ids {
			p.variant.add(y.At(int(id))[lo:hi], x.At(i)[lo:hi])
		}
	}))
}

// ActGrad computes dx = dy·a'(x). dx may be dy or x.
func (p *Pool) ActGrad(dx, dy, x F32, a Act) {
	must(same(dx, x) && same(dy, x), "activation gradient", dx, x)
	p.mu.Lock()
	defer p.mu.Unlock()
	fault(p.run(len(x.Data), 4096, func(_, lo, hi int) {
		dx, dy, x := dx.Data[lo:hi], dy.Data[lo:hi], x.Data[lo:hi]
		if a != SiLU {
			for i, f := range x {
				dx[i] = dy[i] * slope(f, a)
			}
			return
		}
		var buf [1024]float32
		for len(x) > 0 {
			n := min(len(buf), len(x))
			s := buf[:n]
			p.variant.silu(s, x[:n], nil)
			for i, y := range s {
				dx[i] = dy[i] * x86.SiLUSlope(x[i], y)
			}
			dx, dy, x = dx[n:], dy[n:], x[n:]
		}
	}))
}

// GateUpGrad is the backward of y = act(gate)·up: dgate = dy·up·act'(gate) and
// dup = dy·act(gate). dgate may be gate, dup may be up.
func (p *Pool) GateUpGrad(dgate, dup, gate, up, dy F32, a Act) {
	must(same(dgate, gate) && same(dup, up) && same(gate, dy), "gate gradient", dgate, gate)
	must(same(up, dy), "gate gradient", up, dy)
	p.mu.Lock()
	defer p.mu.Unlock()
	fault(p.run(len(dy.Data), 4096, func(worker, lo, hi int) {
		w := p.workers[worker]
		w.f32 = grow(w.f32, 1024)
		buf := w.f32
		for ; lo < hi; lo += len(buf) {
			end := min(lo+len(buf), hi)
			g, u, d := gate.Data[lo:end], up.Data[lo:end], dy.Data[lo:end]
			dg, du, s := dgate.Data[lo:end], dup.Data[lo:end], buf[:end-lo]
			p.variant.activate(s, g, a)
			u, d, dg, du, s = u[:len(g)], d[:len(g)], dg[:len(g)], du[:len(g)], s[:len(g)]
			if a == SiLU {
				x86.SwiGLUGrad(p.variant.x86, dg, du, g, u, d, s)
				continue
			}
			for i, x := range g {
				z, t := d[i], u[i]
				dg[i], du[i] = z*t*slope(x, a), z*s[i]
			}
		}
	}))
}

// slope is the derivative of an activation function, in float64.
func slope(x float32, a Act) float32 {
	v := float64(x)
	switch a {
	case SiLU:
		return x86.SiLUSlope(x, ref.SiLU(x))
	case GELU: // Φ(x) + x·φ(x)
		return float32(float64(0.5*math.Erfc(-v/math.Sqrt2)) + v*math.Exp(-v*v/2)/math.Sqrt(2*math.Pi))
	case GELUTanh: // x·σ(u), u = 2·sqrt(2/π)·(x + 0.044715x³)
		c := 2 * math.Sqrt(2/math.Pi)
		s := 1 / (1 + math.Exp(-c*(v+float64(0.044715*v*v*v))))
		return float32(s + float64(v*s*(1-s)*c*(1+float64(3*0.044715*v*v))))
	case QuickGELU:
		s := 1 / (1 + math.Exp(-1.702*v))
		return float32(s + float64(1.702*v*s*(1-s)))
	case ReLU:
		if x > 0 {
			return 1
		}
		return 0
	case Sigmoid:
		s := 1 / (1 + math.Exp(-v))
		return float32(s * (1 - s))
	case Tanh:
		t := math.Tanh(v)
		return float32(1 - float64(t*t))
	}
	return 1
}

// LayerNormGrad is the backward of LayerNorm. With r = 1/sqrt(var + eps),
// n = (x - mean)·r and g = dy·w:
//
//	dx (+)= r·(g - mean(g) - n·mean(g·n))   dw += Σ_rows dy·n
//
// add says whether dx is added to. dx or dw may be empty: not wanted.
func (p *Pool) LayerNormGrad(dx F32, dw []float32, dy, x F32, w []float32, eps float32, add bool) {
	must(same(dy, x) && len(w) == x.Cols && (dw == nil || len(dw) == x.Cols), "layernorm gradient", dy, x)
	must(dx.Data == nil || same(dx, x), "layernorm gradient", dx, x)
	p.mu.Lock()
	defer p.mu.Unlock()
	blocks := (x.Rows + gradBlock - 1) / gradBlock
	var part []float32
	if dw != nil {
		part = grow(p.norm.part, blocks*x.Cols)
		p.norm.part = part
		clear(part)
	}
	fault(p.run(blocks, 1, func(_, lo, hi int) {
		n := make([]float32, x.Cols)
		for b := lo; b < hi; b++ {
			for r := b * gradBlock; r < min((b+1)*gradBlock, x.Rows); r++ {
				d := dy.At(r)
				inv, meanG, meanGN := layerMeans(n, d, x.At(r), w, eps)
				if part != nil {
					for i, f := range part[b*x.Cols : (b+1)*x.Cols] {
						part[b*x.Cols+i] = f + float32(d[i]*n[i])
					}
				}
				if dx.Data == nil {
					continue
				}
				y := dx.At(r)
				for i, f := range n {
					t := float32(inv * (float32(d[i]*w[i]) - meanG - float32(f*meanGN)))
					if add {
						t += y[i]
					}
					y[i] = t
				}
			}
		}
	}))
	if dw != nil {
		addBlocks(dw, part, blocks)
	}
}

// layerMeans fills n with the normalised x and returns 1/sqrt(var + eps), the
// mean of g = dy·w and that of g·n.
func layerMeans(n, dy, x, w []float32, eps float32) (inv, meanG, meanGN float32) {
	var sum, sq, g, gn float64
	for _, f := range x {
		sum += float64(f)
	}
	mean := sum / float64(len(x))
	for _, f := range x {
		sq += float64((float64(f) - mean) * (float64(f) - mean))
	}
	r := 1 / math.Sqrt(sq/float64(len(x))+float64(eps))
	for i, f := range x {
		n[i] = float32((float64(f) - mean) * r)
		t := float64(float64(dy[i]) * float64(w[i]))
		g += t
		gn += float64(t * float64(n[i]))
	}
	k := float64(len(x))
	return float32(r), float32(g / k), float32(gn / k)
}
