package student

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/convert/hf"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
)

// WriteOptions are about a student's file; the zero value works.
type WriteOptions struct {
	Name  string // general.name; "": the teacher's
	Force bool   // replace a file that exists
}

// Prune writes the student that a cut of the teacher makes: a GGUF file of F32.
func Prune(ctx context.Context, path string, teacher *gguf.File, c *Cut, o WriteOptions) error {
	h, err := arch.ReadHyper(teacher)
	if err != nil {
		return err
	}
	if err := h.Arch.CheckFile(teacher, h); err != nil {
		return err
	}
	t := ShapeOf(h)
	if err := prunable(h); err != nil {
		return err
	}
	s, err := c.Shape(t)
	if err != nil {
		return err
	}
	if s.Vocab != t.Vocab && c.Keys == nil {
		return fmt.Errorf("student: a vocabulary of %d of %d ids without its tokenizer", s.Vocab, t.Vocab)
	}
	named := slices.DeleteFunc(h.Arch.Expand(s.dims(h.Rot)), func(n arch.Named) bool { return teacher.Tensor(c.source(h.Arch, n)) == nil })
	kvs := metadata(teacher.KVs(), h.Arch, s, h.Rot, o.Name, c.Keys)
	return writeF32(ctx, path, kvs, named, s.dims(h.Rot), o.Force, func(n arch.Named) (func(r int, dst []float32) error, error) {
		return c.reader(teacher.Tensor(c.source(h.Arch, n)), n, h.HeadDim)
	})
}

// source is the teacher's name of a student's tensor.
func (c *Cut) source(a *arch.Arch, n arch.Named) string {
	if n.Layer < 0 || c.Layers == nil {
		return n.Name
	}
	return fmt.Sprintf(n.GGUF, c.Layers[n.Layer])
}

// reader gives the student's rows of a tensor.
func (c *Cut) reader(t *gguf.Tensor, n arch.Named, dim int) (func(r int, dst []float32) error, error) {
	m, err := t.Matrix()
	if err != nil {
		return nil, err
	}
	size, ok := m.Type.RowBytes(m.Cols)
	if !ok || !m.Type.CanDecode() {
		return nil, fmt.Errorf("student: tensor %q: %v cannot be decoded", t.Name, m.Type)
	}
	var rows []int
	cols := c.places(n.Axes[len(n.Axes)-1], n.Layer, dim)
	if !n.Vector {
		rows = c.places(n.Axes[0], n.Layer, dim)
	}
	whole := make([]float32, m.Cols)
	return func(r int, dst []float32) error {
		if rows != nil {
			r = rows[r]
		}
		if err := quant.Decode(m.Type, whole, m.Data[r*size:(r+1)*size]); err != nil {
			return fmt.Errorf("student: tensor %q: %w", t.Name, err)
		}
		if cols == nil {
			copy(dst, whole)
			return nil
		}
		for i, k := range cols {
			dst[i] = whole[k]
		}
		return nil
	}, nil
}

// InitOptions are about a random start; the zero value works.
type InitOptions struct {
	WriteOptions
	Seed uint64
	Std  float64 // of matrices, HF's initializer_range; 0: 0.02
}

