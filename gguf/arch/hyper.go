package arch

import (
	"fmt"
	"math"
	"strings"

	"github.com/qwq-edge/qwq/gguf"
)

// Keys of the metadata as llama.cpp names them; %s is general.architecture, see
// Key. Names without %s are used as they are.
const (
	KeyArch          = "general.architecture"                    // string
	KeyName          = "general.name"                            // string
	KeyVocab         = "%s.vocab_size"                           // uint32, rows of the embedding
	KeyContext       = "%s.context_length"                       // uint32, trained
	KeyHidden        = "%s.embedding_length"                     // uint32
	KeyLayers        = "%s.block_count"                          // uint32
	KeyFFN           = "%s.feed_forward_length"                  // uint32
	KeyHeads         = "%s.attention.head_count"                 // uint32
	KeyKVHeads       = "%s.attention.head_count_kv"              // uint32, default: as many as heads
	KeyHeadDim       = "%s.attention.key_length"                 // uint32, default: hidden/heads
	KeyValueDim      = "%s.attention.value_length"               // uint32, default: hidden/heads
	KeyEps           = "%s.attention.layer_norm_rms_epsilon"     // float32
	KeyNormEps       = "%s.attention.layer_norm_epsilon"         // float32, of an encoder
	KeyCausal        = "%s.attention.causal"                     // bool, false for an encoder
	KeyPooling       = "%s.pooling_type"                         // uint32: 0 none, 1 mean, 2 the first token
	KeyNormalize     = "%s.pooling_normalize"                    // bool: an embedding is scaled to length 1
	KeyAct           = "%s.hidden_act"                           // of an encoder: gelu (the default), gelu_tanh, relu, quick_gelu
	KeyWindow        = "%s.attention.sliding_window"             // uint32, 0: none
	KeyRot           = "%s.rope.dimension_count"                 // uint32, default: the head dimension
	KeyTheta         = "%s.rope.freq_base"                       // float32, default 10000
	KeyScaleLinear   = "%s.rope.scale_linear"                    // float32, older files: linear scaling by that factor
	KeyScaling       = "%s.rope.scaling.type"                    // none, linear, yarn
	KeyFactor        = "%s.rope.scaling.factor"                  // float32
	KeyOrigContext   = "%s.rope.scaling.original_context_length" // uint32
	KeyAttnFactor    = "%s.rope.scaling.attn_factor"             // float32, default 1
	KeyFinetuned     = "%s.rope.scaling.finetuned"               // bool
	KeyYarnExt       = "%s.rope.scaling.yarn_ext_factor"         // float32, default 1
	KeyYarnAttn      = "%s.rope.scaling.yarn_attn_factor"        // float32, default 1
	KeyYarnBetaFast  = "%s.rope.scaling.yarn_beta_fast"          // float32, default 32
	KeyYarnBetaSlow  = "%s.rope.scaling.yarn_beta_slow"          // float32, default 1
	KeyExperts       = "%s.expert_count"                         // uint32
	KeyExpertsUsed   = "%s.expert_used_count"                    // uint32, of a token
	KeyExpertFFN     = "%s.expert_feed_forward_length"           // uint32
	KeySharedFFN     = "%s.expert_shared_feed_forward_length"    // uint32
	KeyExpertsNorm   = "%s.expert_weights_norm"                  // bool, the chosen experts' weights sum to 1; default: by architecture
	KeyFileType      = "general.file_type"                       // uint32, llama.cpp's ftype
	KeyQuantVersion  = "general.quantization_version"            // uint32, 2
	KeyEmbedContext  = "qwq.embedding.context_length"            // uint32, tokens of a text that an encoder embeds, less than its context
	KeySplitCount    = "split.count"                             // of a split model; not of its copies
	scalingNone      = "none"
	maxWidth, maxIDs = 1 << 22, 1 << 26
	maxExperts       = 1 << 16
)

// Key fills an architecture's name into one of the keys above.
func Key(key, arch string) string { return strings.Replace(key, "%s", arch, 1) }

// Rope is how positions are rotated in.
type Rope struct {
	Theta       float64 // base of the frequencies
	Scaling     string  // "none", "linear", "yarn"; Llama 3's is the tensor rope_freqs.weight and "none" here
	Factor      float64 // of "linear" and "yarn": how much longer than OrigContext; else 1
	OrigContext int     // of "yarn": what the model was trained with before
	AttnFactor  float64 // of "yarn": multiplies the attention magnitude, 1 by default
	ExtFactor   float64 // of "yarn": 1 by default
	BetaFast    float64 // of "yarn": 32 by default
	BetaSlow    float64 // of "yarn": 1 by default
}

