package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// bert: an encoder, bare or with any of the heads of BertForPreTraining and
// BertForSequenceClassification. The output matrix of the masked-token head is
// the embedding.
var bert = family{
	modelType: "bert", class: "BertModel", arch: "bert", encoder: true,
	classes: []string{"BertForMaskedLM", "BertForPreTraining", "BertForNextSentencePrediction", "BertForSequenceClassification"},
}

// acts are the names of activation functions in configurations.
var acts = map[string]string{"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu", "quick_gelu": "quick_gelu"}

// encoderFields reads the fields that all encoders share and adds their keys.
func (m *Model) encoderFields(f *fields) {
	m.Encoder = true
	m.Hidden = int(f.int("hidden_size", 1, 1<<20, 768))
	m.FFN = int(f.int("intermediate_size", 1, 1<<22, 3072))
	m.Layers = int(f.int("num_hidden_layers", 1, 4096, 12))
	m.Heads = int(f.int("num_attention_heads", 1, 1<<14, 12))
	m.KVHeads = m.Heads
	m.Vocab = int(f.int("vocab_size", 1, 1<<24, 30522))
	m.Context = int(f.int("max_position_embeddings", 1, 1<<24, 512))
	m.Segments = int(f.int("type_vocab_size", 1, 1<<10, 2))
	eps := f.float("layer_norm_eps", 1e-37, 1, 1e-12)
	act := f.str("hidden_act", "gelu")
	m.Tied = f.bool("tie_word_embeddings", true)
	labels := get(f, "id2label", "object of names", map[string]string{"0": "", "1": ""})
	m.Labels = max(len(labels), 1)
	if *f.err != nil {
		return
	}
	switch {
	case m.Hidden%m.Heads != 0:
		f.fail("hidden_size", "%d is no multiple of num_attention_heads %d", m.Hidden, m.Heads)
	case m.Hidden/m.Heads%2 != 0:
		f.fail("num_attention_heads", "%d heads of %d are odd", m.Heads, m.Hidden/m.Heads)
	case acts[act] == "":
		f.fail("hidden_act", "%.40q is not supported, only gelu, gelu_new, relu and quick_gelu", act)
	case f.str("position_embedding_type", "absolute") != "absolute":
		f.fail("position_embedding_type", "only absolute is supported")
	case f.bool("is_decoder", false):
		f.fail("is_decoder", "is true, only encoders are supported")
	case !m.Tied:
		f.fail("tie_word_embeddings", "is false, the masked-token head is only supported with the embedding as its output")
	}
	m.HeadDim = m.Hidden / m.Heads
	m.key(arch.KeyContext, gguf.Uint32(uint32(m.Context)))
	m.key(arch.KeyHidden, gguf.Uint32(uint32(m.Hidden)))
	m.key(arch.KeyLayers, gguf.Uint32(uint32(m.Layers)))
	m.key(arch.KeyFFN, gguf.Uint32(uint32(m.FFN)))
	m.key(arch.KeyHeads, gguf.Uint32(uint32(m.Heads)))
	m.key(arch.KeyNormEps, gguf.Float32(float32(eps)))
	m.key(arch.KeyCausal, gguf.Bool(false))
	m.key(arch.KeyVocab, gguf.Uint32(uint32(m.Vocab)))
	m.add("tokenizer.ggml.token_type_count", gguf.Uint32(uint32(m.Segments)))
	if act := acts[act]; act != "gelu" {
		m.key(arch.KeyAct, gguf.String(act))
	}
}

// sentence reads what sentence-transformers keeps beside an encoder: how the
// states of a text become one vector, and how long a text may be.
func (m *Model) sentence(dir string) error {
	b, err := optional(dir, "modules.json")
	if b == nil {
		return err
	}
	var modules []struct{ Path, Type string }
	if err := json.Unmarshal(b, &modules); err != nil {
		return &FieldError{File: "modules.json", Err: err}
	}
	for _, x := range modules {
		switch kind := filepath.Ext(x.Type); kind {
		case ".Transformer":
		case ".Pooling":
			if err := m.pooling(dir, x.Path); err != nil {
				return err
			}
		case ".Normalize":
			m.key(arch.KeyNormalize, gguf.Bool(true))
		default:
			return &FieldError{File: "modules.json", Field: "type", Err: fmt.Errorf("%.60q is not supported, only Transformer, Pooling and Normalize", x.Type)}
		}
	}
	if b, err = optional(dir, "sentence_bert_config.json"); b == nil {
		return err
	}
	f, err := parseFields("sentence_bert_config.json", b)
	if err != nil {
		return err
	}
	if f.has("max_seq_length") {
		m.add(arch.KeyEmbedContext, gguf.Uint32(uint32(f.int("max_seq_length", 1, int64(m.Context), int64(m.Context)))))
	}
	return *f.err
}

func (m *Model) pooling(dir, path string) error {
	if !filepath.IsLocal(path) {
		return &FieldError{File: "modules.json", Field: "path", Err: fmt.Errorf("%.60q leaves the folder", path)}
	}
	name := filepath.Join(path, "config.json")
	b, err := optional(dir, name)
	if err != nil {
		return err
	}
	f, err := parseFields(name, b)
	if err != nil {
		return err
	}
	mean, first := f.bool("pooling_mode_mean_tokens", false), f.bool("pooling_mode_cls_token", false)
	if mean == first {
		f.fail("pooling_mode_mean_tokens", "exactly one of pooling_mode_mean_tokens and pooling_mode_cls_token must be true")
	}
	pool := arch.FirstPooling
	if mean {
		pool = arch.MeanPooling
	}
	m.key(arch.KeyPooling, gguf.Uint32(uint32(pool)))
	return *f.err
}

// optional reads a file of the folder, nil if it is not there.
func optional(dir, name string) ([]byte, error) {
	b, err := checkpoint.ReadSmall(filepath.Join(dir, name), maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("hf: %w", err)
	}
	return b, nil
}
