package model

import (
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
		g.layers = append(g.layers, l.encoderLayer(i))
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
	return g.layers[i].of(o, i, x, g.act, g.cfg.Eps)
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
	return encode(o, in, x, len(g.layers), g.layer, results{
		logits: func(x, rows backend.Tensor) backend.Tensor {
			if g.class.w != nil {
				return g.class.of(o, g.pooled(o, x, in))
			}
			return g.head(o, rows)
		},
		pooled: func(x backend.Tensor) backend.Tensor { return g.pooled(o, x, in) },
	}), nil
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
