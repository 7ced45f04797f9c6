// Package arch holds one data table per architecture: the names its tensors
// have in GGUF files and in Hugging Face checkpoints, and what each axis
// means. Conversion, type plans and the loader's shape check all read it, so
// that a new architecture is a new table. It must not know how to compute.
//
//	a, ok := arch.Lookup(f.Arch())
//	h, err := arch.ReadHyper(f)
//	err = a.CheckFile(f, h)
package arch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Axis is what a dimension of a tensor stands for.
type Axis uint8

// The axes. Their sizes come from Dims.
const (
	Hidden     Axis = iota + 1 // width of the residual stream
	FFN                        // width inside the feed-forward block
	QHeads                     // query heads times head dimension
	KVHeads                    // key/value heads times head dimension
	HeadDim                    // one head
	RotHalf                    // half of the rotated dimensions of a head
	Vocab                      // rows of the embedding, padding included
	Experts                    // experts of a layer
	ExpertFFN                  // width inside an expert
	SharedFFN                  // width inside the expert that every token takes
	Positions                  // trained length of an encoder
	Segments                   // kinds of segments of an encoder
	Labels                     // of a classifier
	Two                        // two classes
	One                        // a vector's only row
	Projection                 // width of what two towers have in common
	Channels                   // of an image
	Patch                      // edge of a patch in pixels
	AllHidden                  // width of the stream times experts: the biases of all of a layer's experts
	numAxes    = iota
	axisText   = "hidden ffn qheads kvheads headdim rothalf vocab experts expertffn sharedffn positions segments labels two one projection channels patch allhidden"
)

// String is the axis' name in lower case.
func (a Axis) String() string {
	if a == 0 || int(a) > numAxes {
		return fmt.Sprintf("axis(%d)", uint8(a))
	}
	return strings.Fields(axisText)[a-1]
}

// Dims is the sizes of a model. Rot is the rotated dimensions of a head; 0 means
// all of HeadDim.
type Dims struct {
	Hidden, FFN, Heads, KVHeads, HeadDim, Vocab, Layers, Rot int
	Experts, ExpertFFN, SharedFFN                            int // 0 for a dense model
	Positions, Segments, Labels                              int // of an encoder
	Projection, Patch                                        int // of two towers; Patch of Vision's
	Vision                                                   *Dims
	// Mixed has a byte per layer where layers differ: MixedMoE for one of experts
	// alone, MixedBlock for one without. Empty: all are as Experts says.
	Mixed string
}

// of is the sizes of the tower that t is part of.
func (d Dims) of(t *Tensor) Dims {
	switch {
	case !t.Vision:
		return d
	case d.Vision == nil:
		return Dims{}
	}
	return *d.Vision
}

// The bytes of Dims.Mixed.
const (
	MixedBlock = 'b'
	MixedMoE   = 'm'
)

// absent is which tensors layer l lacks; of -1, which is no layer's, none where
// layers differ.
func (d Dims) absent(l int) In {
	switch {
	case d.Mixed != "" && (l < 0 || l >= len(d.Mixed)):
		return All
	case d.Mixed != "" && d.Mixed[l] == MixedMoE, d.Mixed == "" && d.Experts > 0:
		return Dense
	}
	return MoE
}

func (t *Tensor) lacking(d Dims, l int) bool { return t.In != All && t.In == d.absent(l) }

// Size is the length of an axis.
func (d Dims) Size(a Axis) int {
	switch a {
	case Hidden:
		return d.Hidden
	case FFN:
		return d.FFN
	case QHeads:
		return d.Heads * d.HeadDim
	case KVHeads:
		return d.KVHeads * d.HeadDim
	case HeadDim:
		return d.HeadDim
	case RotHalf:
		if d.Rot != 0 {
			return d.Rot / 2
		}
		return d.HeadDim / 2
	case Vocab:
		return d.Vocab
	case Experts:
		return d.Experts
	case ExpertFFN:
		return d.ExpertFFN
	case SharedFFN:
		return d.SharedFFN
	case Positions:
		return d.Positions
	case Segments:
		return d.Segments
	case Labels:
		return d.Labels
	case Two:
		return 2
	case One:
		return 1
	case Projection:
		return d.Projection
	case Channels:
		return 3
	case Patch:
		return d.Patch
	case AllHidden:
		return d.Experts * d.Hidden
	}
	return 0
}

// Tensor is one row of an architecture's table.
type Tensor struct {
	GGUF     string // "blk.%d.attn_q.weight"; %d is the layer
	HF       string // "model.layers.%d.self_attn.q_proj.weight"; empty: not in a checkpoint, made by the converter
	Axes     []Axis // rows first: {QHeads, Hidden}; one axis for a vector
	PerLayer bool   // the names hold %d
	Optional bool   // a file may lack it
	Permute  bool   // GGUF stores each head's rows in interleaved pairs, a checkpoint as two halves
	Vector   bool   // one dimension: norms and biases, kept in F32
	In       In     // which models have it
	Vision   bool   // part of the tower whose sizes are Dims.Vision
}

// In says which models of an architecture have a tensor. A checkpoint holds a
// tensor of three axes as one matrix per expert, and its HF name a second %d.
type In uint8

// The models that have a tensor: all, those without experts, those with.
const (
	All In = iota
	Dense
	MoE
)