// Hyper is the sizes and constants of a decoder, read from a file's metadata
// and checked for their ranges.
type Hyper struct {
	Arch    *Arch
	Name    string // general.name, may be empty
	Layers  int
	Hidden  int
	FFN     int
	Heads   int
	KVHeads int // divides Heads
	HeadDim int // of K and V; even
	Rot     int // rotated dimensions of a head, even, at most HeadDim
	Vocab   int // rows of the embedding, padding included
	Context int // trained length in tokens
	Window  int // sliding window in tokens, 0 = none
	Eps     float32
	Tied    bool // no output matrix: the embedding serves
	Rope    Rope

	Experts     int  // of a layer; 0 for a dense model
	ExpertsUsed int  // of a token
	ExpertFFN   int  // width inside an expert
	SharedFFN   int  // width inside the expert of every token, 0 = none
	ExpertsNorm bool // the chosen experts' weights are scaled to a sum of 1

	// Of an encoder.
	Segments  int     // kinds of segments
	Labels    int     // of a classifier, 0 = none
	Pooling   Pooling // of an embedding
	Normalize bool    // an embedding is scaled to length 1
	Act       string  // gelu, gelu_tanh, relu or quick_gelu
	Causal    bool    // a position sees those before it only

	// Of two towers; the rest is the text tower's.
	Projection int // width of an embedding
	EOS        int // whose state stands for a text; -1: the last one
	Image      int // edge of the square image in pixels, of Vision
	Patch      int // edge of its patches
	Vision     *Hyper

	// Of qwq-seed.
	Kind  string // KindModel, KindBlock or KindMoE
	Mixed string // as in Dims
}

// Pooling is how an encoder makes one vector of a text.
type Pooling uint8

// The poolings, as llama.cpp numbers them.
const (
	NoPooling Pooling = iota
	MeanPooling
	FirstPooling
)

// Dims is the sizes for Arch.Check.
func (h Hyper) Dims() Dims {
	d := Dims{Hidden: h.Hidden, FFN: h.FFN, Heads: h.Heads, KVHeads: h.KVHeads, HeadDim: h.HeadDim,
		Vocab: h.Vocab, Layers: h.Layers, Rot: h.Rot, Experts: h.Experts, ExpertFFN: h.ExpertFFN, SharedFFN: h.SharedFFN,
		Segments: h.Segments, Labels: h.Labels, Projection: h.Projection, Patch: h.Patch, Mixed: h.Mixed}
	if h.Vision != nil {
		v := h.Vision.Dims()
		d.Vision = &v
	}
	if h.Arch != nil && h.Arch.Encoder {
		d.Positions = h.Context
	}
	return d
}

// ReadHyper reads and checks the metadata of a decoder of a known
// architecture. Errors about a key are *gguf.FormatError.
func ReadHyper(f *gguf.File) (Hyper, error) {
	name, ok := f.Str(KeyArch)
	if !ok {
		return Hyper{}, f.Errorf(KeyArch, "missing")
	}
	a, ok := Lookup(name)
	if !ok {
		return Hyper{}, f.Errorf(KeyArch, "architecture %.80q is not supported, these are: %s", name, strings.Join(Names(), ", "))
	}
	h := Hyper{Arch: a}
	h.Name, _ = f.Str(KeyName)
	if a == &clip {
		return h, h.readCLIP(f)
	}
	r := &reader{f: f, arch: name}
	if name == Seed {
		h.seed(r)
		return h, r.err
	}
	h.sizes(r)
	h.experts(r)
	if a.Encoder {
		h.encoder(r)
	} else {
		h.Rope = r.rope()
		h.Eps = float32(r.float(KeyEps, math.NaN(), 0, 1))
	}
	h.embedding(r)
	return h, r.err
}

