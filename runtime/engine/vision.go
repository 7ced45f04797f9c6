package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/vision"
)

// ErrBlind is what a model without a vision tower answers to whoever shows it an
// image.
var ErrBlind = errors.New("the model cannot see images: it has no vision tower (CLIP has one)")

// eyes is the vision tower of a model.
type eyes struct {
	mdl   *model.Model
	pre   vision.Preprocess
	scale float64 // of a cosine as a logit
	batch model.Batch
}

// loadVision binds the vision tower; the text tower is there.
func (m *Model) loadVision(f *gguf.File) error {
	e := &eyes{}
	var err error
	if e.mdl, err = model.NewVision(f, m.dev); err != nil {
		return err
	}
	h := e.mdl.Hyper()
	e.pre = vision.Preprocess{Short: h.Image, Crop: h.Image, Rescale: 1.0 / 255}
	if n, ok := f.Uint(arch.KeyImageEdge); ok {
		e.pre.Short = int(min(n, math.MaxInt32))
	}
	if x, ok := f.Float(arch.KeyImageScale); ok {
		e.pre.Rescale = x
	}
	for key, dst := range map[string]*[3]float32{arch.KeyImageMean: &e.pre.Mean, arch.KeyImageStd: &e.pre.Std} {
		v, ok := f.Floats(key)
		if !ok || len(v) != 3 {
			return f.Errorf(key, "is missing or not 3 numbers")
		}
		copy(dst[:], v)
	}
	if err := e.pre.Check(); err != nil {
		return f.Errorf(arch.KeyImageSize, "%v", err)
	}
	t := f.Tensor("logit_scale")
	var ln [1]float32
	x, err := t.Matrix()
	if err == nil {
		err = quant.Decode(x.Type, ln[:], x.Data)
	}
	if e.scale = math.Exp(float64(ln[0])); err == nil && !(e.scale > 0 && e.scale < 1e6) {
		err = fmt.Errorf("%g is no logarithm of a scale", ln[0])
	}
	if err != nil {
		return fmt.Errorf("engine: %s: tensor %q: %w", f.Path(), t.Name, err)
	}
	m.eyes = e
	m.info.Image, m.info.Embedding = h.Image, h.Projection
	return nil
}

// EmbedImages is one vector of length 1 for each image, in the space of the texts'
// embeddings. An image's vector does not depend on the others.
func (m *Model) EmbedImages(ctx context.Context, images []*vision.RGB) ([][]float32, error) {
	if m.eyes == nil {
		return nil, fmt.Errorf("engine: %s: %w", m.info.Architecture, ErrBlind)
	}
	h := m.eyes.mdl.Hyper()
	rows, cols := h.Context, 3*h.Patch*h.Patch
	out := make([][]float32, 0, len(images))
	for len(out) < len(images) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := images[len(out):min(len(images), len(out)+max(1, m.chunk/rows))]
		x := make([]float32, len(part)*rows*cols)
		for i, img := range part {
			v, err := m.eyes.pre.Apply(img)
			if err != nil {
				return nil, fmt.Errorf("image %d: %w", len(out)+i, err)
			}
			vision.Patches(x[i*rows*cols:], v, h.Image, h.Patch)
		}
		err := m.look(x, len(part), func(y backend.Tensor) {
			for i := range part {
				out = append(out, unit(y.Data[i*y.Cols:(i+1)*y.Cols]))
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// look runs n images, [n, 1 + patches, 3·patch²], and hands out their pooled states.
func (m *Model) look(x []float32, n int, use func(backend.Tensor)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	b, rows := &m.eyes.batch, m.eyes.mdl.Hyper().Context
	b.Embeds = backend.Tensor{Rows: n * rows, Cols: len(x) / (n * rows), Data: x}
	b.Want, b.Seqs = backend.Pooled, b.Seqs[:0]
	for range n {
		b.Seqs = append(b.Seqs, model.Span{N: rows})
	}
	m.threads.limit(n * rows)
	out, err := m.eyes.mdl.Run(b)
	b.Embeds.Data = nil
	if err != nil {
		return err
	}
	y := out[0]
	if y.Data, err = m.dev.Host(y); err != nil {
		return err
	}
	use(y)
	return nil
}

// unit is x scaled to length 1; zeros stay.
func unit(x []float32) []float32 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	by, y := 1/math.Max(math.Sqrt(sum), 1e-12), make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(float64(v) * by)
	}
	return y
}

// Labels are the classes of a zero-shot classifier.
type Labels struct {
	m       *Model
	vectors [][]float32 // of length 1
}

// Labels makes a classifier of images out of names. A template is a text in which
// {} stands for the name; the vectors of several templates are added up, as CLIP's
// authors do it. Without a template the name is the text.
func (m *Model) Labels(ctx context.Context, names, templates []string) (*Labels, error) {
	if m.eyes == nil {
		return nil, fmt.Errorf("engine: %s: %w", m.info.Architecture, ErrBlind)
	}
	if len(templates) == 0 {
		templates = []string{"{}"}
	}
	l := &Labels{m: m}
	for _, name := range names {
		var texts [][]int32
		for _, t := range templates {
			if !strings.Contains(t, "{}") {
				return nil, fmt.Errorf("engine: template %.80q has no {} for the label", t)
			}
			ids, cut, err := m.EmbedIDs(strings.ReplaceAll(t, "{}", name))
			if err != nil {
				return nil, err
			}
			if cut {
				return nil, fmt.Errorf("engine: label %.80q in %.80q has more than %d tokens", name, t, m.info.EmbedContext)
			}
			texts = append(texts, ids)
		}
		v, err := m.EmbedAll(ctx, texts)
		if err != nil {
			return nil, err
		}
		sum := make([]float32, len(v[0]))
		for _, x := range v {
			for i, f := range x {
				sum[i] += f
			}
		}
		l.vectors = append(l.vectors, unit(sum))
	}
	if len(l.vectors) == 0 {
		return nil, errors.New("engine: no labels")
	}
	return l, nil
}

// Classify is the probability of each label for each image: the softmax over the
// scaled cosines of the image's and the labels' vectors.
func (l *Labels) Classify(ctx context.Context, images []*vision.RGB) ([][]float32, error) {
	v, err := l.m.EmbedImages(ctx, images)
	if err != nil {
		return nil, err
	}
	out := make([][]float32, len(v))
	for i, x := range v {
		z, most := make([]float64, len(l.vectors)), math.Inf(-1)
		for j, y := range l.vectors {
			for k, f := range x {
				z[j] += float64(f) * float64(y[k])
			}
			z[j] *= l.m.eyes.scale
			most = math.Max(most, z[j])
		}
		sum := 0.0
		for j := range z {
			z[j] = math.Exp(z[j] - most)
			sum += z[j]
		}
		for _, e := range z {
			out[i] = append(out[i], float32(e/sum))
		}
	}
	return out, nil
}