// Init writes a student of a shape with a teacher's other settings and tokenizer
// and random weights as Hugging Face's models start: matrices normal around 0,
// norms 1, biases 0. trim is nil or a vocabulary of shape.Vocab ids.
func Init(ctx context.Context, path string, teacher *gguf.File, shape Shape, trim *Trimmed, o InitOptions) error {
	h, err := arch.ReadHyper(teacher)
	if err != nil {
		return err
	}
	var keys []gguf.KV
	if trim != nil {
		keys = trim.Keys
	}
	if have := h.Vocab; trim == nil && shape.Vocab != have || trim != nil && shape.Vocab != len(trim.IDs) {
		return fmt.Errorf("student: a vocabulary of %d of the teacher's %d without the list of its ids", shape.Vocab, have)
	}
	if shape.HeadDim != h.HeadDim || shape.KVHeads < 1 || shape.Heads%shape.KVHeads != 0 || shape.Layers < 1 || shape.Hidden < 1 || shape.FFN < 1 {
		return fmt.Errorf("student: a random start of %v, the teacher's heads have %d", shape, h.HeadDim)
	}
	named := tensorsOf(h.Arch, shape.Layers, Has(teacher, h.Arch))
	return o.write(ctx, path, metadata(teacher.KVs(), h.Arch, shape, h.Rot, o.Name, keys), named, shape.dims(h.Rot), func(n arch.Named) []float32 {
		if n.Axes[0] != arch.RotHalf {
			return nil
		}
		f := make([]float32, h.Dims().Size(arch.RotHalf))
		if t := teacher.Tensor(n.Name); t != nil {
			if m, err := t.Matrix(); err == nil && quant.Decode(m.Type, f, m.Data) == nil {
				return f
			}
		}
		return nil
	})
}

// InitConfig is Init for a Hugging Face configuration (hf.Parse). tokenizer is the
// teacher's keys, or a trimmed vocabulary's; others are left out.
func InitConfig(ctx context.Context, path string, m *hf.Model, tokenizer []gguf.KV, o InitOptions) error {
	a, ok := arch.Lookup(m.Arch)
	if !ok {
		return fmt.Errorf("student: architecture %q is none of %v", m.Arch, arch.Names())
	}
	has := optionalOf(m, a)
	named := slices.DeleteFunc(a.Expand(m.Dims()), func(n arch.Named) bool { return n.Optional && !has(n.GGUF) })
	kvs := []gguf.KV{{Key: arch.KeyArch, Value: gguf.String(m.Arch)}, {Key: "general.type", Value: gguf.String("model")}}
	if o.Name != "" {
		kvs = append(kvs, gguf.KV{Key: arch.KeyName, Value: gguf.String(o.Name)})
	}
	kvs = append(kvs, m.KVs...)
	for _, kv := range tokenizer {
		if IsTokenizerKey(kv.Key) {
			kvs = append(kvs, kv)
		}
	}
	kvs = append(kvs, gguf.KV{Key: arch.KeyFileType, Value: gguf.Uint32(0)})
	return o.write(ctx, path, kvs, named, m.Dims(), func(n arch.Named) []float32 {
		if n.Axes[0] == arch.RotHalf {
			return m.RopeFreqs
		}
		return nil
	})
}

// ConfigBase writes a model of one layer of a configuration, which stands for it
// where a file's settings and tensors are asked: Calibrate, ShapeOf but for layers.
func ConfigBase(ctx context.Context, path string, m *hf.Model) error {
	one := *m
	one.Layers, one.KVs = 1, slices.Clone(m.KVs)
	for i, kv := range one.KVs {
		if kv.Key == arch.Key(arch.KeyLayers, m.Arch) {
			one.KVs[i].Value = gguf.Uint32(1)
		}
	}
	return InitConfig(ctx, path, &one, nil, InitOptions{WriteOptions: WriteOptions{Force: true}})
}

// optionalOf says which optional tensors of the table a configuration has.
func optionalOf(m *hf.Model, a *arch.Arch) func(general string) bool {
	bias := map[arch.Axis]hf.Bias{arch.QHeads: m.AttnBias, arch.KVHeads: m.AttnBias, arch.FFN: m.MLPBias}
	have := map[string]bool{}
	for _, n := range a.Expand(arch.Dims{Layers: 1}) {
		switch {
		case n.Axes[0] == arch.RotHalf:
			have[n.GGUF] = m.RopeFreqs != nil
		case n.Axes[0] == arch.Vocab:
			have[n.GGUF] = !m.Tied
		case n.Axes[0] == arch.Hidden && isAttn(a, n):
			have[n.GGUF] = m.OutBias == hf.WithBias
		case n.Axes[0] == arch.Hidden:
			have[n.GGUF] = m.MLPBias == hf.WithBias
		default:
			have[n.GGUF] = bias[n.Axes[0]] == hf.WithBias
		}
	}
	return func(general string) bool { return have[general] }
}

