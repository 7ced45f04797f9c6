// Package hf turns the configuration of a Hugging Face folder (config.json,
// generation_config.json) into GGUF metadata. One file per family; what a
// family does not know is an error that names the file and the field, never a
// silent default.
//
//	m, err := hf.Load(dir)
//	… m.Arch, m.KVs, m.Dims, m.Tied, m.RopeFreqs
//
// Besides the architecture's keys it writes general.sampling.{temp,top_k,top_p,
// min_p,penalty_repeat} from generation_config.json (float32, top_k int32). The
// ids that end a text are the tokenizer's keys; EOSIDs is for those.
package hf

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// maxConfig bounds the JSON files that are read whole.
const maxConfig = 4 << 20

// Model is what a folder's configuration says about its weights.
type Model struct {
	Arch      string    // GGUF architecture: "llama", "qwen2", …
	KVs       []gguf.KV // architecture and generation keys; not general.* of the file, not tokenizer.*
	Hidden    int
	FFN       int
	Heads     int
	KVHeads   int
	HeadDim   int
	Vocab     int // rows of the embedding
	Layers    int
	Context   int       // trained length in tokens
	Tied      bool      // the output matrix is the embedding
	AttnBias  Bias      // of q, k, v
	OutBias   Bias      // of the attention output
	MLPBias   Bias      // of gate, up and down
	RopeFreqs []float32 // [HeadDim/2] divisors of the RoPE frequencies, nil = none
	BOS, EOS  int32     // of config.json, -1 = none
	EOSIDs    []int32   // all that end a text, of both files, ascending
	Warnings  []string

	Experts     int // of a layer; 0 for a dense model
	ExpertsUsed int // of a token
	ExpertFFN   int // width inside an expert
	SharedFFN   int // width inside the expert of every token, 0 = none

	Encoder  bool // every position sees all others
	Segments int  // kinds of segments of an encoder
	Labels   int  // of its classifier, if it has one

	Projection int        // width of what the towers of CLIP share
	Vision     *arch.Dims // its other tower
	image      int        // edge of its images
}

// Dims is the sizes for arch's tables.
func (m *Model) Dims() arch.Dims {
	d := arch.Dims{
		Hidden: m.Hidden, FFN: m.FFN, Heads: m.Heads, KVHeads: m.KVHeads, HeadDim: m.HeadDim, Vocab: m.Vocab, Layers: m.Layers,
		Experts: m.Experts, ExpertFFN: m.ExpertFFN, SharedFFN: m.SharedFFN,
		Segments: m.Segments, Labels: m.Labels, Projection: m.Projection, Vision: m.Vision,
	}
	if m.Encoder {
		d.Positions = m.Context
	}
	return d
}

// Bias says whether a family's projections have a bias.
type Bias uint8

// No bias, or one that must be there.
const (
	NoBias Bias = iota
	WithBias
)

// family is one model_type: its GGUF architecture, the defaults of its
// configuration class, and what it adds to the fields all dense decoders share.
type family struct {
	modelType string
	class     string   // of architectures, "LlamaForCausalLM"
	classes   []string // more of them
	encoder   bool
	arch      string
	headDim   int      // where head_dim is missing; 0 = hidden_size / num_attention_heads
	kvHeads   int      // where num_key_value_heads is missing (null: as many as heads); 0 = as many as heads
	context   int      // where max_position_embeddings is missing
	ropes     []string // scaling types besides none
	read      func(f *fields, m *Model)
}

// families is the registry: one line per file of this package.
var families = []family{bert, clip, llama, mistral, mixtral, qwen2, qwen2moe, qwen3, qwen3moe}

// Supported lists the model types, for messages.
func Supported() []string {
	var s []string
	for _, f := range families {
		s = append(s, f.modelType)
	}
	return s
}

