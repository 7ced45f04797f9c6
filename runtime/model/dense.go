package model

import (
	"math"

	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// dense is the decoder of llama, mistral, qwen2 and qwen3, and with experts in
// place of the feed-forward block of mixtral, qwen2moe and qwen3moe:
//
//	h = x + Wo·attend(rope(Wq·n), rope(Wk·n), Wv·n)   n = rms(x)
//	y = h + Wdown·(silu(Wgate·m) * (Wup·m))           m = rms(h)
//
// Details that are easy to get wrong:
//   - llama files hold Q and K rows permuted to interleaved pairs (2i, 2i+1);
//     qwen files keep the halves (i, i+dim/2).
//   - qwen3 normalises each head of Q and K before the rotation.
//   - The head dimension is not hidden/heads in general.
//   - A tied model has no output.weight: the embedding serves.
//   - The last layer's second half runs only on the rows that are wanted.
type dense struct {
	cfg    arch.Hyper
	rope   *backend.Rope
	embed  backend.Weight // [vocabulary, hidden]
	norm   backend.Weight // [hidden]
	out    backend.Weight // [vocabulary, hidden]
	layers []denseLayer
	layer  func(o backend.Ops, i int, x backend.Tensor) backend.Tensor // made once: a method value allocates
}

type denseLayer struct {
	attnNorm, ffnNorm backend.Weight    // [hidden]
	qkv               [3]backend.Weight // [heads*dim, hidden], [kv heads*dim, hidden] twice
	qkvBias           [3]backend.Weight // nil or vectors
	qNorm, kNorm      backend.Weight    // nil or [dim]
	o, oBias          backend.Weight    // [hidden, heads*dim]
	gate, up          backend.Weight    // [ffn, hidden]; with experts those of every token's expert, or nil
	gateUpBias        [2]backend.Weight
	down, downBias    backend.Weight // [hidden, ffn]
	mask              backend.Mask

	router  backend.Weight   // [experts, hidden], nil: no experts
	experts *backend.Experts // with router
	share   backend.Weight   // [1, hidden] how much of every token's expert
}

func newDense(l *loader) (graph, error) {
	g := &dense{cfg: l.cfg, rope: l.rope}
	g.layer = g.block
	g.embed = l.need("token_embd.weight")
	g.norm = l.need("output_norm.weight")
	if g.out = l.maybe("output.weight"); g.out == nil {
		g.out = g.embed
	}
	for i := range l.cfg.Layers {
		g.layers = append(g.layers, denseLayer{
			attnNorm: l.need("blk.%d.attn_norm.weight", i),
			ffnNorm:  l.need("blk.%d.ffn_norm.weight", i),
			qkv:      [3]backend.Weight{l.need("blk.%d.attn_q.weight", i), l.need("blk.%d.attn_k.weight", i), l.need("blk.%d.attn_v.weight", i)},
			qkvBias:  [3]backend.Weight{l.maybe("blk.%d.attn_q.bias", i), l.maybe("blk.%d.attn_k.bias", i), l.maybe("blk.%d.attn_v.bias", i)},
			qNorm:    l.maybe("blk.%d.attn_q_norm.weight", i),
			kNorm:    l.maybe("blk.%d.attn_k_norm.weight", i),
			o:        l.need("blk.%d.attn_output.weight", i),
			oBias:    l.maybe("blk.%d.attn_output.bias", i),
			mask:     backend.Mask{Scale: float32(1 / math.Sqrt(float64(l.cfg.HeadDim))), Window: l.cfg.Window, QHeads: l.cfg.Heads},
		})
		g.layers[i].feedForward(l, i)
	}
	return g, l.err
}

// feedForward binds the layer's second half: experts where it has a router.
func (d *denseLayer) feedForward(l *loader, i int) {
	if l.cfg.Experts == 0 {
		d.gate, d.up, d.down = l.need("blk.%d.ffn_gate.weight", i), l.need("blk.%d.ffn_up.weight", i), l.need("blk.%d.ffn_down.weight", i)
		d.gateUpBias = [2]backend.Weight{l.maybe("blk.%d.ffn_gate.bias", i), l.maybe("blk.%d.ffn_up.bias", i)}
		d.downBias = l.maybe("blk.%d.ffn_down.bias", i)
		return
	}
	d.router = l.need("blk.%d.ffn_gate_inp.weight", i)
	d.experts = &backend.Experts{
		Gate: l.need("blk.%d.ffn_gate_exps.weight", i),
		Up:   l.need("blk.%d.ffn_up_exps.weight", i),
		Down: l.need("blk.%d.ffn_down_exps.weight", i),
		Used: l.cfg.ExpertsUsed, Norm: l.cfg.ExpertsNorm, Act: backend.SiLU,
	}
	if l.cfg.SharedFFN > 0 {
		d.share = l.need("blk.%d.ffn_gate_inp_shexp.weight", i)
		d.gate, d.up = l.need("blk.%d.ffn_gate_shexp.weight", i), l.need("blk.%d.ffn_up_shexp.weight", i)
		d.down = l.need("blk.%d.ffn_down_shexp.weight", i)
	}
}

// forward is the layer's second half without the residual. n: [rows, hidden].
func (d *denseLayer) forward(o backend.Ops, n backend.Tensor) backend.Tensor {
	var y backend.Tensor
	if d.gate != nil {
		f := o.GateUp(n, d.gate, d.up, d.gateUpBias, backend.SiLU) // [rows, ffn]
		y = o.Linear(f, d.down, d.downBias)
	}
	if d.router == nil {
		return y
	}
	if d.share != nil {
		y = o.Mul(y, o.Act(o.Linear(n, d.share, nil), backend.Sigmoid))
	}
	e := o.Experts(n, o.Linear(n, d.router, nil), d.experts)
	if d.gate == nil {
		return e
	}
	return o.Add(e, y)
}

// lastLayer is the index of the last layer that a step runs.
func (g *dense) lastLayer(in *backend.Inputs) int {
	if in.Layers > 0 {
		return in.Layers - 1
	}
	return len(g.layers) - 1
}

// narrows says whether layer i returns only the wanted rows.
func (g *dense) narrows(in *backend.Inputs, i int) bool {
	return i == g.lastLayer(in) && in.Rows != nil && in.Want&backend.AllHidden == 0
}

// block is layer i. x: [rows, hidden].
func (g *dense) block(o backend.Ops, i int, x backend.Tensor) backend.Tensor {
	l, in, c := &g.layers[i], o.In(), &g.cfg
	n := o.RMSNorm(x, l.attnNorm, c.Eps)
	q, k, v := o.QKV(n, l.qkv, l.qkvBias) // [rows, heads*dim], [rows, kv heads*dim]
	if l.qNorm != nil {
		q = o.HeadNorm(q, c.HeadDim, l.qNorm, c.Eps)
	}
	if l.kNorm != nil {
		k = o.HeadNorm(k, c.HeadDim, l.kNorm, c.Eps)
	}
	q, k = o.RoPE(q, c.HeadDim, g.rope), o.RoPE(k, c.HeadDim, g.rope)
	o.StoreKV(i, k, v, in.Views)
	narrow := g.narrows(in, i)
	if narrow && len(in.Rows) == 0 {
		return o.Rows(x, in.Rows) // only the cache was wanted
	}
	a := o.Attend(i, q, k, v, in.Views, l.mask)
	if narrow {
		a, x = o.Rows(a, in.Rows), o.Rows(x, in.Rows)
	}
	h := o.Add(x, o.Linear(a, l.o, l.oBias))
	return o.Add(h, l.forward(o, o.RMSNorm(h, l.ffnNorm, c.Eps)))
}

func (g *dense) forward(o backend.Ops, in *backend.Inputs) ([]backend.Tensor, error) {
	if in.Want&backend.Pooled != 0 {
		return nil, errNotPooled
	}
	var x backend.Tensor
	if in.IDs != nil {
		x = o.Embed(g.embed, in.IDs)
	} else {
		x = o.Input()
	}
	out := in.Out[:0]
	for _, w := range []backend.Want{backend.Logits, backend.Hidden} {
		if in.Want&w != 0 {
			out = append(out, backend.Tensor{})
		}
	}
	all := in.Want&backend.AllHidden != 0
	if all {
		out = append(out, x)
	}
	for i := range g.lastLayer(in) + 1 {
		x = o.Layer(i, x, g.layer)
		if all {
			out = append(out, x)
		}
	}
	in.Out = out
	return out, g.results(o, in, x, out)
}

// results fills the first entries of out with logits and hidden states.
func (g *dense) results(o backend.Ops, in *backend.Inputs, x backend.Tensor, out []backend.Tensor) error {
	if in.Want&(backend.Logits|backend.Hidden) == 0 {
		return nil
	}
	if in.Rows != nil && !g.narrows(in, g.lastLayer(in)) {
		x = o.Rows(x, in.Rows)
	}
	hidden := backend.Tensor{Cols: g.cfg.Hidden}
	logits := backend.Tensor{Cols: g.cfg.Vocab}
	if in.Rows == nil || len(in.Rows) > 0 {
		hidden = o.RMSNorm(x, g.norm, g.cfg.Eps)
		if in.Want&backend.Logits != 0 {
			logits = g.head(o, hidden)
		}
	}
	if in.Want&backend.Logits != 0 {
		out[0], out = logits, out[1:]
	}
	if in.Want&backend.Hidden != 0 {
		out[0] = hidden
	}
	return nil
}

func (g *dense) head(o backend.Ops, hidden backend.Tensor) backend.Tensor {
	return o.Linear(hidden, g.out, nil)
}
