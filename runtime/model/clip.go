package model

import (
	"errors"
	"fmt"
	"math"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
)

var errTower = errors.New("model: a tower of CLIP has no logits, it gives hidden states and embeddings only")

// tower is one of CLIP's: pre-norm blocks over a text, where a position sees those
// before it, or over the patches of an image, where it sees all.
//
//	text   x = E[id] + P[position]
//	image  x = ln(patch·W + P[position]), row 0: ln(class + P[0])
//	h = x + Wo·attend(Wq·n, Wk·n, Wv·n),  n = ln(x)
//	y = h + Wdown·act(Wup·ln(h))
//
// Results: Hidden is ln(y) of a text and the last y of an image, as transformers
// has it; Pooled proj·ln(y[end]) of a text, end being the first token that ends
// one, and proj·ln(y[0]) of an image, [sequences, projection], not normalised.
//
// An image comes as Embeds, [1 + patches, 3·patch²] with zeros in row 0: those make
// a row of zeros, and the class is part of P[0]. What tells the two apart is their
// sum alone, so the sum is what is trained.
type tower struct {
	cfg       arch.Hyper
	act       backend.Act
	image     bool
	embed     backend.Weight // tokens, or patches
	position  backend.Weight
	pre, post affine
	proj      backend.Weight
	layers    []towerLayer
	layer     func(o backend.Ops, i int, x backend.Tensor) backend.Tensor
}

type towerLayer struct {
	ln1, ln2    affine
	qkv, bias   [3]backend.Weight
	o, up, down affine
	mask        backend.Mask
}

func newTextTower(l *loader) (graph, error) {
	g := &tower{cfg: l.cfg}
	g.embed, g.position = l.need("t.token_embd.weight"), l.need("t.position_embd.weight")
	g.post, g.proj = l.affine("t.post_ln"), l.need("text_projection.weight")
	return g, g.blocks(l, "t")
}

func newImageTower(l *loader) (graph, error) {
	g := &tower{cfg: l.cfg, image: true}
	g.embed, g.position = l.patches(), l.classPosition()
	g.pre, g.post, g.proj = l.affine("v.pre_ln"), l.affine("v.post_ln"), l.need("visual_projection.weight")
	return g, g.blocks(l, "v")
}

func (g *tower) blocks(l *loader, name string) error {
	g.act, g.layer = encoderActs[g.cfg.Act], g.block
	for i := range g.cfg.Layers {
		blk := fmt.Sprintf("%s.blk.%d.", name, i)
		q, k, v := l.affine(blk+"attn_q"), l.affine(blk+"attn_k"), l.affine(blk+"attn_v")
		g.layers = append(g.layers, towerLayer{
			ln1: l.affine(blk + "ln1"), ln2: l.affine(blk + "ln2"),
			qkv: [3]backend.Weight{q.w, k.w, v.w}, bias: [3]backend.Weight{q.b, k.b, v.b},
			o: l.affine(blk + "attn_out"), up: l.affine(blk + "ffn_up"), down: l.affine(blk + "ffn_down"),
			mask: backend.Mask{Scale: float32(1 / math.Sqrt(float64(g.cfg.HeadDim))), QHeads: g.cfg.Heads},
		})
	}
	return l.err
}

// patches is the convolution as a matrix: [hidden, 3, patch, patch] has one row of
// 3·patch² for each output in place.
func (l *loader) patches() backend.Weight {
	const name = "v.patch_embd.weight"
	t := l.f.Tensor(name)
	if l.err != nil {
		return nil
	}
	m, err := t.Matrix()
	if err == nil {
		m, err = quant.NewMatrix(m.Type, l.cfg.Hidden, m.Rows/l.cfg.Hidden*m.Cols, m.Data)
	}
	if err != nil {
		l.err = fmt.Errorf("model: %s: tensor %q: %w", l.f.Path(), name, err)
		return nil
	}
	l.f32 = l.f32 && m.Type == quant.F32
	w, err := l.dev.Weight(name, m)
	l.err = err
	return w
}

