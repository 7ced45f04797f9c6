// Package seed runs a qwq-seed file (docs/qwq-seed.md), a module of the article or
// the whole of it, on named arrays. It knows which arrays a module takes and of
// what shapes; the graphs are runtime/model's.
//
//	m, err := seed.Open("block.gguf", backend.CPUOptions{})
//	y, err := m.Run(map[string]*npy.Array{"x": x})
package seed

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/internal/npy"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// Module is an open file. One goroutine at a time may use it.
type Module struct {
	kind  string
	file  *gguf.File
	dev   *backend.CPU
	net   *model.Model   // of model, block, moe
	track *model.Tracker // of dialog
	pair  *model.Pair    // of multimodal
}

// Open opens a file; Close ends it.
func Open(path string, o backend.CPUOptions) (*Module, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	m := &Module{file: f}
	if f.Arch() != arch.Seed {
		err = f.Errorf(arch.KeyArch, "is %.80q, only %s runs on arrays", f.Arch(), arch.Seed)
	} else if m.dev, err = backend.NewCPU(o); err == nil {
		err = m.bind()
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *Module) bind() (err error) {
	m.kind, _ = m.file.Str(arch.Key(arch.KeyKind, arch.Seed))
	switch m.kind {
	case arch.KindDialog:
		m.track, err = model.NewTracker(m.file, m.dev)
	case arch.KindMultimodal:
		m.pair, err = model.NewPair(m.file, m.dev)
	default:
		m.net, err = model.New(m.file, m.dev)
	}
	return err
}

// Close frees the file and the threads.
func (m *Module) Close() error {
	var err error
	if m.dev != nil {
		err = m.dev.Close()
	}
	return errors.Join(err, m.file.Close())
}

// Inputs names the arrays that Run takes; of a list any one.
func (m *Module) Inputs() [][]string {
	switch m.kind {
	case arch.KindModel:
		return [][]string{{"ids"}}
	case arch.KindMultimodal:
		text, image := []string{"text_feat"}, []string{"image_feat"}
		if m.pair.Module().Vocab > 0 {
			text = append(text, "ids")
		}
		if m.pair.Module().Patch > 0 {
			image = append(image, "image")
		}
		return [][]string{text, image}
	}
	return [][]string{{"x"}}
}

// check compares the arrays' names with those of Inputs. An array without a name
// is the only input's.
func (m *Module) check(in map[string]*npy.Array) (map[string]*npy.Array, error) {
	want := m.Inputs()
	say := func() string {
		var s []string
		for _, any := range want {
			s = append(s, strings.Join(any, " or "))
		}
		return strings.Join(s, ", and ")
	}
	if x, ok := in[""]; ok && len(want) == 1 && len(in) == 1 {
		return map[string]*npy.Array{want[0][0]: x}, nil
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !slices.ContainsFunc(want, func(any []string) bool { return slices.Contains(any, name) }) {
			return nil, fmt.Errorf("seed: input %.40q: a %s takes %s", name, m.kind, say())
		}
	}
	for _, any := range want {
		n := 0
		for _, name := range any {
			if in[name] != nil {
				n++
			}
		}
		if n != 1 {
			return nil, fmt.Errorf("seed: %d of the inputs %s are given: a %s takes %s", n, strings.Join(any, ", "), m.kind, say())
		}
	}
	return in, nil
}

// Run runs the module:
//
//	model       ids [batch, seq]              to logits [batch, seq, vocabulary]
//	block       x [seq, batch, width]         to the same shape
//	moe         x [tokens, width]             to the same shape
//	dialog      x [turns, batch, width]       to the states, the same shape, from zeros
//	multimodal  text_feat [batch, features] or ids [batch, seq], and
//	            image_feat [batch, features] or image [batch, channels, size, size], to [batch]
func (m *Module) Run(in map[string]*npy.Array) (*npy.Array, error) {
	in, err := m.check(in)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		a := in[name]
		for i, v := range a.F32 {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return nil, fmt.Errorf("seed: input %s: element %d is %v", name, i, v)
			}
		}
	}
	switch m.kind {
	case arch.KindModel:
		return m.logits(in["ids"])
	case arch.KindBlock:
		return m.block(in["x"])
	case arch.KindMoE:
		return m.tokens(in["x"])
	case arch.KindDialog:
		x := in["x"]
		if err := shaped("x", x, false, -1, -1, m.track.Width()); err != nil {
			return nil, err
		}
		states, _, err := m.track.Run(x.F32, x.Shape[0], x.Shape[1], nil)
		return &npy.Array{Shape: x.Shape, F32: states}, err
	}
	return m.compare(in)
}

// shaped checks rank, sizes (-1: any but 0) and the kind of numbers.
func shaped(name string, a *npy.Array, ints bool, want ...int) error {
	ok := len(a.Shape) == len(want)
	for i := range want {
		ok = ok && (a.Shape[i] == want[i] || want[i] < 0 && a.Shape[i] > 0)
	}
	if !ok {
		return fmt.Errorf("seed: input %s: shape %v, want %v (-1: any but 0)", name, a.Shape, want)
	}
	if ints != (a.I64 != nil) {
		return fmt.Errorf("seed: input %s: want %s", name, map[bool]string{true: "integers", false: "floats"}[ints])
	}
	return nil
}

