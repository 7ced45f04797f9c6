package contrast

import (
	"errors"
	"fmt"
	"slices"

	"github.com/qwq-edge/qwq/distill/export"
	"github.com/qwq-edge/qwq/distill/loss"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/vision"
)

// Options of a Model; the zero value works.
type Options struct {
	Tape tape.Options
	Part int // images whose graph is recorded at a time; 0: all of a batch
}

// Model is a CLIP file whose weights are trained. One goroutine at a time may use it.
type Model struct {
	o          Options
	pool       *kernel.Pool
	base       *gguf.File
	dev        *tape.Device
	text, eyes *model.Model
	params     *tape.Params
	scale      int // of the table: the logarithm of the scale
}

// logitScale is the tensor of the logarithm of the scale.
const logitScale = "logit_scale"

// Open puts the model in f, which must outlive it, on a tape.
func Open(f *gguf.File, pool *kernel.Pool, o Options) (*Model, error) {
	if o.Part < 0 {
		return nil, fmt.Errorf("contrast: parts of %d images", o.Part)
	}
	m := &Model{o: o, pool: pool, base: f, dev: tape.New(pool, o.Tape)}
	var err error
	if m.eyes, err = model.NewVision(f, m.dev); err != nil {
		return nil, err
	}
	if m.text, err = model.New(f, m.dev); err != nil {
		return nil, err
	}
	s, err := f.Tensor(logitScale).Matrix()
	if err != nil {
		return nil, err
	}
	if _, err := m.dev.Weight(logitScale, s); err != nil {
		return nil, err
	}
	if m.params, err = m.dev.Params(); err != nil {
		return nil, err
	}
	m.scale = slices.IndexFunc(m.params.Table, func(p tape.Param) bool { return p.Name == logitScale })
	if m.scale < 0 {
		return nil, errors.New("contrast: the scale must be trained")
	}
	return m, nil
}

// Params is what is trained; the numbers may be changed between steps.
func (m *Model) Params() *tape.Params { return m.params }

// logScale is the logarithm of the scale of a cosine, a place in Flat.
func (m *Model) logScale() *float32 { return &m.params.Flat[m.params.Table[m.scale].Off] }

// Pair names a text and an image of a batch that belong together.
type Pair struct{ Text, Image int }

// Batch is what a step learns from.
type Batch struct {
	Texts  [][]int32 // ids, the end included
	Images []float32 // [images, 3, edge, edge], preprocessed (vision.Preprocess)
	Groups [][]Pair  // in a group everything is the negative of everything else
}

// check gives the number of images.
func (m *Model) check(b *Batch) (images int, err error) {
	h := m.eyes.Hyper()
	per := 3 * h.Image * h.Image
	images = len(b.Images) / per
	if len(b.Images) != images*per || images == 0 || len(b.Texts) == 0 || len(b.Groups) == 0 {
		return 0, fmt.Errorf("contrast: %d texts, %d groups and %d pixels, %d an image", len(b.Texts), len(b.Groups), len(b.Images), per)
	}
	for i, t := range b.Texts {
		if len(t) == 0 {
			return 0, fmt.Errorf("contrast: text %d is empty", i)
		}
	}
	for g, pairs := range b.Groups {
		texts, seen := map[int]bool{}, map[int]bool{}
		for _, p := range pairs {
			if p.Text < 0 || p.Text >= len(b.Texts) || p.Image < 0 || p.Image >= images {
				return 0, fmt.Errorf("contrast: group %d: text %d and image %d of %d and %d", g, p.Text, p.Image, len(b.Texts), images)
			}
			if texts[p.Text] || seen[p.Image] {
				return 0, fmt.Errorf("contrast: group %d: text %d or image %d comes twice and would be its own negative", g, p.Text, p.Image)
			}
			texts[p.Text], seen[p.Image] = true, true
		}
		if len(pairs) < 2 {
			return 0, fmt.Errorf("contrast: group %d of %d pairs has no negatives", g, len(pairs))
		}
	}
	return images, nil
}

// Grad adds to grad, which has the layout of Params().Flat, the gradient of the mean
// over the groups of InfoNCE, and returns that loss.
func (m *Model) Grad(b *Batch, grad []float32) (float64, error) {
	n, err := m.check(b)
	if err != nil {
		return 0, err
	}
	part := m.o.Part
	if part == 0 {
		part = n
	}
	texts, err := m.eval(m.text, m.words(b))
	if err != nil {
		return 0, err
	}
	images := kernel.F32{Rows: n, Cols: texts.Cols}
	var last backend.Tensor // of a single part, recorded
	for lo := 0; lo < n; lo += part {
		x := m.pictures(b, lo, min(lo+part, n))
		if part >= n {
			out, err := m.eyes.Run(x)
			if err != nil {
				return 0, err
			}
			last = out[0]
			images.Data = append(images.Data, last.Data...)
			break
		}
		y, err := m.eval(m.eyes, x)
		if err != nil {
			return 0, err
		}
		images.Data = append(images.Data, y.Data...)
	}
	dTexts, dImages := make([]float32, len(texts.Data)), make([]float32, len(images.Data))
	sum, err := m.groups(b, texts, images, dTexts, dImages, grad)
	if err != nil {
		return 0, err
	}
	for lo := 0; lo < n; lo += part {
		hi := min(lo+part, n)
		if part < n {
			out, err := m.eyes.Run(m.pictures(b, lo, hi))
			if err != nil {
				return 0, err
			}
			last = out[0]
		}
		if err := m.back(last, dImages[lo*texts.Cols:hi*texts.Cols], grad); err != nil {
			return 0, err
		}
	}
	out, err := m.text.Run(m.words(b))
	if err != nil {
		return 0, err
	}
	return sum, m.back(out[0], dTexts, grad)
}