// classPosition is the positions with the class added to the first: the one matrix
// that is a copy.
func (l *loader) classPosition() backend.Weight {
	const name = "v.position_embd.weight"
	if l.err != nil {
		return nil
	}
	rows, cols := l.cfg.Context, l.cfg.Hidden
	all, class := make([]float32, rows*cols), make([]float32, cols)
	for _, x := range []struct {
		name string
		dst  []float32
	}{{name, all}, {"v.class_embd", class}} {
		m, err := l.f.Tensor(x.name).Matrix()
		if err == nil {
			err = quant.Decode(m.Type, x.dst, m.Data)
		}
		if err != nil {
			l.err = fmt.Errorf("model: %s: tensor %q: %w", l.f.Path(), x.name, err)
			return nil
		}
	}
	for i, c := range class {
		all[i] += c
	}
	m := quant.Matrix{Type: quant.F32, Rows: rows, Cols: cols, Data: make([]byte, 4*len(all))}
	var w backend.Weight
	if l.err = quant.Encode(m.Type, m.Data, all); l.err == nil {
		w, l.err = l.dev.Weight(name, m)
	}
	return w
}

// NewVision binds the vision tower of the model in f to a device, which may be that
// of its text tower (New). A batch's Embeds are its images, a span each.
func NewVision(f *gguf.File, dev backend.Device) (*Model, error) {
	l, err := newLoader(f, dev)
	if err != nil {
		return nil, err
	}
	if l.cfg.Vision == nil {
		return nil, f.Errorf("general.architecture", "%q has no vision tower", f.Arch())
	}
	l.cfg = *l.cfg.Vision
	g, err := newImageTower(l)
	if err != nil {
		return nil, err
	}
	return &Model{cfg: l.cfg, dev: dev, id: lastID.Add(1), graph: g, f32: l.f32, input: 3 * l.cfg.Patch * l.cfg.Patch}, nil
}

func (g *tower) block(o backend.Ops, i int, x backend.Tensor) backend.Tensor {
	l := &g.layers[i]
	q, k, v := o.QKV(o.LayerNorm(x, l.ln1.w, l.ln1.b, g.cfg.Eps), l.qkv, l.bias)
	h := o.Add(x, l.o.of(o, o.Attend(i, q, k, v, o.In().Views, l.mask)))
	f := l.up.of(o, o.LayerNorm(h, l.ln2.w, l.ln2.b, g.cfg.Eps))
	return o.Add(h, l.down.of(o, o.Act(f, g.act)))
}

func (g *tower) forward(o backend.Ops, in *backend.Inputs) ([]backend.Tensor, error) {
	if in.Want&backend.Logits != 0 {
		return nil, errTower
	}
	x := g.start(o, in)
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
	if in.Want&backend.Hidden != 0 {
		rows := x
		if in.Rows != nil {
			rows = o.Rows(x, in.Rows)
		}
		if !g.image {
			rows = o.LayerNorm(rows, g.post.w, g.post.b, g.cfg.Eps)
		}
		out = append(out, rows)
	}
	if in.Want&backend.AllHidden != 0 {
		out = append(out, all...)
	}
	if in.Want&backend.Pooled != 0 {
		var end backend.Tensor
		if g.image {
			end = o.Pool(x, in.Views, false)
		} else {
			end = o.Rows(x, in.Ends)
		}
		out = append(out, g.head(o, end))
	}
	in.Out = out
	return out, nil
}

// start is the residual stream before the first block.
func (g *tower) start(o backend.Ops, in *backend.Inputs) backend.Tensor {
	var x backend.Tensor
	switch {
	case g.image:
		x = o.Linear(o.Input(), g.embed, nil)
	case in.IDs != nil:
		x = o.Embed(g.embed, in.IDs)
	default:
		x = o.Input()
	}
	x = o.Add(x, o.Embed(g.position, in.Positions))
	if g.image {
		x = o.LayerNorm(x, g.pre.w, g.pre.b, g.cfg.Eps)
	}
	return x
}

// head is what makes embeddings of the states that stand for a sequence: [rows,
// hidden] to [rows, projection].
func (g *tower) head(o backend.Ops, hidden backend.Tensor) backend.Tensor {
	return o.Linear(o.LayerNorm(hidden, g.post.w, g.post.b, g.cfg.Eps), g.proj, nil)
}
