package hf

import (
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// dense reads the fields that all dense decoders share and adds their keys, as
// llama.cpp names them.
func (m *Model) dense(f *fields, fam family) {
	m.Hidden = int(f.int("hidden_size", 1, 1<<20, -1))
	m.FFN = int(f.int("intermediate_size", 1, 1<<22, -1))
	m.Layers = int(f.int("num_hidden_layers", 1, 4096, -1))
	m.Heads = int(f.int("num_attention_heads", 1, 1<<14, -1))
	m.KVHeads = m.Heads
	if fam.kvHeads != 0 && !f.null("num_key_value_heads") {
		m.KVHeads = fam.kvHeads
	}
	m.KVHeads = int(f.int("num_key_value_heads", 1, 1<<14, int64(m.KVHeads)))
	m.Vocab = int(f.int("vocab_size", 1, 1<<24, -1))
	context := f.int("max_position_embeddings", 1, 1<<30, int64(fam.context))
	m.Context = int(context)
	eps := f.float("rms_norm_eps", 1e-37, 1, 1e-6) // a float32 above 0
	m.HeadDim = int(f.int("head_dim", 1, 1<<14, int64(fam.headDim)))
	if *f.err != nil {
		return
	}
	if m.HeadDim == 0 {
		if m.Hidden%m.Heads != 0 {
			f.fail("hidden_size", "%d is no multiple of num_attention_heads %d", m.Hidden, m.Heads)
			return
		}
		m.HeadDim = m.Hidden / m.Heads
	}
	if m.HeadDim%2 != 0 {
		f.fail("head_dim", "%d is odd", m.HeadDim)
	}
	if m.Heads%m.KVHeads != 0 {
		how := ""
		if !f.has("num_key_value_heads") {
			how = ", the default of " + fam.modelType + ","
		}
		f.fail("num_key_value_heads", "%d%s does not divide num_attention_heads %d", m.KVHeads, how, m.Heads)
	}
	if act := f.str("hidden_act", "silu"); act != "silu" && act != "swish" {
		f.fail("hidden_act", "%.40q is not supported, only silu", act)
	}
	if p := f.float("partial_rotary_factor", 0, 1, 1); p != 1 {
		f.fail("partial_rotary_factor", "%g is not supported, only 1", p)
	}
	m.Tied = f.bool("tie_word_embeddings", false)

	m.key(arch.KeyContext, gguf.Uint32(uint32(context)))
	m.key(arch.KeyHidden, gguf.Uint32(uint32(m.Hidden)))
	m.key(arch.KeyLayers, gguf.Uint32(uint32(m.Layers)))
	m.key(arch.KeyFFN, gguf.Uint32(uint32(m.FFN)))
	m.key(arch.KeyHeads, gguf.Uint32(uint32(m.Heads)))
	m.key(arch.KeyKVHeads, gguf.Uint32(uint32(m.KVHeads)))
	m.key(arch.KeyEps, gguf.Float32(float32(eps)))
	m.key(arch.KeyHeadDim, gguf.Uint32(uint32(m.HeadDim)))
	m.key(arch.KeyValueDim, gguf.Uint32(uint32(m.HeadDim)))
	m.key(arch.KeyVocab, gguf.Uint32(uint32(m.Vocab)))
	m.rope(f, fam, context)
	fam.read(f, m)
}

// window reads a sliding window that all layers share and adds its key. null
// is none, missing is the default of every family's configuration class.
func (m *Model) window(f *fields) {
	if f.null("sliding_window") {
		return
	}
	const missing = 4096
	m.key(arch.KeyWindow, gguf.Uint32(uint32(f.int("sliding_window", 1, 1<<30, missing))))
}

// windowFrom reads Qwen's sliding window: with use_sliding_window, the layers
// from max_window_layers on have it. Some layers with and some without is not
// something one key can say.
func (m *Model) windowFrom(f *fields) {
	use := f.bool("use_sliding_window", false) && !f.null("sliding_window")
	from := f.int("max_window_layers", 0, 1<<20, 28)
	slides := 0
	if use {
		slides = max(0, m.Layers-int(from))
	}
	if types := get(f, "layer_types", "list of names", []string(nil)); types != nil {
		if len(types) != m.Layers {
			f.fail("layer_types", "%d entries for %d layers", len(types), m.Layers)
			return
		}
		slides = 0
		for _, t := range types {
			switch t {
			case "full_attention":
			case "sliding_attention":
				slides++
			default:
				f.fail("layer_types", "%.40q is not supported", t)
				return
			}
		}
	}
	switch slides {
	case 0:
	case m.Layers:
		if f.null("sliding_window") {
			f.fail("sliding_window", "is null, layer_types wants it")
			return
		}
		m.window(f)
	default:
		f.fail("layer_types", "%d of %d layers with a sliding window are not supported, only all or none", slides, m.Layers)
	}
}
