package model

import (
	"fmt"
	"math"

	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// seed is the article's model: post-norm blocks whose positions all see one
// another, some replaced by a mixture of experts that are one matrix each.
//
//	x = E[id] + P[position]
//	block: h = ln(x + Wo·attend(Wq·x, Wk·x, Wv·x)); y = ln(h + Wdown·relu(Wup·h))
//	mixture: y = Σ over the top k of p_e·(W_e·x + b_e), p = softmax(Wg·x + bg)
//
// Details that are easy to get wrong: p is not scaled to a sum of 1 over the
// chosen ones; a mixture has no residual and no norm; P comes from the file.
// Results: Hidden is the last layer's stream, Logits output·y + bias, Pooled the
// mean over a sequence. A lone block or mixture takes Embeds and has no logits.
type seed struct {
	cfg             arch.Hyper
	embed, position backend.Weight // nil: a lone layer
	out             affine
	layers          []seedLayer
	layer           func(o backend.Ops, i int, x backend.Tensor) backend.Tensor
}

type seedLayer struct {
	block   encoderLayer
	router  affine // a mixture has one
	experts *backend.Experts
}

func newSeed(l *loader) (graph, error) {
	g := &seed{cfg: l.cfg}
	g.layer = g.step
	if l.cfg.Kind == arch.KindModel {
		g.embed, g.position = l.need("token_embd.weight"), l.need("position_embd.weight")
		g.out = l.affine("output")
	}
	for i, kind := range []byte(l.cfg.Mixed) {
		if kind == arch.MixedBlock {
			g.layers = append(g.layers, seedLayer{block: l.encoderLayer(i)})
			continue
		}
		g.layers = append(g.layers, seedLayer{router: l.affine("blk.%d.ffn_gate_inp", i), experts: &backend.Experts{
			Down: l.need("blk.%d.ffn_down_exps.weight", i), Bias: l.need("blk.%d.ffn_down_exps.bias", i), Used: l.cfg.ExpertsUsed,
		}})
	}
	return g, l.err
}

// encoderLayer binds post-norm block i.
func (l *loader) encoderLayer(i int) encoderLayer {
	q, k, v := l.affine("blk.%d.attn_q", i), l.affine("blk.%d.attn_k", i), l.affine("blk.%d.attn_v", i)
	return encoderLayer{
		qkv: [3]backend.Weight{q.w, k.w, v.w}, bias: [3]backend.Weight{q.b, k.b, v.b},
		o: l.affine("blk.%d.attn_output", i), oNorm: l.affine("blk.%d.attn_output_norm", i),
		up: l.affine("blk.%d.ffn_up", i), down: l.affine("blk.%d.ffn_down", i), outNorm: l.affine("blk.%d.layer_output_norm", i),
		mask: backend.Mask{Scale: float32(1 / math.Sqrt(float64(l.cfg.HeadDim))), QHeads: l.cfg.Heads},
	}
}

// of is the block on x: [rows, hidden].
func (l *encoderLayer) of(o backend.Ops, i int, x backend.Tensor, act backend.Act, eps float32) backend.Tensor {
	q, k, v := o.QKV(x, l.qkv, l.bias)
	h := o.Add(l.o.of(o, o.Attend(i, q, k, v, o.In().Views, l.mask)), x)
	h = o.LayerNorm(h, l.oNorm.w, l.oNorm.b, eps)
	f := l.down.of(o, o.Act(l.up.of(o, h), act))
	return o.LayerNorm(o.Add(f, h), l.outNorm.w, l.outNorm.b, eps)
}

func (g *seed) step(o backend.Ops, i int, x backend.Tensor) backend.Tensor {
	l := &g.layers[i]
	if l.experts != nil {
		return o.Experts(x, l.router.of(o, x), l.experts)
	}
	return l.block.of(o, i, x, backend.ReLU, g.cfg.Eps)
}

func (g *seed) forward(o backend.Ops, in *backend.Inputs) ([]backend.Tensor, error) {
	if in.Want&backend.Logits != 0 && g.out.w == nil {
		return nil, fmt.Errorf("model: a lone %s gives hidden states only", g.cfg.Kind)
	}
	var x backend.Tensor
	if in.IDs != nil {
		x = o.Embed(g.embed, in.IDs)
	} else {
		x = o.Input()
	}
	if g.position != nil {
		x = o.Add(x, o.Embed(g.position, in.Positions))
	}
	return encode(o, in, x, len(g.layers), g.layer, results{
		logits: func(_, rows backend.Tensor) backend.Tensor { return g.head(o, rows) },
		pooled: func(x backend.Tensor) backend.Tensor { return o.Pool(x, in.Views, true) },
	}), nil
}

func (g *seed) head(o backend.Ops, hidden backend.Tensor) backend.Tensor { return g.out.of(o, hidden) }

// results makes what an encoder is asked for from the last layer's stream x; rows
// are those of it that are wanted.
type results struct {
	logits func(x, rows backend.Tensor) backend.Tensor
	pooled func(x backend.Tensor) backend.Tensor
}

// encode runs the layers of an encoder on x and returns the results in the order
// of the Want constants.
func encode(o backend.Ops, in *backend.Inputs, x backend.Tensor, layers int, layer func(backend.Ops, int, backend.Tensor) backend.Tensor, r results) []backend.Tensor {
	all := []backend.Tensor{x}
	if in.Layers > 0 {
		layers = in.Layers
	}
	for i := range layers {
		x = o.Layer(i, x, layer)
		all = append(all, x)
	}
	out := in.Out[:0]
	rows := x
	if in.Rows != nil && in.Want&(backend.Logits|backend.Hidden) != 0 {
		rows = o.Rows(x, in.Rows)
	}
	if in.Want&backend.Logits != 0 {
		out = append(out, r.logits(x, rows))
	}
	if in.Want&backend.Hidden != 0 {
		out = append(out, rows)
	}
	if in.Want&backend.AllHidden != 0 {
		out = append(out, all...)
	}
	if in.Want&backend.Pooled != 0 {
		out = append(out, r.pooled(x))
	}
	in.Out = out
	return out
}
