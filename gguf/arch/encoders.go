package arch

import "slices"

// bert is BERT and what is built like it: token, position and segment embeddings
// under a norm, then post-norm blocks that see all positions. llama.cpp reads
// the same names, but none of the masked-token head's and the next-sentence
// head's; cls is what it calls the pooler, cls.output a classifier over it.
var bert = Arch{
	Name: "bert", HFTypes: []string{"bert"}, HFPrefix: "bert.", Encoder: true,
	Tensors: slices.Concat(
		[]Tensor{
			{GGUF: "token_embd.weight", HF: "embeddings.word_embeddings.weight", Axes: []Axis{Vocab, Hidden}},
			{GGUF: "position_embd.weight", HF: "embeddings.position_embeddings.weight", Axes: []Axis{Positions, Hidden}},
			{GGUF: "token_types.weight", HF: "embeddings.token_type_embeddings.weight", Axes: []Axis{Segments, Hidden}},
		},
		vectors("token_embd_norm", "embeddings.LayerNorm"),
		layers("encoder.layer.%d.",
			affine("attn_q", "attention.self.query", QHeads, Hidden),
			affine("attn_k", "attention.self.key", QHeads, Hidden),
			affine("attn_v", "attention.self.value", QHeads, Hidden),
			affine("attn_output", "attention.output.dense", Hidden, QHeads),
			vectors("attn_output_norm", "attention.output.LayerNorm"),
			affine("ffn_up", "intermediate.dense", FFN, Hidden),
			affine("ffn_down", "output.dense", Hidden, FFN),
			vectors("layer_output_norm", "output.LayerNorm"),
		),
		head(affine("cls", "pooler.dense", Hidden, Hidden)),
		head(affine("cls.output", "classifier", Labels, Hidden)),
		head(affine("mlm.dense", "cls.predictions.transform.dense", Hidden, Hidden)),
		head(vectors("mlm.norm", "cls.predictions.transform.LayerNorm")),
		[]Tensor{{GGUF: "mlm.bias", HF: "cls.predictions.bias", Axes: []Axis{Vocab}, Vector: true, Optional: true}},
		head(affine("nsp", "cls.seq_relationship", Two, Hidden)),
	),
}

// affine is a matrix and its bias.
func affine(gguf, hf string, rows, cols Axis) []Tensor {
	return []Tensor{
		{GGUF: gguf + ".weight", HF: hf + ".weight", Axes: []Axis{rows, cols}},
		{GGUF: gguf + ".bias", HF: hf + ".bias", Axes: []Axis{rows}, Vector: true},
	}
}

// vectors is a norm's weight and bias.
func vectors(gguf, hf string) []Tensor {
	return []Tensor{
		{GGUF: gguf + ".weight", HF: hf + ".weight", Axes: []Axis{Hidden}, Vector: true},
		{GGUF: gguf + ".bias", HF: hf + ".bias", Axes: []Axis{Hidden}, Vector: true},
	}
}

// layers puts the tensors of a block into every one; at is how a checkpoint's
// names of a layer begin. An empty name there stays empty.
func layers(at string, parts ...[]Tensor) []Tensor {
	out := slices.Concat(parts...)
	for i := range out {
		t := &out[i]
		t.GGUF, t.PerLayer = "blk.%d."+t.GGUF, true
		if t.HF != "" {
			t.HF = at + t.HF
		}
	}
	return out
}

// head marks tensors that a model has all or none of.
func head(tensors []Tensor) []Tensor {
	for i := range tensors {
		tensors[i].Optional = true
	}
	return tensors
}
