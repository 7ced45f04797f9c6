package kernel

import (
	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/quant"
)

// acts are the quantized activations of all tokens, row after row.
type acts struct {
	Tokens, Blocks int       // blocks of 32 per token
	Q              []int8    // [Tokens, Blocks, 32]
	D              []float32 // [Tokens, Blocks]
	Sum            []int16   // [Tokens, Blocks, 2]
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
	for t := range tokens {
		lo, hi := t*blocks, (t+1)*blocks
		s.act[t].Q, s.act[t].D, s.act[t].Sum = a.Q[32*lo:32*hi:32*hi], a.D[lo:hi:hi], a.Sum[2*lo:2*hi:2*hi]
	}
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