// ConfigShape is the shape of a configuration and its number of parameters.
func ConfigShape(m *hf.Model) (s Shape, params int, err error) {
	a, ok := arch.Lookup(m.Arch)
	if !ok {
		return s, 0, fmt.Errorf("student: architecture %q is none of %v", m.Arch, arch.Names())
	}
	s = Shape{m.Layers, m.Hidden, m.FFN, m.Heads, m.KVHeads, m.HeadDim, m.Vocab}
	_, params = s.Params(arch.Hyper{Arch: a, Tied: m.Tied, Rot: m.HeadDim}, optionalOf(m, a))
	return s, params, nil
}

// isAttn says whether a bias is that of a matrix that reads heads: a table has a
// bias right after its matrix.
func isAttn(a *arch.Arch, n arch.Named) bool {
	for i := range a.Tensors {
		if &a.Tensors[i] == n.Tensor && i > 0 {
			return slices.Contains(a.Tensors[i-1].Axes, arch.QHeads)
		}
	}
	return false
}

// write draws the weights: of each tensor from a generator of its own, so that a
// tensor's numbers depend on the seed and its place alone.
func (o InitOptions) write(ctx context.Context, path string, kvs []gguf.KV, named []arch.Named, d arch.Dims, fixed func(arch.Named) []float32) error {
	std := o.Std
	if std == 0 {
		std = 0.02
	}
	if !(std > 0 && std < 10) {
		return fmt.Errorf("student: a standard deviation of %g", std)
	}
	place := uint64(0)
	return writeF32(ctx, path, kvs, named, d, o.Force, func(n arch.Named) (func(r int, dst []float32) error, error) {
		rng := rand.New(rand.NewPCG(o.Seed, place))
		place++
		if f := fixed(n); f != nil {
			return func(_ int, dst []float32) error { copy(dst, f); return nil }, nil
		}
		norm := n.Vector && strings.HasSuffix(n.GGUF, ".weight")
		return func(_ int, dst []float32) error {
			for i := range dst {
				switch {
				case norm:
					dst[i] = 1
				case n.Vector:
					dst[i] = 0
				default:
					dst[i] = float32(rng.NormFloat64() * std)
				}
			}
			return nil
		}, nil
	})
}

// writeF32 writes a file of F32 tensors; rows makes each tensor's in order.
func writeF32(ctx context.Context, path string, kvs []gguf.KV, named []arch.Named, d arch.Dims, force bool,
	rows func(arch.Named) (func(r int, dst []float32) error, error),
) error {
	l := gguf.Layout{KVs: kvs}
	for _, n := range named {
		shape := n.Shape(d)
		slices.Reverse(shape)
		i := gguf.TensorInfo{Name: n.Name, Type: quant.F32}
		for _, x := range shape {
			i.Dims = append(i.Dims, uint64(x))
		}
		l.Tensors = append(l.Tensors, i)
	}
	w, err := gguf.Create(path, l, force)
	if err != nil {
		return err
	}
	defer w.Abort()
	for i, n := range named {
		if err := ctx.Err(); err != nil {
			return err
		}
		row, err := rows(n)
		if err != nil {
			return err
		}
		x := make([]float32, l.Tensors[i].Dims[0])
		count := 1
		if !n.Vector {
			count = int(l.Tensors[i].Dims[1])
		}
		var buf []byte
		at := int64(0)
		for r := range count {
			if err := row(r, x); err != nil {
				return err
			}
			for _, v := range x {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
			}
			if len(buf) >= 1<<18 || r == count-1 {
				if err := w.WriteAt(i, at, buf); err != nil {
					return err
				}
				at, buf = at+int64(len(buf)), buf[:0]
			}
		}
	}
	return w.Commit()
}