// sizes reads the integers. A layer has at least one tensor, so their number
// bounds the layers.
func (h *Hyper) sizes(r *reader) {
	h.Layers = r.int(KeyLayers, -1, 1, len(r.f.Tensors()))
	h.Hidden = r.int(KeyHidden, -1, 1, maxWidth)
	h.FFN = r.int(KeyFFN, -1, 1, maxWidth)
	h.Heads = r.int(KeyHeads, -1, 1, maxWidth)
	h.KVHeads = r.int(KeyKVHeads, h.Heads, 1, maxWidth)
	h.Context = r.int(KeyContext, -1, 1, math.MaxInt32)
	h.Window = r.int(KeyWindow, 0, 0, math.MaxInt32)
	if r.err != nil {
		return
	}
	even := -1 // no default where heads do not divide the width
	if h.Hidden%h.Heads == 0 {
		even = h.Hidden / h.Heads
	}
	h.HeadDim = r.int(KeyHeadDim, even, 2, 1<<16)
	value := r.int(KeyValueDim, even, 2, 1<<16)
	h.Rot = r.int(KeyRot, h.HeadDim, 2, max(2, h.HeadDim))
	switch {
	case r.err != nil:
	case h.Heads%h.KVHeads != 0:
		r.fail(KeyKVHeads, "%d key/value heads do not divide %d heads", h.KVHeads, h.Heads)
	case value != h.HeadDim:
		r.fail(KeyValueDim, "is %d, only the key length %d is supported", value, h.HeadDim)
	case h.HeadDim%2 != 0:
		r.fail(KeyHeadDim, "is %d, want an even number", h.HeadDim)
	case h.Rot%2 != 0:
		r.fail(KeyRot, "is %d, want an even number", h.Rot)
	case h.Heads*h.HeadDim > maxWidth:
		r.fail(KeyHeads, "%d heads of %d are wider than %d", h.Heads, h.HeadDim, maxWidth)
	}
}

// experts reads the sizes of a mixture of experts. A model of a table with
// tensors for both may be either.
func (h *Hyper) experts(r *reader) {
	none, some := h.Arch.has(Dense), h.Arch.has(MoE)
	least := 0
	if some && !none {
		least = 1
	}
	h.Experts = r.int(KeyExperts, least, least, maxExperts)
	switch {
	case r.err != nil || h.Experts == 0:
		return
	case !some:
		r.fail(KeyExperts, "is %d, experts are not supported for %s", h.Experts, h.Arch.Name)
		return
	}
	h.ExpertsUsed = r.int(KeyExpertsUsed, -1, 1, h.Experts)
	h.ExpertFFN = r.int(KeyExpertFFN, h.FFN, 1, maxWidth)
	if h.Arch.shared() {
		h.SharedFFN = r.int(KeySharedFFN, h.FFN, 1, maxWidth)
	}
	h.ExpertsNorm = r.bool(KeyExpertsNorm, h.Arch.ExpertsNorm)
}

// encoder reads what only an encoder has.
func (h *Hyper) encoder(r *reader) {
	h.Eps = float32(r.float(KeyNormEps, math.NaN(), 0, 1))
	h.Pooling = Pooling(r.int(KeyPooling, int(NoPooling), int(NoPooling), int(FirstPooling)))
	h.Normalize = r.bool(KeyNormalize, false)
	h.Act = "gelu"
	if s, ok := r.str(KeyAct); ok {
		h.Act = s
	}
	switch h.Act {
	case "gelu", "gelu_tanh", "relu", "quick_gelu":
	default:
		r.fail(KeyAct, "is %.80q, want gelu, gelu_tanh, relu or quick_gelu", h.Act)
	}
	if h.KVHeads != h.Heads {
		r.fail(KeyKVHeads, "is %d, an encoder has as many as heads, %d", h.KVHeads, h.Heads)
	}
	if r.bool(KeyCausal, false) {
		r.fail(KeyCausal, "is true, %s sees all positions", h.Arch.Name)
	}
	h.Segments = r.rows("token_types.weight")
	h.Labels = r.rows("cls.output.weight")
	if h.Context > maxIDs {
		r.fail(KeyContext, "is %d, at most %d", h.Context, maxIDs)
	}
}

// rows is how many rows a tensor has, 0 where it is not there.
func (r *reader) rows(name string) int {
	t := r.f.Tensor(name)
	if t == nil {
		return 0
	}
	if t.Rows() > maxIDs && r.err == nil {
		r.err = fmt.Errorf("arch: %s: tensor %.80q has %d rows, at most %d", r.f.Path(), name, t.Rows(), maxIDs)
	}
	return int(t.Rows())
}

