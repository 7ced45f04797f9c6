package model

import (
	"math"

	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// encoder is BERT: post-norm blocks whose positions all see one another.
//
//	x = ln(E[id] + P[position] + S[segment])
//	h = ln(x + Wo·attend(Wq·x, Wk·x, Wv·x))
//	y = ln(h + Wdown·act(Wup·h))
//
// Every matrix has a bias. Results: Hidden is the last y; Pooled
// tanh(cls·y[first]); Logits of a classifier cls.output·pooled, one row per
// sequence, else of the masked-token head E·ln(act(dense·y)) + bias.
type encoder struct {
	cfg                     arch.Hyper
	act                     backend.Act
	embed, position, kinds  backend.Weight
	norm                    affine
	layers                  []encoderLayer
	pool, class, dense, nsp affine
	mlmNorm                 affine
	mlmBias                 backend.Weight
	layer                   func(o backend.Ops, i int, x backend.Tensor) backend.Tensor
}

// affine is a matrix with its bias, or a norm; w is nil where there is none.
type affine struct{ w, b backend.Weight }

func (a affine) of(o backend.Ops, x backend.Tensor) backend.Tensor { return o.Linear(x, a.w, a.b) }

type encoderLayer struct {
	qkv, bias      [3]backend.Weight
	o, up, down    affine
	oNorm, outNorm affine
	mask           backend.Mask
}

// encoderActs are the activation functions by their names in a file.
var encoderActs = map[string]backend.Act{"gelu": backend.GELU, "gelu_tanh": backend.GELUTanh, "relu": backend.ReLU, "quick_gelu": backend.QuickGELU}

func newEncoder(l *loader) (graph, error) {
	g := &encoder{cfg: l.cfg, act: encoderActs[l.cfg.Act]}
	g.layer = g.block
	g.embed, g.position, g.kinds = l.need("token_embd.weight"), l.need("position_embd.weight"), l.need("token_types.weight")
	g.norm = l.affine("token_embd_norm")
	for i := range l.cfg.Layers {
		q, k, v := l.affine("blk.%d.attn_q", i), l.affine("blk.%d.attn_k", i), l.affine("blk.%d.attn_v", i)
		g.layers = append(g.layers, encoderLayer{
			qkv: [3]backend.Weight{q.w, k.w, v.w}, bias: [3]backend.Weight{q.b, k.b, v.b},
			o: l.affine("blk.%d.attn_output", i), oNorm: l.affine("blk.%d.attn_output_norm", i),
			up: l.affine("blk.%d.ffn_up", i), down: l.affine("blk.%d.ffn_down", i), outNorm: l.affine("blk.%d.layer_output_norm", i),
			mask: backend.Mask{Scale: float32(1 / math.Sqrt(float64(l.cfg.HeadDim))), QHeads: l.cfg.Heads},
		})
	}
	g.pool, g.class, g.nsp = l.head("cls"), l.head("cls.output"), l.head("nsp")
	if g.dense = l.head("mlm.dense"); g.dense.w != nil {
		g.mlmNorm, g.mlmBias = l.affine("mlm.norm"), l.need("mlm.bias")
	}
	return g, l.err
}

// affine is a matrix or norm that must be there, with its bias.
func (l *loader) affine(name string, layer ...any) affine {
	return affine{l.need(name+".weight", layer...), l.need(name+".bias", layer...)}
}

// head is an affine map that a file may lack.
func (l *loader) head(name string) affine {
	if l.f.Tensor(name+".weight") == nil {
		return affine{}
	}
	return l.affine(name)
}

func (g *encoder) block(o backend.Ops, i int, x backend.Tensor) backend.Tensor {
	l, in := &g.layers[i], o.In()
	q, k, v := o.QKV(x, l.qkv, l.bias)
	h := o.Add(l.o.of(o, o.Attend(i, q, k, v, in.Views, l.mask)), x)
	h = o.LayerNorm(h, l.oNorm.w, l.oNorm.b, g.cfg.Eps)
	f := l.down.of(o, o.Act(l.up.of(o, h), g.act))
	return o.LayerNorm(o.Add(f, h), l.outNorm.w, l.outNorm.b, g.cfg.Eps)
}

func (g *encoder) forward(o backend.Ops, in *backend.Inputs) ([]backend.Tensor, error) {
	if err := g.check(in); err != nil {
		return nil, err
	}
	var x backend.Tensor
	if in.IDs != nil {
		x = o.Embed(g.embed, in.IDs)
	} else {
		x = o.Input()
	}
	x = o.Add(x, o.Embed(g.position, in.Positions))
	x = o.Add(x, o.Embed(g.kinds, in.Segments))
	x = o.LayerNorm(x, g.norm.w, g.norm.b, g.cfg.Eps)
	all := []backend.Tensor{x}
	n := len(g.layers)
	if in.Layers > 0 {
		n = in.Layers
	}
	for i := range n {
		x = o.Layer(i, x, g.layer)
		all = append(all, x)
	}
	out := in.Out[:0]
	rows := x
	if in.Rows != nil && in.Want&(backend.Logits|backend.Hidden) != 0 {
		rows = o.Rows(x, in.Rows)
	}
	if in.Want&backend.Logits != 0 {
		if g.class.w != nil {
			out = append(out, g.class.of(o, g.pooled(o, x, in)))
		} else {
			out = append(out, g.head(o, rows))
		}
	}
	if in.Want&backend.Hidden != 0 {
		out = append(out, rows)
	}
	if in.Want&backend.AllHidden != 0 {
		out = append(out, all...)
	}
	if in.Want&backend.Pooled != 0 {
		out = append(out, g.pooled(o, x, in))
	}
	in.Out = out
	return out, nil
}

func (g *encoder) check(in *backend.Inputs) error {
	switch {
	case in.Want&backend.Pooled != 0 && g.pool.w == nil:
		return errNoPooler
	case in.Want&backend.Logits != 0 && g.class.w == nil && g.dense.w == nil:
		return errNoHead
	case in.Want&backend.Logits != 0 && g.class.w != nil && g.pool.w == nil:
		return errNoPooler
	}
	return nil
}

// pooled is tanh(cls·x[first]) of each sequence.
func (g *encoder) pooled(o backend.Ops, x backend.Tensor, in *backend.Inputs) backend.Tensor {
	return o.Act(g.pool.of(o, o.Pool(x, in.Views, false)), backend.Tanh)
}

// head is the masked-token head: [rows, hidden] to [rows, vocabulary].
func (g *encoder) head(o backend.Ops, hidden backend.Tensor) backend.Tensor {
	h := o.Act(g.dense.of(o, hidden), g.act)
	return o.Linear(o.LayerNorm(h, g.mlmNorm.w, g.mlmNorm.b, g.cfg.Eps), g.embed, g.mlmBias)
}