// Load reads config.json and, if it is there, generation_config.json in dir.
func Load(dir string) (*Model, error) {
	b, err := checkpoint.ReadSmall(filepath.Join(dir, "config.json"), maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("hf: %s: no config.json beside the weights: %w", dir, fs.ErrNotExist)
	} else if err != nil {
		return nil, fmt.Errorf("hf: %w", err)
	}
	g, err := checkpoint.ReadSmall(filepath.Join(dir, "generation_config.json"), maxConfig)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("hf: %w", err)
	}
	m, err := Parse(b, g)
	switch {
	case err != nil:
	case m.Vision != nil:
		err = m.images(dir)
	case m.Encoder:
		err = m.sentence(dir)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Parse is Load on the files' contents; generation may be nil.
func Parse(config, generation []byte) (*Model, error) {
	f, err := parseFields("config.json", config)
	if err != nil {
		return nil, err
	}
	fam := pick(f)
	if *f.err != nil {
		return nil, *f.err
	}
	m := &Model{Arch: fam.arch}
	ids := f // whose ids begin and end a text
	switch {
	case fam.arch == clip.arch:
		ids = m.clipFields(f)
	case fam.encoder:
		m.encoderFields(f)
	default:
		m.dense(f, fam)
	}
	if *f.err != nil {
		return nil, *f.err
	}
	eos := ids.ids("eos_token_id", int64(m.Vocab))
	m.BOS, m.EOS = first(ids.ids("bos_token_id", int64(m.Vocab))), first(eos)
	if *f.err != nil {
		return nil, *f.err
	}
	if generation != nil {
		g, err := parseFields("generation_config.json", generation)
		if err != nil {
			return nil, err
		}
		eos = append(g.ids("eos_token_id", int64(m.Vocab)), eos...)
		m.sampling(g)
		if *g.err != nil {
			return nil, *g.err
		}
	}
	slices.Sort(eos)
	m.EOSIDs = slices.Compact(eos)
	return m, nil
}

func first(ids []int32) int32 {
	if len(ids) == 0 {
		return -1
	}
	return ids[0]
}

// key adds one of arch's keys.
func (m *Model) key(key string, v gguf.Value) { m.add(arch.Key(key, m.Arch), v) }

func (m *Model) add(key string, v gguf.Value) { m.KVs = append(m.KVs, gguf.KV{Key: key, Value: v}) }

// pick finds the family and refuses what this package cannot convert.
func pick(f *fields) family {
	typ := f.str("model_type", "")
	var fam family
	for _, x := range families {
		if x.modelType == typ {
			fam = x
		}
	}
	switch {
	case *f.err != nil:
	case typ == "":
		f.fail("model_type", "is missing")
	case fam.arch == "":
		f.fail("model_type", "%.60q is not supported (supported: %s)", typ, strings.Join(Supported(), ", "))
	}
	if classes := get(f, "architectures", "list of names", []string(nil)); len(classes) > 0 && !slices.Contains(append(fam.classes, fam.class), classes[0]) {
		f.fail("architectures", "%.60q is not supported for %s, only %s", classes[0], typ, fam.class)
	}
	if q := f.object("quantization_config"); q != nil {
		method := q.str("quant_method", q.str("quant_type", "unnamed"))
		f.fail("quantization_config", "the weights are quantized already, method %.40q; convert the original checkpoint", method)
	}
	return fam
}

// sampling stores the defaults of generation_config.json.
func (m *Model) sampling(g *fields) {
	f32 := func(key, field string, lo, hi float64) {
		if g.has(field) {
			m.add(key, gguf.Float32(float32(g.float(field, lo, hi, 0))))
		}
	}
	f32("general.sampling.temp", "temperature", 0, 100)
	if g.has("top_k") {
		m.add("general.sampling.top_k", gguf.Int32(int32(g.int("top_k", 0, 1<<30, 0))))
	}
	f32("general.sampling.top_p", "top_p", 0, 1)
	f32("general.sampling.min_p", "min_p", 0, 1)
	f32("general.sampling.penalty_repeat", "repetition_penalty", 1e-3, 100)
}
