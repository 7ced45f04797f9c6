package arch

import (
	"fmt"
	"math"
	"slices"

	"github.com/qwq-edge/qwq/gguf"
)

// Seed is the general.architecture of the article's model and of its modules.
const Seed = "qwq-seed"

// The kinds of a qwq-seed file.
const (
	KindModel      = "model"      // embedding, positions, layers, output
	KindBlock      = "block"      // one Transformer block
	KindMoE        = "moe"        // one mixture of experts
	KindDialog     = "dialog"     // the tracker of a dialog's state, see Module
	KindMultimodal = "multimodal" // the comparison of texts with images, see Module
)

// Keys of qwq-seed beside the common ones.
const (
	KeyKind         = "%s.kind"                // string
	KeyExpertLayers = "%s.expert_layers"       // int32 array, the layers that are a mixture
	KeyThreshold    = "%s.boundary_threshold"  // float32, of dialog with a head: a topic ends above it, default 0.5
	KeyFeatures     = "%s.feature_length"      // uint32, of multimodal: what an encoder gives
	KeyProject      = "%s.projection_length"   // uint32, of multimodal: what is compared
	KeyImageSide    = "%s.image.size"          // uint32, of multimodal with an image encoder: height and width
	KeyPatchEdge    = "%s.image.patch_size"    // uint32, the convolution's kernel and stride
	KeyImageIn      = "%s.image.channels"      // uint32, of an image
	KeyImageOut     = "%s.image.conv_channels" // uint32, of the convolution
)

// seed is the article's model: post-norm blocks that see all positions, some of
// them replaced by a mixture of linear experts. A lone block or mixture is a file
// of one layer without embedding and output. The checkpoint holds Q, K and V as
// one matrix, so these have no name there.
var seed = Arch{
	Name: Seed, Encoder: true,
	Tensors: slices.Concat(
		head([]Tensor{
			{GGUF: "token_embd.weight", HF: "embedding.weight", Axes: []Axis{Vocab, Hidden}},
			{GGUF: "position_embd.weight", HF: "positional_encoding.pe", Axes: []Axis{Positions, Hidden}},
		}),
		layers("encoder.%d.",
			only(Dense, slices.Concat(
				unnamed(affine("attn_q", "", QHeads, Hidden)),
				unnamed(affine("attn_k", "", QHeads, Hidden)),
				unnamed(affine("attn_v", "", QHeads, Hidden)),
				affine("attn_output", "self_attn.out_proj", Hidden, QHeads),
				vectors("attn_output_norm", "norm1"),
				affine("ffn_up", "feed_forward.0", FFN, Hidden),
				affine("ffn_down", "feed_forward.3", Hidden, FFN),
				vectors("layer_output_norm", "norm2"),
			)...),
			only(MoE, slices.Concat(
				affine("ffn_gate_inp", "gating", Experts, Hidden),
				[]Tensor{{GGUF: "ffn_down_exps.weight", HF: "experts.%d.weight", Axes: []Axis{Experts, Hidden, Hidden}}},
				unnamed([]Tensor{{GGUF: "ffn_down_exps.bias", Axes: []Axis{AllHidden}, Vector: true}}),
			)...),
		),
		head(affine("output", "fc_out", Vocab, Hidden)),
	),
}

// unnamed marks tensors that a checkpoint holds in another form.
func unnamed(tensors []Tensor) []Tensor {
	for i := range tensors {
		tensors[i].HF = ""
	}
	return tensors
}

