package convert

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/convert/hf"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
)

// item is one tensor of the file to write and where its values come from.
type item struct {
	info     gguf.TensorInfo
	src      *checkpoint.Tensor // nil: values
	values   []float32          // made by the converter
	heads    int64              // rows of one head when they are permuted to pairs, else 0
	rows     int64
	cols     int64
	fallback string
}

// raw reports whether the stored bytes are taken as they are.
func (it *item) raw() bool {
	return it.src != nil && it.src.TypeName() == it.info.Type.String()
}

func dims(shape []int64) []uint64 {
	d := make([]uint64, 0, len(shape)+1)
	for _, n := range slices.Backward(shape) {
		d = append(d, uint64(n))
	}
	if len(d) == 0 {
		d = append(d, 1)
	}
	return d
}

// ignored are endings of checkpoint tensors that hold no weights: buffers that
// old versions stored.
var ignored = []string{".rotary_emb.inv_freq", ".attn.bias", "embeddings.position_ids", ".attn.masked_bias", ".attention.masked_bias"}

// fromHF lists the items of a Hugging Face checkpoint in the order of the
// architecture's table, and what was left out.
func fromHF(m *hf.Model, tensors []*checkpoint.Tensor, p *plan) (items []*item, warnings []string, err error) {
	a, ok := arch.Lookup(m.Arch)
	if !ok {
		return nil, nil, fmt.Errorf("convert: architecture %q has no table", m.Arch)
	}
	byName := make(map[string]*checkpoint.Tensor, len(tensors))
	for _, t := range tensors {
		if byName[t.Name] != nil {
			return nil, nil, fmt.Errorf("convert: tensor %.80q appears twice", t.Name)
		}
		byName[t.Name] = t
		if bare, ok := strings.CutPrefix(t.Name, a.HFPrefix); ok && a.HFPrefix != "" && byName[bare] == nil {
			byName[bare] = t
		}
	}
	d := m.Dims()
	if m.Layers > len(tensors) {
		return nil, nil, fmt.Errorf("convert: config.json: field %q: %d layers, the checkpoint has %d tensors", "num_hidden_layers", m.Layers, len(tensors))
	}
	used := map[string]bool{}
	for _, n := range a.Expand(d) {
		if !wanted(m, n) && !(m.Encoder && byName[n.HFName] != nil) {
			continue
		}
		if n.HFName == "" {
			items = append(items, made(n, m.RopeFreqs))
			continue
		}
		t, err := find(n, d, byName, used)
		if err != nil {
			return nil, nil, err
		}
		if t == nil {
			return nil, nil, missing(m, n)
		}
		it, err := fromTensor(t, n, d, p)
		if err != nil {
			return nil, nil, err
		}
		items = append(items, it)
	}
	for _, t := range tensors {
		switch {
		case used[t.Name], a.HFPrefix != "" && used[strings.TrimPrefix(t.Name, a.HFPrefix)], m.Encoder && isTied(t, byName),
			slices.ContainsFunc(ignored, func(s string) bool { return strings.HasSuffix(t.Name, s) }):
		case m.Tied && t.Name == "lm_head.weight":
			if e := byName["model.embed_tokens.weight"]; t.Storage == "" || e.Storage != t.Storage {
				warnings = append(warnings, "tensor \"lm_head.weight\" is left out: config.json ties the output to the embedding")
			}
		default:
			return nil, nil, fmt.Errorf("convert: %s: tensor %.80q has no place in a %s of %d layers as config.json describes it", t.File, t.Name, m.Arch, m.Layers)
		}
	}
	return items, warnings, nil
}

// find is a tensor of the table among the checkpoint's, nil if it is not there.
// The matrices of a layer's experts become one tensor.
func find(n arch.Named, d arch.Dims, byName map[string]*checkpoint.Tensor, used map[string]bool) (*checkpoint.Tensor, error) {
	if !n.Stacked() {
		used[n.HFName] = true
		return byName[n.HFName], nil
	}
	parts := make([]*checkpoint.Tensor, 0, min(d.Experts, len(byName)))
	for e := range d.Experts {
		name := strings.Replace(n.HFName, "%d", strconv.Itoa(e), 1)
		t := byName[name]
		if t == nil {
			return nil, fmt.Errorf("convert: tensor %.80q is missing in the checkpoint, config.json asks for %d experts", name, d.Experts)
		}
		used[name] = true
		parts = append(parts, t)
	}
	t, err := checkpoint.Stack(n.Name, parts)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	return t, nil
}

// isTied reports whether an encoder's tensor is another name of one that is taken:
// the output of the masked-token head.
func isTied(t *checkpoint.Tensor, byName map[string]*checkpoint.Tensor) bool {
	of := map[string]string{"cls.predictions.decoder.weight": "embeddings.word_embeddings.weight", "cls.predictions.decoder.bias": "cls.predictions.bias"}[t.Name]
	return of != "" && byName[of] != nil
}