// Arch is one architecture.
type Arch struct {
	Name    string   // general.architecture
	HFTypes []string // model_type in config.json
	NeoX    bool     // RoPE rotates i with i+rot/2; else 2i with 2i+1
	// ExpertsNorm says that the weights of a token's experts sum to 1, where a file
	// says nothing: the router's softmax runs over the chosen ones.
	ExpertsNorm bool
	// Encoder says that every position sees all others: there is no cache and
	// nothing to continue.
	Encoder  bool
	HFPrefix string   // of a checkpoint's names, where a head is on the model; may be missing
	Tensors  []Tensor // in the order a forward pass reads them, the layers' ones together
}

// Named is a tensor of the table with its layer filled in.
type Named struct {
	*Tensor
	Name   string // in GGUF
	HFName string // in a checkpoint; empty if it has none; of stacked experts one %d is left, the expert
	Layer  int    // -1 if not PerLayer
}

// Lookup is the architecture of a GGUF file; the table must not be changed.
func Lookup(name string) (*Arch, bool) {
	for _, a := range all {
		if a.Name == name {
			return a, true
		}
	}
	return nil, false
}

// LookupHF is the architecture of a checkpoint's model_type.
func LookupHF(modelType string) (*Arch, bool) {
	for _, a := range all {
		if slices.Contains(a.HFTypes, modelType) {
			return a, true
		}
	}
	return nil, false
}

// Names is every architecture's name, sorted.
func Names() []string {
	var s []string
	for _, a := range all {
		s = append(s, a.Name)
	}
	slices.Sort(s)
	return s
}

// Expand is the whole table for d.Layers layers, with experts or without as
// d.Experts says, in the order a forward pass reads the tensors, which is the
// order of their data in a file.
func (a *Arch) Expand(d Dims) []Named {
	var out []Named
	for i := 0; i < len(a.Tensors); {
		if !a.Tensors[i].PerLayer {
			if !a.Tensors[i].lacking(d, -1) {
				out = append(out, a.Tensors[i].named(-1))
			}
			i++
			continue
		}
		j := i
		for j < len(a.Tensors) && a.Tensors[j].PerLayer && a.Tensors[j].Vision == a.Tensors[i].Vision {
			j++
		}
		for l := range d.of(&a.Tensors[i]).Layers {
			for k := i; k < j; k++ {
				if !a.Tensors[k].lacking(d, l) {
					out = append(out, a.Tensors[k].named(l))
				}
			}
		}
		i = j
	}
	return out
}

func (t *Tensor) named(layer int) Named {
	n := Named{Tensor: t, Name: t.GGUF, HFName: t.HF, Layer: layer}
	if t.PerLayer {
		l := strconv.Itoa(layer)
		n.Name, n.HFName = strings.Replace(t.GGUF, "%d", l, 1), strings.Replace(t.HF, "%d", l, 1)
	}
	return n
}

// Find is the table's row for a GGUF name, false if it is none of this
// architecture's.
func (a *Arch) Find(name string) (Named, bool) {
	layer, general := -1, name
	for _, blk := range []string{"blk.", "t.blk.", "v.blk."} {
		if rest, ok := strings.CutPrefix(name, blk); ok {
			num, tail, _ := strings.Cut(rest, ".")
			n, err := strconv.Atoi(num)
			if err != nil || n < 0 || strconv.Itoa(n) != num {
				return Named{}, false
			}
			layer, general = n, blk+"%d."+tail
		}
	}
	for i := range a.Tensors {
		if t := &a.Tensors[i]; t.GGUF == general && t.PerLayer == (layer >= 0) {
			return t.named(layer), true
		}
	}
	return Named{}, false
}

// Shape is the tensor's dimensions, rows first.
func (t *Tensor) Shape(d Dims) []int {
	s := make([]int, len(t.Axes))
	d = d.of(t)
	for i, a := range t.Axes {
		s[i] = d.Size(a)
	}
	return s
}

// has reports whether any tensor is only of such models.
func (a *Arch) has(in In) bool {
	return slices.ContainsFunc(a.Tensors, func(t Tensor) bool { return t.In == in })
}

// shared reports whether a layer with experts has one that every token takes.
func (a *Arch) shared() bool {
	return slices.ContainsFunc(a.Tensors, func(t Tensor) bool { return slices.Contains(t.Axes, SharedFFN) })
}

// Stacked reports whether the tensor holds one matrix per expert: [experts,
// rows, columns].
func (t *Tensor) Stacked() bool { return len(t.Axes) == 3 }

// Check compares the shape of a tensor, rows by columns (a vector is one row),
// with the table.
func (a *Arch) Check(d Dims, name string, rows, cols int) error {
	n, ok := a.Find(name)
	if !ok {
		return fmt.Errorf("arch: tensor %.80q is none of %s's", name, a.Name)
	}
	if most := d.of(n.Tensor).Layers; n.Layer >= most {
		return fmt.Errorf("arch: tensor %.80q: layer %d of %d", name, n.Layer, most)
	}
	if n.lacking(d, n.Layer) {
		return fmt.Errorf("arch: tensor %.80q: none of a %s with %d experts", name, a.Name, d.Experts)
	}
	want := n.Shape(d)
	switch {
	case n.Vector:
		want = []int{1, want[0]}
	case n.Stacked():
		want = []int{want[0] * want[1], want[2]}
	case len(want) == 4:
		want = []int{want[0] * want[1] * want[2], want[3]}
	}
	if rows != want[0] || cols != want[1] {
		return fmt.Errorf("arch: tensor %.80q: shape [%d, %d], want [%d, %d] (%v)", name, rows, cols, want[0], want[1], n.Axes)
	}
	return nil
}