// seed reads the sizes of a model, a block or a mixture.
func (h *Hyper) seed(r *reader) {
	h.Kind, _ = r.str(KeyKind)
	switch h.Kind {
	case KindModel, KindBlock, KindMoE:
	case KindDialog, KindMultimodal:
		r.fail(KeyKind, "is %s: a module, no language model; qwq-convert run runs it", h.Kind)
	default:
		r.fail(KeyKind, "is %.80q, want model, block, moe, dialog or multimodal", h.Kind)
	}
	h.Layers = r.int(KeyLayers, -1, 1, len(r.f.Tensors()))
	h.Hidden = r.int(KeyHidden, -1, 1, maxWidth)
	h.mixed(r)
	h.Act, h.Pooling, h.Heads, h.HeadDim, h.FFN = "relu", MeanPooling, 1, h.Hidden, h.Hidden
	if r.err == nil && slices.Contains([]byte(h.Mixed), MixedBlock) {
		h.FFN = r.int(KeyFFN, -1, 1, maxWidth)
		h.Heads = r.int(KeyHeads, -1, 1, maxWidth)
		h.Eps = float32(r.float(KeyNormEps, math.NaN(), 0, 1))
		if r.err == nil && h.Hidden%h.Heads != 0 {
			r.fail(KeyHeads, "%d heads do not divide the width %d", h.Heads, h.Hidden)
		} else if r.err == nil {
			h.HeadDim = h.Hidden / h.Heads
		}
	}
	h.KVHeads, h.ExpertFFN = h.Heads, h.Hidden
	if h.Kind != KindModel {
		h.Context = maxIDs
		if r.err == nil && h.Layers != 1 {
			r.fail(KeyLayers, "is %d, a lone %s is one", h.Layers, h.Kind)
		}
		return
	}
	h.Context = r.int(KeyContext, -1, 1, maxIDs)
	h.embedding(r)
	if r.err == nil && h.Tied {
		r.err = fmt.Errorf("arch: %s: tensor %.80q is missing", r.f.Path(), "output.weight")
	}
}

// mixed reads which layers are a mixture of experts.
func (h *Hyper) mixed(r *reader) {
	if r.err != nil {
		return
	}
	kinds := make([]byte, h.Layers) // at most one per tensor
	for i := range kinds {
		kinds[i] = MixedBlock
	}
	if v, ok := r.f.Get(Key(KeyExpertLayers, r.arch)); ok {
		at, ok := v.Ints()
		if !ok {
			r.fail(KeyExpertLayers, "is %v, want an array of integers", v.Type())
		}
		for i, l := range at {
			if l < 0 || l >= int64(h.Layers) || i > 0 && l <= at[i-1] {
				r.fail(KeyExpertLayers, "entry %d is %d: want ascending layers below %d", i, l, h.Layers)
				return
			}
			kinds[l] = MixedMoE
		}
	}
	h.Mixed = string(kinds)
	if !slices.Contains(kinds, MixedMoE) {
		return
	}
	h.Experts = r.int(KeyExperts, -1, 1, min(maxExperts, math.MaxInt32/h.Hidden))
	if r.err == nil {
		h.ExpertsUsed = r.int(KeyExpertsUsed, -1, 1, h.Experts)
	}
}

// Module is the sizes of a qwq-seed file that is no stack of layers.
type Module struct {
	Kind   string // KindDialog or KindMultimodal
	Hidden int    // of dialog: width of a turn's vector and of the state

	// Of multimodal. Without an encoder its sizes are 0.
	Features, Projection                 int
	Vocab                                int // of the text encoder
	Image, Patch, ImageIn, ImageOut, Fit int // of the image encoder; Fit is patches per image

	Boundary  bool    // of dialog: it has the head that says where a topic ends
	Threshold float64 // of its probability
}

// ModuleTensor is one row of a module's table.
type ModuleTensor struct {
	Name       string
	Rows, Cols int
	Vector     bool // one dimension
}

// Tensors is what a module's file holds, in the order of a forward pass.
func (m Module) Tensors() []ModuleTensor {
	matrix := func(name string, rows, cols int) ModuleTensor {
		return ModuleTensor{Name: name, Rows: rows, Cols: cols}
	}
	vector := func(name string, cols int) ModuleTensor {
		return ModuleTensor{Name: name, Rows: 1, Cols: cols, Vector: true}
	}
	if d := m.Hidden; m.Kind == KindDialog {
		t := []ModuleTensor{
			matrix("gru.reset.weight", d, d), vector("gru.reset.bias", d),
			matrix("gru.update.weight", d, d), vector("gru.update.bias", d),
			matrix("gru.new.weight", d, d), vector("gru.new.bias", d),
			matrix("gru.hidden.bias", 3, d),
			matrix("state.input.weight", d, d), matrix("state.history.weight", d, d), vector("state.bias", d),
		}
		if m.Boundary {
			t = append(t, vector("boundary.weight", d), vector("boundary.bias", 1))
		}
		return t
	}
	var t []ModuleTensor
	if m.Vocab > 0 {
		t = append(t, matrix("text.token_embd.weight", m.Vocab, m.Features))
	}
	t = append(t, matrix("text_proj.weight", m.Projection, m.Features), vector("text_proj.bias", m.Projection))
	if m.Patch > 0 {
		t = append(t, matrix("image.conv.weight", m.ImageOut, m.ImageIn*m.Patch*m.Patch), vector("image.conv.bias", m.ImageOut),
			matrix("image.fc.weight", m.Fit*m.Features, m.ImageOut), vector("image.fc.bias", m.Features))
	}
	return append(t, matrix("image_proj.weight", m.Projection, m.Features), vector("image_proj.bias", m.Projection))
}

