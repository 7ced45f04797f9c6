package student

import (
	"fmt"
	"math"
	"strings"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// Shape is the sizes of a student.
type Shape struct{ Layers, Hidden, FFN, Heads, KVHeads, HeadDim, Vocab int }

// ShapeOf is the sizes of a model.
func ShapeOf(h arch.Hyper) Shape {
	return Shape{h.Layers, h.Hidden, h.FFN, h.Heads, h.KVHeads, h.HeadDim, h.Vocab}
}

// prunable is an error for a teacher whose own tensors a student cannot begin with.
func prunable(h arch.Hyper) error {
	if h.Experts > 0 {
		return fmt.Errorf("student: a %s of %d experts cannot be pruned to a student; give the student a configuration of its own (student.config)", h.Arch.Name, h.Experts)
	}
	return nil
}

// dims is the sizes for the table; rot is the teacher's.
func (s Shape) dims(rot int) arch.Dims {
	return arch.Dims{Layers: s.Layers, Hidden: s.Hidden, FFN: s.FFN, Heads: s.Heads, KVHeads: s.KVHeads, HeadDim: s.HeadDim, Vocab: s.Vocab, Rot: rot}
}

// String is the sizes for messages.
func (s Shape) String() string {
	return fmt.Sprintf("%d layers, hidden %d, ffn %d, %d heads in %d groups of %d, vocabulary %d", s.Layers, s.Hidden, s.FFN, s.Heads, s.KVHeads, s.HeadDim, s.Vocab)
}

// within checks that a cut of the teacher can have shape s. Widths that shrink
// are multiples of 32, so that blocks of quantized types fit.
func (s Shape) within(t Shape) error {
	for _, d := range []struct {
		name       string
		have, most int
		block      int
	}{
		{"layers", s.Layers, t.Layers, 1}, {"hidden", s.Hidden, t.Hidden, block}, {"ffn", s.FFN, t.FFN, block}, {"heads", s.Heads, t.Heads, 1},
		{"KV heads", s.KVHeads, t.KVHeads, 1}, {"heads times head dimension", s.Heads * s.HeadDim, t.Heads * t.HeadDim, block}, {"vocabulary", s.Vocab, t.Vocab, 1},
	} {
		if d.have < 1 || d.have > d.most || d.have != d.most && d.have%d.block != 0 {
			return fmt.Errorf("student: %s %d: want from %d to the teacher's %d, a multiple of %d or all", d.name, d.have, d.block, d.most, d.block)
		}
	}
	if s.HeadDim != t.HeadDim || s.Heads%s.KVHeads != 0 || s.Heads/s.KVHeads > t.Heads/t.KVHeads {
		return fmt.Errorf("student: %d heads of %d in %d groups, the teacher has %d of %d in %d: groups may only lose heads, a head keeps its dimension",
			s.Heads, s.HeadDim, s.KVHeads, t.Heads, t.HeadDim, t.KVHeads)
	}
	return nil
}

const block = 32 // weights of a block of the usual quantized types

// Params is the number of weights of a student of this shape that has the optional
// tensors that its teacher has, split into those that multiply every token
// (matrices, a tied embedding once) and all.
func (s Shape) Params(h arch.Hyper, has func(general string) bool) (matmul, all int) {
	matmul, _ = s.count(h, has, func(t *arch.Tensor) bool {
		return t.Axes[0] == arch.Vocab && !t.Optional && !h.Tied // a table that is only looked up
	})
	m, v := s.count(h, has, nil)
	return matmul, m + v
}

// count is the weights in matrices and in vectors, without those that skip says.
func (s Shape) count(h arch.Hyper, has func(general string) bool, skip func(*arch.Tensor) bool) (matrices, vectors int) {
	d := s.dims(h.Rot)
	for i := range h.Arch.Tensors {
		t := &h.Arch.Tensors[i]
		if t.Optional && !has(t.GGUF) || skip != nil && skip(t) {
			continue
		}
		size := 1
		for _, a := range t.Axes {
			size *= d.Size(a)
		}
		if t.PerLayer {
			size *= s.Layers
		}
		if t.Vector {
			vectors += size
		} else {
			matrices += size
		}
	}
	return matrices, vectors
}

// Has says which tensors of the table a file has in any layer.
func Has(f *gguf.File, a *arch.Arch) func(general string) bool {
	have := map[string]bool{}
	for _, t := range f.Tensors() {
		if n, ok := a.Find(t.Name); ok {
			have[n.GGUF] = true
		}
	}
	return func(general string) bool { return have[general] }
}

// tensorsOf is the table for a number of layers without the optional tensors that
// are not there.
func tensorsOf(a *arch.Arch, layers int, has func(general string) bool) []arch.Named {
	var out []arch.Named
	for _, n := range a.Expand(arch.Dims{Layers: layers}) {
		if !n.Optional || has(n.GGUF) {
			out = append(out, n)
		}
	}
	return out
}

// metadata is a teacher's keys for a student: sizes replaced, tokenizer keys
// replaced where vocab is not nil, what describes the file itself made anew.
func metadata(kvs []gguf.KV, a *arch.Arch, s Shape, rot int, name string, vocab []gguf.KV) []gguf.KV {
	sizes := map[string]int{
		arch.KeyLayers: s.Layers, arch.KeyHidden: s.Hidden, arch.KeyFFN: s.FFN, arch.KeyHeads: s.Heads, arch.KeyKVHeads: s.KVHeads,
		arch.KeyHeadDim: s.HeadDim, arch.KeyValueDim: s.HeadDim, arch.KeyVocab: s.Vocab, arch.KeyRot: rot,
	}
	own := map[string]bool{}
	for k := range sizes {
		own[arch.Key(k, a.Name)] = true
	}
	var out []gguf.KV
	for _, kv := range kvs {
		switch {
		case own[kv.Key], kv.Key == arch.KeyFileType, kv.Key == arch.KeyQuantVersion, kv.Key == "general.alignment",
			kv.Key == "general.size_label", kv.Key == "general.parameter_count", strings.HasPrefix(kv.Key, "split."):
			continue
		case vocab != nil && IsTokenizerKey(kv.Key):
			continue
		case kv.Key == arch.KeyName && name != "":
			continue
		}
		out = append(out, kv)
	}
	if name != "" {
		out = append(out, gguf.KV{Key: arch.KeyName, Value: gguf.String(name)})
	}
	for _, k := range []string{
		arch.KeyVocab, arch.KeyHidden, arch.KeyLayers, arch.KeyFFN, arch.KeyHeads, arch.KeyKVHeads, arch.KeyHeadDim, arch.KeyValueDim, arch.KeyRot,
	} {
		out = append(out, gguf.KV{Key: arch.Key(k, a.Name), Value: gguf.Uint32(uint32(sizes[k]))})
	}
	return append(append(out, vocab...), gguf.KV{Key: arch.KeyFileType, Value: gguf.Uint32(0)})
}

// IsTokenizerKey says whether a key belongs to the tokenizer.
func IsTokenizerKey(key string) bool {
	return strings.HasPrefix(key, "tokenizer.") || strings.HasPrefix(key, "qwq.tokenizer.")
}

// Third is the most that Minitron's rule lets one cut remove.
const Third = 1.0 / 3

// Steps is the shapes on the way from a teacher to a student, the student last, in
// n cuts, or with n = 0 in the fewest that remove at most a third of the
// parameters each. params counts a shape's.
func Steps(from, to Shape, n int, params func(Shape) int) ([]Shape, error) {
	if n < 0 || n > 64 {
		return nil, fmt.Errorf("student: %d cuts", n)
	}
	for k := max(n, 1); k <= 64; k++ {
		path := make([]Shape, k)
		worst, last := 0.0, from
		for i := range path {
			path[i] = between(from, to, float64(i+1)/float64(k))
			worst = max(worst, 1-float64(params(path[i]))/float64(params(last)))
			last = path[i]
		}
		if n > 0 || worst <= Third {
			return path, nil
		}
	}
	return nil, fmt.Errorf("student: no 64 cuts of at most a third each lead from %v to %v", from, to)
}

// between is the shape at a part f of the way, sizes in proportion.
func between(a, b Shape, f float64) Shape {
	if f == 1 {
		return b
	}
	at := func(x, y, unit int) int {
		if x == y {
			return y
		}
		v := math.Pow(float64(x), 1-f) * math.Pow(float64(y), f)
		return min(x, max(y, int(math.Round(v/float64(unit)))*unit))
	}
	s := Shape{
		Layers: at(a.Layers, b.Layers, 1), Hidden: at(a.Hidden, b.Hidden, block), FFN: at(a.FFN, b.FFN, block),
		KVHeads: at(a.KVHeads, b.KVHeads, 1), HeadDim: a.HeadDim, Vocab: b.Vocab, // a vocabulary is trimmed once, at first
	}
	s.Heads = s.KVHeads * at(a.Heads/a.KVHeads, b.Heads/b.KVHeads, 1)
	return s
}