// ids are the rows of an array [batch, seq].
func ids(a *npy.Array) ([][]int32, error) {
	var out [][]int32
	for i := range a.Shape[0] {
		row := make([]int32, a.Shape[1])
		for j := range row {
			v := a.I64[i*a.Shape[1]+j]
			if v < 0 || v > math.MaxInt32 {
				return nil, fmt.Errorf("seed: input ids: id %d at [%d, %d]", v, i, j)
			}
			row[j] = int32(v)
		}
		out = append(out, row)
	}
	return out, nil
}

// logits runs sequence after sequence: only one's logits are in memory twice.
func (m *Module) logits(a *npy.Array) (*npy.Array, error) {
	if err := shaped("ids", a, true, -1, -1); err != nil {
		return nil, err
	}
	rows, err := ids(a)
	if err != nil {
		return nil, err
	}
	y := &npy.Array{Shape: []int{a.Shape[0], a.Shape[1], m.net.Hyper().Vocab}}
	for _, row := range rows {
		out, err := m.net.Run(&model.Batch{IDs: row, Seqs: []model.Span{{N: len(row)}}})
		if err != nil {
			return nil, err
		}
		y.F32 = append(y.F32, out[0].Data...)
	}
	return y, nil
}

// block runs each of the batch's sequences, which lie position by position.
func (m *Module) block(a *npy.Array) (*npy.Array, error) {
	d := m.net.Hyper().Hidden
	if err := shaped("x", a, false, -1, -1, d); err != nil {
		return nil, err
	}
	seq, batch := a.Shape[0], a.Shape[1]
	y := &npy.Array{Shape: a.Shape, F32: make([]float32, len(a.F32))}
	x := make([]float32, seq*d)
	for b := range batch {
		for s := range seq {
			copy(x[s*d:(s+1)*d], a.F32[(s*batch+b)*d:])
		}
		out, err := m.net.Run(&model.Batch{Embeds: backend.Tensor{Rows: seq, Cols: d, Data: x}, Seqs: []model.Span{{N: seq}}, Want: backend.Hidden})
		if err != nil {
			return nil, err
		}
		for s := range seq {
			copy(y.F32[(s*batch+b)*d:(s*batch+b+1)*d], out[0].Data[s*d:])
		}
	}
	return y, nil
}

func (m *Module) tokens(a *npy.Array) (*npy.Array, error) {
	d := m.net.Hyper().Hidden
	if err := shaped("x", a, false, -1, d); err != nil {
		return nil, err
	}
	out, err := m.net.Run(&model.Batch{Embeds: backend.Tensor{Rows: a.Shape[0], Cols: d, Data: a.F32}, Seqs: []model.Span{{N: a.Shape[0]}}, Want: backend.Hidden})
	if err != nil {
		return nil, err
	}
	return &npy.Array{Shape: a.Shape, F32: slices.Clone(out[0].Data)}, nil
}

// compare is the cosine of each text with its image.
func (m *Module) compare(in map[string]*npy.Array) (*npy.Array, error) {
	mod := m.pair.Module()
	side := func(feat, raw string, image bool, bind func(a *npy.Array) (*backend.Inputs, error)) ([]float32, error) {
		var i *backend.Inputs
		var err error
		if a := in[feat]; a != nil {
			if err = shaped(feat, a, false, -1, mod.Features); err == nil {
				i, err = m.pair.BindFeatures(a.F32)
			}
		} else {
			i, err = bind(in[raw])
		}
		if err != nil {
			return nil, err
		}
		return m.pair.Run(i, image)
	}
	text, err := side("text_feat", "ids", false, func(a *npy.Array) (*backend.Inputs, error) {
		if err := shaped("ids", a, true, -1, -1); err != nil {
			return nil, err
		}
		rows, err := ids(a)
		if err != nil {
			return nil, err
		}
		return m.pair.BindIDs(rows)
	})
	if err != nil {
		return nil, err
	}
	image, err := side("image_feat", "image", true, func(a *npy.Array) (*backend.Inputs, error) {
		if err := shaped("image", a, false, -1, mod.ImageIn, mod.Image, mod.Image); err != nil {
			return nil, err
		}
		return m.pair.BindImages(a.F32, a.Shape[0])
	})
	if err != nil {
		return nil, err
	}
	p := mod.Projection
	if len(text) != len(image) {
		return nil, fmt.Errorf("seed: %d texts and %d images", len(text)/p, len(image)/p)
	}
	y := &npy.Array{Shape: []int{len(text) / p}}
	for i := 0; i < len(text); i += p {
		y.F32 = append(y.F32, Cosine(text[i:i+p], image[i:i+p]))
	}
	return y, nil
}

// Cosine is a·b/(max(|a|, 1e-8)·max(|b|, 1e-8)), as PyTorch's cosine_similarity.
func Cosine(a, b []float32) float32 {
	ab, aa, bb := 0.0, 0.0, 0.0
	for i, x := range a {
		x, y := float64(x), float64(b[i])
		ab, aa, bb = ab+float64(x*y), aa+float64(x*x), bb+float64(y*y)
	}
	return float32(ab / (max(math.Sqrt(aa), 1e-8) * max(math.Sqrt(bb), 1e-8)))
}