// embedding reads the rows of the embedding and whether the output has its own.
func (h *Hyper) embedding(r *reader) {
	if r.err != nil {
		return
	}
	t := r.f.Tensor("token_embd.weight")
	if t == nil {
		r.err = fmt.Errorf("arch: %s: tensor %.80q is missing", r.f.Path(), "token_embd.weight")
		return
	}
	if t.Rows() > maxIDs {
		r.err = fmt.Errorf("arch: %s: tensor %.80q has %d rows, at most %d", r.f.Path(), t.Name, t.Rows(), maxIDs)
		return
	}
	h.Vocab = int(t.Rows())
	h.Tied = r.f.Tensor("output.weight") == nil
	if n := r.int(KeyVocab, h.Vocab, 1, maxIDs); r.err == nil && n != h.Vocab {
		r.fail(KeyVocab, "is %d, the embedding has %d rows", n, h.Vocab)
	}
}

// rope reads the rotation's constants.
func (r *reader) rope() Rope {
	const most = 1e6
	p := Rope{Scaling: scalingNone, Factor: 1}
	p.Theta = r.float(KeyTheta, 10000, 1e-3, 1e30)
	if s, ok := r.str(KeyScaling); ok {
		p.Scaling = s
	} else if _, ok := r.f.Get(Key(KeyScaleLinear, r.arch)); ok {
		p.Scaling, p.Factor = "linear", r.float(KeyScaleLinear, 1, 1/most, most)
	}
	switch p.Scaling {
	case scalingNone:
		return p
	case "linear", "yarn":
	default:
		r.fail(KeyScaling, "scaling %.80q is not supported, these are: none, linear, yarn", p.Scaling)
		return p
	}
	p.Factor = r.float(KeyFactor, p.Factor, 1/most, most)
	p.OrigContext = r.int(KeyOrigContext, 0, 0, math.MaxInt32)
	if p.Scaling == "yarn" {
		p.AttnFactor = r.float(KeyAttnFactor, 1, 0, most) * r.float(KeyYarnAttn, 1, 0, most)
		p.ExtFactor = r.float(KeyYarnExt, 1, 0, most)
		p.BetaFast = r.float(KeyYarnBetaFast, 32, 0, most)
		p.BetaSlow = r.float(KeyYarnBetaSlow, 1, 0, most)
		if p.OrigContext == 0 {
			r.fail(KeyOrigContext, "missing, yarn needs it")
		}
	}
	return p
}

// reader reads one architecture's keys; it keeps the first error.
type reader struct {
	f    *gguf.File
	arch string
	err  error
}

func (r *reader) fail(key, format string, args ...any) {
	if r.err == nil {
		r.err = r.f.Errorf(Key(key, r.arch), format, args...)
	}
}

// int reads an integer in [lo, hi], or an array of equal ones (one per layer);
// the default where the key is absent, if that is not negative.
func (r *reader) int(key string, def, lo, hi int) int {
	v, ok := r.f.Get(Key(key, r.arch))
	if !ok {
		if def < 0 {
			r.fail(key, "missing")
		}
		return def
	}
	n, ok := v.Uint()
	if ints, isArray := v.Ints(); isArray && len(ints) > 0 && ints[0] >= 0 {
		n, ok = uint64(ints[0]), true
		for _, x := range ints {
			if x != ints[0] {
				r.fail(key, "values that differ between layers are not supported")
				return def
			}
		}
	}
	if !ok || n < uint64(lo) || n > uint64(hi) {
		r.fail(key, "is %.200v, want an integer from %d to %d", v, lo, hi)
		return def
	}
	return int(n)
}

// float reads a finite number in [lo, hi]; the default where the key is
// absent, if that is a number.
func (r *reader) float(key string, def, lo, hi float64) float64 {
	v, ok := r.f.Get(Key(key, r.arch))
	if !ok {
		if math.IsNaN(def) {
			r.fail(key, "missing")
		}
		return def
	}
	x, ok := v.Float()
	if n, isInt := v.Int(); isInt {
		x, ok = float64(n), true
	}
	if !ok || !(x >= lo && x <= hi) {
		r.fail(key, "is %.200v, want a number from %g to %g", v, lo, hi)
		return def
	}
	return x
}

// bool reads a truth value; the default where the key is absent.
func (r *reader) bool(key string, def bool) bool {
	v, ok := r.f.Get(Key(key, r.arch))
	if !ok {
		return def
	}
	b, ok := v.Bool()
	if !ok {
		r.fail(key, "is %.200v, want true or false", v)
	}
	return b
}

// str reads a string; a key of another type is an error.
func (r *reader) str(key string) (string, bool) {
	v, ok := r.f.Get(Key(key, r.arch))
	if !ok {
		return "", false
	}
	s, ok := v.Str()
	if !ok {
		r.fail(key, "is %v, want a string", v.Type())
	}
	return s, ok
}
