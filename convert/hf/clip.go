package hf

import (
	"fmt"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// clip: a text and a vision tower in one folder, with the image processor's
// settings in preprocessor_config.json.
var clip = family{modelType: "clip", class: "CLIPModel", arch: "clip", encoder: true}

// clipFields reads config.json: m's own sizes are the text tower's.
func (m *Model) clipFields(f *fields) (text *fields) {
	m.Encoder = true
	text, vision := f.object("text_config"), f.object("vision_config")
	if *f.err == nil && (text == nil || vision == nil) {
		f.fail("text_config", "text_config and vision_config must both be there")
	}
	if *f.err != nil {
		return f
	}
	proj := int(f.int("projection_dim", 1, 1<<20, 512))
	m.Vocab = int(text.int("vocab_size", 1, 1<<24, 49408))
	m.Context = int(text.int("max_position_embeddings", 1, 1<<24, 77))
	t := tower{hidden: 512, ffn: 2048, heads: 8}.read(text)
	v := tower{hidden: 768, ffn: 3072, heads: 12}.read(vision)
	image := int(vision.int("image_size", 1, 1024, 224))
	patch := int(vision.int("patch_size", 1, 1024, 32))
	if n := vision.int("num_channels", 1, 64, 3); n != 3 {
		vision.fail("num_channels", "is %d, only 3 is supported", n)
	}
	switch {
	case *f.err != nil:
		return f
	case image%patch != 0:
		vision.fail("patch_size", "%d does not divide image_size %d", patch, image)
	case t.act != v.act:
		vision.fail("hidden_act", "%.40q is not the text tower's, %.40q", v.act, t.act)
	}
	m.Hidden, m.FFN, m.Layers, m.Heads, m.KVHeads, m.HeadDim = t.hidden, t.ffn, t.layers, t.heads, t.heads, t.hidden/t.heads
	m.Projection = proj
	n := image / patch
	m.Vision = &arch.Dims{Hidden: v.hidden, FFN: v.ffn, Layers: v.layers, Heads: v.heads, KVHeads: v.heads, HeadDim: v.hidden / v.heads,
		Positions: 1 + n*n, Projection: proj, Patch: patch}
	m.image = image
	m.add(arch.KeyHasText, gguf.Bool(true))
	m.add(arch.KeyHasVision, gguf.Bool(true))
	m.add(arch.KeyUseGELU, gguf.Bool(t.act == "gelu"))
	t.keys(m, arch.TextTower, proj)
	m.add(arch.Key(arch.KeyContext, arch.TextTower), gguf.Uint32(uint32(m.Context)))
	m.add(arch.Key(arch.KeyVocab, arch.TextTower), gguf.Uint32(uint32(m.Vocab)))
	v.keys(m, arch.VisionTower, proj)
	m.add(arch.KeyImageSize, gguf.Uint32(uint32(image)))
	m.add(arch.KeyPatchSize, gguf.Uint32(uint32(patch)))
	if text.int("eos_token_id", 0, 1<<24, 2) == 2 {
		// OpenAI's folders say 2, and transformers then takes the highest id for the end.
		text.m["eos_token_id"] = fmt.Append(nil, m.Vocab-1)
	}
	return text
}

// tower is the sizes that both towers have; its values before read are the
// configuration class's defaults.
type tower struct {
	hidden, ffn, layers, heads int
	eps                        float64
	act                        string
}

func (t tower) read(f *fields) tower {
	t.hidden = int(f.int("hidden_size", 1, 1<<20, int64(t.hidden)))
	t.ffn = int(f.int("intermediate_size", 1, 1<<22, int64(t.ffn)))
	t.layers = int(f.int("num_hidden_layers", 1, 4096, 12))
	t.heads = int(f.int("num_attention_heads", 1, 1<<14, int64(t.heads)))
	t.eps = f.float("layer_norm_eps", 1e-37, 1, 1e-5)
	t.act = f.str("hidden_act", "quick_gelu")
	switch {
	case *f.err != nil:
	case t.hidden%t.heads != 0 || t.hidden/t.heads%2 != 0:
		f.fail("num_attention_heads", "%d heads over a width of %d: want heads of an even width", t.heads, t.hidden)
	case t.act != "quick_gelu" && t.act != "gelu":
		f.fail("hidden_act", "%.40q is not supported, only gelu and quick_gelu", t.act)
	}
	return t
}

func (t tower) keys(m *Model, name string, proj int) {
	add := func(key string, v gguf.Value) { m.add(arch.Key(key, name), v) }
	add(arch.KeyHidden, gguf.Uint32(uint32(t.hidden)))
	add(arch.KeyFFN, gguf.Uint32(uint32(t.ffn)))
	add(arch.KeyLayers, gguf.Uint32(uint32(t.layers)))
	add(arch.KeyHeads, gguf.Uint32(uint32(t.heads)))
	add(arch.KeyNormEps, gguf.Float32(float32(t.eps)))
	add(arch.KeyProjection, gguf.Uint32(uint32(proj)))
}

// Of CLIP's image processor, where the folder has no preprocessor_config.json.
var (
	clipMean = []float32{0.48145466, 0.4578275, 0.40821073}
	clipStd  = []float32{0.26862954, 0.26130258, 0.27577711}
)

// images adds the keys of preprocessor_config.json.
func (m *Model) images(dir string) error {
	b, err := optional(dir, "preprocessor_config.json")
	if err != nil {
		return err
	}
	if b == nil {
		m.Warnings = append(m.Warnings, "no preprocessor_config.json: images are scaled and normalised as OpenAI's CLIP does it")
		b = []byte("{}")
	}
	f, err := parseFields("preprocessor_config.json", b)
	if err != nil {
		return err
	}
	for _, step := range []string{"do_resize", "do_center_crop", "do_rescale", "do_normalize"} {
		if !f.bool(step, true) {
			f.fail(step, "is false, which is not supported")
		}
	}
	if r := f.int("resample", 0, 10, 3); r != 3 {
		f.fail("resample", "is %d, only 3 (bicubic) is supported", r)
	}
	short := f.edge("size", "shortest_edge", m.image)
	if crop := f.edge("crop_size", "height", m.image); crop != m.image {
		f.fail("crop_size", "is %d, the vision tower takes %d", crop, m.image)
	} else if short < crop {
		f.fail("size", "is %d, less than crop_size %d", short, crop)
	}
	const unit = 1.0 / 255
	scale := f.float("rescale_factor", 1e-9, 1e9, unit)
	mean, std := f.triple("image_mean", clipMean), f.triple("image_std", clipStd)
	for _, s := range std {
		if !(s > 0) {
			f.fail("image_std", "%v must be positive", std)
		}
	}
	m.add(arch.KeyImageMean, gguf.Float32s(mean))
	m.add(arch.KeyImageStd, gguf.Float32s(std))
	if short != m.image {
		m.add(arch.KeyImageEdge, gguf.Uint32(uint32(short)))
	}
	if scale != unit {
		m.add(arch.KeyImageScale, gguf.Float64(scale))
	}
	return *f.err
}

// edge reads a length in pixels: a number, or an object's member name, to which a
// width must be equal.
func (f *fields) edge(key, name string, def int) int {
	if !f.has(key) {
		return def
	}
	if f.m[key][0] != '{' {
		return int(f.int(key, 1, 4096, int64(def)))
	}
	o := f.object(key)
	if o == nil {
		return def
	}
	n := o.int(name, 1, 4096, -1)
	if w := o.int("width", 1, 4096, n); w != n {
		o.fail("width", "is %d, the height %d: only squares are supported", w, n)
	}
	return int(n)
}

// triple reads three numbers.
func (f *fields) triple(key string, def []float32) []float32 {
	v := get(f, key, "list of 3 numbers", def)
	if len(v) != 3 {
		f.fail(key, "has %d numbers, want 3", len(v))
		return def
	}
	return v
}
