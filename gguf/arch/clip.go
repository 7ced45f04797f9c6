package arch

import (
	"slices"

	"github.com/qwq-edge/qwq/gguf"
)

// Keys of a CLIP file, where llama.cpp and clip.cpp have names for it; %s of the
// keys that both towers have is clip.text and clip.vision.
const (
	keyTextTower   = "clip.text"
	keyVisionTower = "clip.vision"
	KeyHasText     = "clip.has_text_encoder"    // bool
	KeyHasVision   = "clip.has_vision_encoder"  // bool
	KeyUseGELU     = "clip.use_gelu"            // bool, else the activation is quick_gelu
	KeyProjection  = "%s.projection_dim"        // uint32, width of an embedding
	KeyImageSize   = "clip.vision.image_size"   // uint32, edge of the square that is cut out, in pixels
	KeyPatchSize   = "clip.vision.patch_size"   // uint32, divides the image size
	KeyImageMean   = "clip.vision.image_mean"   // 3 float32
	KeyImageStd    = "clip.vision.image_std"    // 3 float32
	KeyImageEdge   = "qwq.vision.shortest_edge" // uint32, after the resize, default: the image size
	KeyImageScale  = "qwq.vision.rescale"       // float64, factor of a pixel, default 1/255
	keyEOS         = "tokenizer.ggml.eos_token_id"
	maxEdge        = 1024 // of an image: memory that a small file could ask for
)

// TextTower and VisionTower are what %s stands for in the keys of a CLIP file.
const (
	TextTower   = keyTextTower
	VisionTower = keyVisionTower
)

// clip is CLIP: a causal text tower and a vision transformer, both pre-norm, whose
// pooled states are projected into one space. The names are llama.cpp's (vision)
// and clip.cpp's. The patch embedding has four axes there; its rows are read as
// one matrix of hidden rows.
var clip = Arch{
	Name: "clip", HFTypes: []string{"clip"}, Encoder: true,
	Tensors: slices.Concat(
		[]Tensor{
			{GGUF: "t.token_embd.weight", HF: "text_model.embeddings.token_embedding.weight", Axes: []Axis{Vocab, Hidden}},
			{GGUF: "t.position_embd.weight", HF: "text_model.embeddings.position_embedding.weight", Axes: []Axis{Positions, Hidden}},
		},
		towerLayers("t", "text_model"),
		vectors("t.post_ln", "text_model.final_layer_norm"),
		[]Tensor{{GGUF: "text_projection.weight", HF: "text_projection.weight", Axes: []Axis{Projection, Hidden}}},
		vision(slices.Concat(
			[]Tensor{
				{GGUF: "v.class_embd", HF: "vision_model.embeddings.class_embedding", Axes: []Axis{Hidden}, Vector: true},
				{GGUF: "v.patch_embd.weight", HF: "vision_model.embeddings.patch_embedding.weight", Axes: []Axis{Hidden, Channels, Patch, Patch}},
				{GGUF: "v.position_embd.weight", HF: "vision_model.embeddings.position_embedding.weight", Axes: []Axis{Positions, Hidden}},
			},
			vectors("v.pre_ln", "vision_model.pre_layrnorm"), // the checkpoints' own spelling
			towerLayers("v", "vision_model"),
			vectors("v.post_ln", "vision_model.post_layernorm"),
			[]Tensor{{GGUF: "visual_projection.weight", HF: "visual_projection.weight", Axes: []Axis{Projection, Hidden}}},
		)),
		[]Tensor{{GGUF: "logit_scale", HF: "logit_scale", Axes: []Axis{One}, Vector: true}}, // its logarithm
	),
}

// towerLayers is a tower's block.
func towerLayers(gguf, hf string) []Tensor {
	out := slices.Concat(
		vectors("ln1", "layer_norm1"),
		affine("attn_q", "self_attn.q_proj", QHeads, Hidden),
		affine("attn_k", "self_attn.k_proj", QHeads, Hidden),
		affine("attn_v", "self_attn.v_proj", QHeads, Hidden),
		affine("attn_out", "self_attn.out_proj", Hidden, QHeads),
		vectors("ln2", "layer_norm2"),
		affine("ffn_up", "mlp.fc1", FFN, Hidden),
		affine("ffn_down", "mlp.fc2", Hidden, FFN),
	)
	for i := range out {
		t := &out[i]
		t.GGUF, t.HF, t.PerLayer = gguf+".blk.%d."+t.GGUF, hf+".encoder.layers.%d."+t.HF, true
	}
	return out
}

func vision(tensors []Tensor) []Tensor {
	for i := range tensors {
		tensors[i].Vision = true
	}
	return tensors
}

// readCLIP reads both towers: h is the text tower, h.Vision the other one.
func (h *Hyper) readCLIP(f *gguf.File) error {
	for _, key := range []string{KeyHasText, KeyHasVision} {
		if has, ok := f.Bool(key); !ok || !has {
			return f.Errorf(key, "is not true: only files with both towers are supported")
		}
	}
	act := "quick_gelu"
	if gelu, _ := f.Bool(KeyUseGELU); gelu {
		act = "gelu"
	}
	t := &reader{f: f, arch: keyTextTower}
	h.tower(t, act)
	h.Causal = true
	h.Context = t.int(KeyContext, -1, 1, maxIDs)
	if h.Vocab = t.rows("t.token_embd.weight"); h.Vocab == 0 {
		t.fail(KeyVocab, "unknown: tensor \"t.token_embd.weight\" is missing")
	}
	h.EOS = -1
	if id, ok := f.Uint(keyEOS); ok && id < uint64(h.Vocab) {
		h.EOS = int(id)
	}
	if t.err != nil {
		return t.err
	}
	r := &reader{f: f, arch: keyVisionTower}
	v := &Hyper{Arch: h.Arch}
	v.tower(r, act)
	v.Image = r.int(KeyImageSize, -1, 1, maxEdge)
	v.Patch = r.int(KeyPatchSize, -1, 1, maxEdge)
	switch {
	case r.err != nil:
		return r.err
	case v.Image%v.Patch != 0:
		r.fail(KeyPatchSize, "is %d, which does not divide the image size %d", v.Patch, v.Image)
	case v.Projection != h.Projection:
		r.fail(KeyProjection, "is %d, the text tower's %d", v.Projection, h.Projection)
	}
	v.Context = 1 + (v.Image/v.Patch)*(v.Image/v.Patch)
	h.Vision = v
	return r.err
}

// tower reads the sizes that both have.
func (h *Hyper) tower(r *reader, act string) {
	h.Layers = r.int(KeyLayers, -1, 1, len(r.f.Tensors()))
	h.Hidden = r.int(KeyHidden, -1, 1, maxWidth)
	h.FFN = r.int(KeyFFN, -1, 1, maxWidth)
	h.Heads = r.int(KeyHeads, -1, 1, maxWidth)
	h.Projection = r.int(KeyProjection, -1, 1, maxWidth)
	h.Eps = float32(r.float(KeyNormEps, 1e-5, 0, 1))
	h.KVHeads, h.Act = h.Heads, act
	if r.err == nil && (h.Hidden%h.Heads != 0 || h.Hidden/h.Heads%2 != 0) {
		r.fail(KeyHeads, "%d heads over a width of %d: want heads of an even width", h.Heads, h.Hidden)
	}
	if r.err == nil {
		h.HeadDim = h.Hidden / h.Heads
	}
}