// wanted reports whether the configuration asks for an optional tensor.
func wanted(m *hf.Model, n arch.Named) bool {
	if !n.Optional {
		return true
	}
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.HasSuffix(n.GGUF, p) })
	}
	switch {
	case n.GGUF == "rope_freqs.weight":
		return m.RopeFreqs != nil
	case n.GGUF == "output.weight":
		return !m.Tied
	case has("attn_q.bias", "attn_k.bias", "attn_v.bias"):
		return m.AttnBias == hf.WithBias
	case has("attn_output.bias"):
		return m.OutBias == hf.WithBias
	case has("ffn_gate.bias", "ffn_up.bias", "ffn_down.bias"):
		return m.MLPBias == hf.WithBias
	}
	return false
}

func missing(m *hf.Model, n arch.Named) error {
	err := fmt.Errorf("convert: tensor %.80q is missing in the checkpoint", n.HFName)
	if n.GGUF == "output.weight" {
		err = fmt.Errorf("%w, and config.json: field %q is false", err, "tie_word_embeddings")
	}
	return err
}

func made(n arch.Named, v []float32) *item {
	return &item{info: gguf.TensorInfo{Name: n.Name, Type: quant.F32, Dims: []uint64{uint64(len(v))}}, values: v, rows: 1, cols: int64(len(v))}
}

// fromTensor checks a checkpoint tensor against the table and plans its type.
func fromTensor(t *checkpoint.Tensor, n arch.Named, d arch.Dims, p *plan) (*item, error) {
	if !t.DType.Float() {
		return nil, fmt.Errorf("convert: %s: tensor %.80q: element type %s cannot be converted: only F64 F32 F16 BF16 F8_E4M3 F8_E5M2", t.File, t.Name, t.DType)
	}
	want := n.Shape(d)
	if n.Vector && len(t.Shape) == 2 && t.Shape[0] == 1 { // a Linear of one output
		t = row(t)
	}
	if n.Vector && len(t.Shape) == 0 { // a scalar
		t = single(t)
	}
	same := len(want) == len(t.Shape)
	for i := range want {
		same = same && t.Shape[i] == int64(want[i])
	}
	if !same {
		return nil, fmt.Errorf("convert: %s: tensor %.80q: shape %v, config.json asks for %v (%v)", t.File, t.Name, t.Shape, want, n.Axes)
	}
	it := &item{src: t, info: gguf.TensorInfo{Name: n.Name, Type: quant.F32, Dims: dims(t.Shape)}}
	it.rows, it.cols = t.Matrix()
	if n.Vector {
		it.rows, it.cols = 1, t.Len()
		if n.Permute { // a bias is permuted like the rows of its matrix
			it.rows, it.cols = it.cols, 1
			it.src = column(t)
		}
	} else {
		it.info.Type, it.fallback = p.matrix(n.Name, int(it.cols))
	}
	if n.Permute {
		it.heads = int64(d.HeadDim)
	}
	return it, nil
}

// row is a matrix of one row seen as a vector.
func row(t *checkpoint.Tensor) *checkpoint.Tensor {
	r := *t
	r.Shape = t.Shape[1:]
	if t.Strides != nil {
		r.Strides = t.Strides[1:]
	}
	return &r
}

// single is a scalar seen as a vector of one.
func single(t *checkpoint.Tensor) *checkpoint.Tensor {
	s := *t
	s.Shape, s.Strides = []int64{1}, nil
	return &s
}

// column is a vector seen as a matrix of one column.
func column(t *checkpoint.Tensor) *checkpoint.Tensor {
	c := *t
	c.Shape = []int64{t.Len(), 1}
	if t.Strides != nil {
		c.Strides = []int64{t.Strides[0], 1}
	}
	return &c
}

// fromGGUF lists the items of a GGUF source, in its order.
func fromGGUF(f *gguf.File, tensors []*checkpoint.Tensor, p *plan) ([]*item, error) {
	var items []*item
	for i, t := range tensors {
		g := f.Tensors()[i]
		it := &item{src: t, info: gguf.TensorInfo{Name: t.Name, Type: g.Type, Dims: slices.Clone(g.Dims)}}
		it.rows, it.cols = t.Matrix()
		if it.cols > math.MaxInt32 && math.MaxInt == math.MaxInt32 {
			return nil, fmt.Errorf("convert: tensor %.80q: rows of %d weights are too long for this machine", t.Name, it.cols)
		}
		_, float := scalars[g.Type]
		switch {
		case len(g.Dims) == 1:
			if float {
				it.info.Type = quant.F32
			}
		case strings.HasSuffix(t.Name, ".weight") && (float || !isInteger(g.Type)):
			it.info.Type, it.fallback = p.matrix(t.Name, int(it.cols))
		}
		if !it.raw() && !float && !g.Type.CanDecode() {
			return nil, fmt.Errorf("convert: %s: tensor %.80q: type %s cannot be decoded", t.File, t.Name, g.Type)
		}
		items = append(items, it)
	}
	return items, nil
}

func isInteger(t quant.Type) bool {
	switch t {
	case quant.I8, quant.I16, quant.I32, quant.I64:
		return true
	}
	return false
}
