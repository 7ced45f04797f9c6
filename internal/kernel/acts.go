package kernel

import (
	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/x86"
	"github.com/qwq-edge/qwq/quant"
)

// acts are the quantized activations of all tokens, row after row.
type acts struct {
	Tokens, Blocks int       // blocks of 32 per token
	Q              []int8    // [Tokens, Blocks, 32]
	D              []float32 // [Tokens, Blocks]
	Sum            []int16   // [Tokens, Blocks, 2]

	// Of x86.Widen; all [Tokens, Blocks].
	Wide      []float32
	Low, High []int32
}

// room makes the scratch of n tokens.
func (s *scratch) room(n int) {
	for len(s.act) < n {
		s.act = append(s.act, ref.Act{})
		s.wide = append(s.wide, ref.Wide{})
		s.bad = append(s.bad, -1)
	}
}

// view makes room for the codes of all tokens in one piece each.
func (s *scratch) view(tokens, cols int) {
	blocks := (cols + 31) / 32
	a, n := &s.acts, tokens*blocks
	a.Tokens, a.Blocks = tokens, blocks
	a.Q, a.D, a.Sum = grow(a.Q, 32*n), grow(a.D, n), grow(a.Sum, 2*n)
	if s.variant.x86 != x86.None {
		a.Wide, a.Low, a.High = grow(a.Wide, n), grow(a.Low, n), grow(a.High, n)
	}
	for t := range tokens {
		lo, hi := t*blocks, (t+1)*blocks
		s.act[t].Q, s.act[t].D, s.act[t].Sum = a.Q[32*lo:32*hi:32*hi], a.D[lo:hi:hi], a.Sum[2*lo:2*hi:2*hi]
	}
}

// quantize makes the codes of token t from x and returns the column of its first
// value that is not finite, or -1.
func (s *scratch) quantize(t int, x []float32) int {
	bad := s.variant.quantize(&s.act[t], x)
	if s.variant.x86 != x86.None {
		a, lo, hi := &s.acts, t*s.acts.Blocks, (t+1)*s.acts.Blocks
		x86.Widen(s.variant.x86, a.Wide[lo:hi], a.Low[lo:hi], a.High[lo:hi], s.act[t].Sum)
	}
	return bad
}

// Integer reports whether MatMul quantizes the activations of weights of type t.
func Integer(t quant.Type) bool {
	ok, _ := ref.Integer(t)
	return ok
}

// RMSNormActs is RMSNorm that also quantizes each row of y while it is in the
// cache. A MatMul of y with Fuse.Acts set to the result takes those codes, if no
// other call came between; else it makes its own, which are the same. y must not
// be written in between except by calls of the pool.
func (p *Pool) RMSNormActs(y, x F32, w []float32, eps float32) (acts uint64) {
	must(same(y, x) && len(w) == x.Cols && x.Cols > 0, "rmsnorm", y, x)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.act.room(x.Rows)
	p.act.view(x.Rows, x.Cols)
	o := &p.op
	o.kind, o.y, o.x, o.w, o.eps, o.dim = opRMSNormActs, y, x, w, eps, x.Cols
	fault(p.rows(x.Rows, x.Cols))
	return p.jobs
}

// holds reports whether the codes are those of x: made by the last job, the one
// that is named.
func (p *Pool) holds(acts uint64, x F32) bool {
	a := &p.act.acts
	return acts != 0 && acts == p.jobs && a.Tokens == x.Rows && a.Blocks == (x.Cols+31)/32
}