// MaxPatches bounds the patches of an image of a Module.
const MaxPatches = 1 << 14

// ReadModule reads and checks a qwq-seed file of kind dialog or multimodal, its
// tensors' shapes too.
func ReadModule(f *gguf.File) (Module, error) {
	r := &reader{f: f, arch: Seed}
	m := Module{}
	m.Kind, _ = r.str(KeyKind)
	switch {
	case f.Arch() != Seed:
		return m, f.Errorf(KeyArch, "is %.80q, want %s", f.Arch(), Seed)
	case r.err != nil:
	case m.Kind == KindDialog:
		m.Hidden = r.int(KeyHidden, -1, 1, maxWidth)
		m.Boundary = f.Tensor("boundary.weight") != nil
		m.Threshold = r.float(KeyThreshold, 0.5, 0, 1)
	case m.Kind == KindMultimodal:
		m.multimodal(r)
	default:
		r.fail(KeyKind, "is %.80q, want dialog or multimodal", m.Kind)
	}
	if r.err != nil {
		return m, r.err
	}
	return m, m.check(f)
}

func (m *Module) multimodal(r *reader) {
	m.Features = r.int(KeyFeatures, -1, 1, maxWidth)
	m.Projection = r.int(KeyProject, -1, 1, maxWidth)
	m.Vocab = r.int(KeyVocab, 0, 0, maxIDs)
	if m.Patch = r.int(KeyPatchEdge, 0, 0, 1<<12); m.Patch == 0 || r.err != nil {
		return
	}
	m.Image = r.int(KeyImageSide, -1, 1, 1<<14)
	m.ImageIn = r.int(KeyImageIn, -1, 1, 1<<10)
	m.ImageOut = r.int(KeyImageOut, -1, 1, 1<<16)
	side := m.Image / m.Patch
	if m.Fit = side * side; r.err == nil && m.Fit > math.MaxInt32/m.Features {
		r.fail(KeyFeatures, "is %d, too wide for %d patches", m.Features, m.Fit)
	}
	if r.err == nil && (m.Image%m.Patch != 0 || m.Fit > MaxPatches) {
		r.fail(KeyImageSide, "is %d: want a multiple of the patch size %d, of at most %d patches", m.Image, m.Patch, MaxPatches)
	}
}

// check compares the file's tensors with the table.
func (m Module) check(f *gguf.File) error {
	want := m.Tensors()
	for _, w := range want {
		t := f.Tensor(w.Name)
		if t == nil {
			return &gguf.FormatError{File: f.Path(), Field: fmt.Sprintf("tensor %.80q", w.Name), Err: fmt.Errorf("missing, %s %s needs it", Seed, m.Kind)}
		}
		if t.Rows() != uint64(w.Rows) || t.Dims[0] != uint64(w.Cols) || w.Vector != (len(t.Dims) == 1) {
			return &gguf.FormatError{File: t.Path(), Offset: int64(t.Offset), Field: fmt.Sprintf("tensor %.80q", w.Name), Err: fmt.Errorf("shape %v, want [%d, %d]", t.Shape(), w.Rows, w.Cols)}
		}
	}
	for _, t := range f.Tensors() {
		if !slices.ContainsFunc(want, func(w ModuleTensor) bool { return w.Name == t.Name }) {
			return &gguf.FormatError{File: t.Path(), Offset: int64(t.Offset), Field: fmt.Sprintf("tensor %.80q", t.Name), Err: fmt.Errorf("has no place in %s %s", Seed, m.Kind)}
		}
	}
	return nil
}

// IsModule reports whether a file is one that ReadModule reads.
func IsModule(f *gguf.File) bool {
	kind, _ := f.Str(Key(KeyKind, Seed))
	return f.Arch() == Seed && (kind == KindDialog || kind == KindMultimodal)
}
