package model

import (
	"fmt"
	"math"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// Pair is the article's MultimodalModel: texts and images become features, each
// is projected, and the cosine of the two says how well they match. Without an
// encoder in the file the features come from outside.
type Pair struct {
	dev        backend.Device
	mod        arch.Module
	id         uint64
	embed      backend.Weight
	conv       affine
	fc         []backend.Weight // [features, channels] of each patch
	fcBias     backend.Weight
	text, view affine
}

// NewPair binds a qwq-seed file of kind multimodal to a device.
func NewPair(f *gguf.File, dev backend.Device) (*Pair, error) {
	mod, err := arch.ReadModule(f)
	if err != nil {
		return nil, err
	}
	if mod.Kind != arch.KindMultimodal {
		return nil, f.Errorf(arch.Key(arch.KeyKind, arch.Seed), "is %s, want %s", mod.Kind, arch.KindMultimodal)
	}
	l := &loader{f: f, dev: dev}
	p := &Pair{dev: dev, mod: mod, id: lastID.Add(1)}
	p.embed = l.maybe("text.token_embd.weight")
	p.text = l.affine("text_proj")
	if mod.Patch > 0 {
		p.conv, p.fcBias = l.affine("image.conv"), l.need("image.fc.bias")
		p.fc = l.rows("image.fc.weight", mod.Fit)
	}
	p.view = l.affine("image_proj")
	return p, l.err
}

// rows are n weights that a tensor holds one above the other.
func (l *loader) rows(name string, n int) []backend.Weight {
	t := l.f.Tensor(name)
	if l.err != nil || t == nil {
		return nil
	}
	m, err := t.Matrix()
	if err != nil {
		l.err = err
		return nil
	}
	out := make([]backend.Weight, 0, n)
	size := len(m.Data) / n
	for i := range n {
		part := quant.Matrix{Type: m.Type, Rows: m.Rows / n, Cols: m.Cols, Data: m.Data[i*size : (i+1)*size : (i+1)*size]}
		w, err := l.dev.Weight(fmt.Sprintf("%s[%d]", name, i), part)
		if err != nil {
			l.err = err
			return nil
		}
		out = append(out, w)
	}
	return out
}

// Module is the file's sizes.
func (p *Pair) Module() arch.Module { return p.mod }

// BindIDs makes the inputs of Text over texts of token ids, at least one each.
func (p *Pair) BindIDs(texts [][]int32) (*backend.Inputs, error) {
	in := &backend.Inputs{}
	if p.embed == nil {
		return nil, fmt.Errorf("model: the file has no text encoder: it takes features of width %d", p.mod.Features)
	}
	for i, ids := range texts {
		if len(ids) == 0 {
			return nil, fmt.Errorf("model: text %d has no ids", i)
		}
		for _, id := range ids {
			if id < 0 || int(id) >= p.mod.Vocab {
				return nil, fmt.Errorf("model: text %d: id %d is not in 0 to %d", i, id, p.mod.Vocab-1)
			}
		}
		in.IDs = append(in.IDs, ids...)
		in.Views = append(in.Views, backend.KVView{N: len(ids)})
	}
	return in, nil
}

// BindFeatures makes the inputs of Text or Image over features: [n, Features].
func (p *Pair) BindFeatures(x []float32) (*backend.Inputs, error) {
	f := p.mod.Features
	if len(x) == 0 || len(x)%f != 0 {
		return nil, fmt.Errorf("model: %d values are no features of width %d", len(x), f)
	}
	return &backend.Inputs{Embeds: backend.Tensor{Rows: len(x) / f, Cols: f, Data: x}}, nil
}

// BindImages makes the inputs of Image over n images [channels, Image, Image]: a
// row per patch, image after image, as the convolution's kernel lies in memory.
func (p *Pair) BindImages(x []float32, n int) (*backend.Inputs, error) {
	m := p.mod
	if m.Patch == 0 {
		return nil, fmt.Errorf("model: the file has no image encoder: it takes features of width %d", m.Features)
	}
	size := m.ImageIn * m.Image * m.Image
	if n < 1 || n > math.MaxInt32/size || len(x) != n*size {
		return nil, fmt.Errorf("model: %d values are no %d images [%d, %d, %d]", len(x), n, m.ImageIn, m.Image, m.Image)
	}
	cols, side := m.ImageIn*m.Patch*m.Patch, m.Image/m.Patch
	e := make([]float32, 0, len(x))
	for i := range n {
		for p := range m.Fit {
			for c := range m.ImageIn {
				for y := range m.Patch {
					at := i*size + (c*m.Image+p/side*m.Patch+y)*m.Image + p%side*m.Patch
					e = append(e, x[at:at+m.Patch]...)
				}
			}
		}
	}
	in := &backend.Inputs{Embeds: backend.Tensor{Rows: n * m.Fit, Cols: cols, Data: e}}
	for p := range m.Fit {
		for i := range n {
			in.Rows = append(in.Rows, int32(i*m.Fit+p))
		}
	}
	return in, nil
}

// Text is the projected texts, [n, Projection].
func (p *Pair) Text(o backend.Ops, in *backend.Inputs) backend.Tensor {
	if in.IDs == nil {
		return p.text.of(o, o.Input())
	}
	return p.text.of(o, o.Pool(o.Embed(p.embed, in.IDs), in.Views, true))
}

// Image is the projected images, [n, Projection]. The matrix after the convolution
// sees all patches of an image: it is the sum of one product per patch.
func (p *Pair) Image(o backend.Ops, in *backend.Inputs) backend.Tensor {
	x := o.Input()
	if in.Rows == nil {
		return p.view.of(o, x)
	}
	h := o.Act(p.conv.of(o, x), backend.ReLU) // [n*patches, channels]
	n := len(in.Rows) / p.mod.Fit
	var y backend.Tensor
	for i, w := range p.fc {
		part := o.Rows(h, in.Rows[i*n:(i+1)*n])
		if i == 0 {
			y = o.Linear(part, w, p.fcBias)
			continue
		}
		y = o.Add(y, o.Linear(part, w, nil))
	}
	return p.view.of(o, y)
}

// Run is Text or Image of in, [n, Projection].
func (p *Pair) Run(in *backend.Inputs, image bool) ([]float32, error) {
	key := backend.StepKey{Model: p.id, Rows: max(len(in.IDs), in.Embeds.Rows), Seqs: len(in.Views), Outputs: len(in.Rows)}
	of := p.Text
	if image {
		of, key.Want = p.Image, backend.Pooled // what tells the two apart
	}
	out, err := p.dev.Step(key, in, func(o backend.Ops) ([]backend.Tensor, error) {
		return []backend.Tensor{of(o, in)}, nil
	})
	if err != nil {
		return nil, err
	}
	x, err := p.dev.Host(out[0])
	return append([]float32(nil), x...), err
}