// groups is the loss, and the gradients of embeddings and scale.
func (m *Model) groups(b *Batch, texts, images kernel.F32, dTexts, dImages, grad []float32) (float64, error) {
	d, total := texts.Cols, 0.0
	for _, pairs := range b.Groups {
		x := make([]float32, 4*len(pairs)*d)
		at := func(i int) kernel.F32 {
			return kernel.F32{Rows: len(pairs), Cols: d, Data: x[i*len(pairs)*d : (i+1)*len(pairs)*d]}
		}
		s := loss.Pairs{Text: at(0), Image: at(1), DText: at(2), DImage: at(3)}
		for i, p := range pairs {
			copy(s.Text.At(i), texts.At(p.Text))
			copy(s.Image.At(i), images.At(p.Image))
		}
		l, dScale, err := loss.InfoNCE(m.pool, s, float64(*m.logScale()), 1/float64(len(b.Groups)))
		if err != nil {
			return 0, err
		}
		total += l
		grad[m.params.Table[m.scale].Off] += float32(dScale)
		for i, p := range pairs {
			for k := range d {
				dTexts[p.Text*d+k] += s.DText.At(i)[k]
				dImages[p.Image*d+k] += s.DImage.At(i)[k]
			}
		}
	}
	return total, nil
}

// back adds dy to the gradient of the step's only result and runs it backward.
func (m *Model) back(y backend.Tensor, dy, grad []float32) error {
	g, err := m.dev.Grad(y)
	if err != nil {
		return err
	}
	if g == nil { // nothing of this tower is trained
		return nil
	}
	for i, f := range dy {
		g[i] += f
	}
	return m.dev.Backward(grad)
}

// eval is a batch's embeddings, copied.
func (m *Model) eval(t *model.Model, b *model.Batch) (kernel.F32, error) {
	in, _, err := t.Bind(b)
	if err != nil {
		return kernel.F32{}, err
	}
	out, err := m.dev.Eval(in, func(o backend.Ops) ([]backend.Tensor, error) { return t.Forward(o, in) })
	if err != nil {
		return kernel.F32{}, err
	}
	return kernel.F32{Rows: out[0].Rows, Cols: out[0].Cols, Data: slices.Clone(out[0].Data)}, nil
}

func (m *Model) words(b *Batch) *model.Batch {
	x := &model.Batch{Want: backend.Pooled}
	for _, t := range b.Texts {
		x.IDs = append(x.IDs, t...)
		x.Seqs = append(x.Seqs, model.Span{N: len(t)})
	}
	return x
}

// pictures is images lo to hi-1 as patches.
func (m *Model) pictures(b *Batch, lo, hi int) *model.Batch {
	h := m.eyes.Hyper()
	rows, cols, per := h.Context, 3*h.Patch*h.Patch, 3*h.Image*h.Image
	x := &model.Batch{Want: backend.Pooled}
	x.Embeds = backend.Tensor{Rows: (hi - lo) * rows, Cols: cols, Data: make([]float32, (hi-lo)*rows*cols)}
	for i := range hi - lo {
		vision.Patches(x.Embeds.Data[i*rows*cols:], b.Images[(lo+i)*per:(lo+i+1)*per], h.Image, h.Patch)
		x.Seqs = append(x.Seqs, model.Span{N: rows})
	}
	return x
}

// Weights is the trained model, for export.
func (m *Model) Weights() (export.Weights, error) {
	w := export.Weights{Base: m.base, Params: m.params, Flat: slices.Clone(m.params.Flat), LoRA: m.o.Tape.LoRA}
	i := slices.IndexFunc(m.params.Table, func(p tape.Param) bool { return p.Name == "v.position_embd.weight" })
	if i < 0 {
		return w, nil
	}
	c, err := m.base.Tensor("v.class_embd").Matrix()
	if err != nil {
		return w, err
	}
	class := make([]float32, c.Cols)
	if err := quant.Decode(c.Type, class, c.Data); err != nil {
		return w, err
	}
	first := m.params.Of(w.Flat, i)
	for k, f := range class {
		first[k] -= f
	}
	return w, nil
}
