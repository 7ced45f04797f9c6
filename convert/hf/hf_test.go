package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
)

// base is a config that every family accepts, with changes; nil deletes.
func base(modelType string, change map[string]any) []byte {
	class := map[string]string{"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}[modelType]
	c := map[string]any{
		"model_type": modelType, "architectures": []string{class}, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4,
		"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1000, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6,
		"hidden_act": "silu", "rope_theta": 500000.0, "rope_scaling": nil, "eos_token_id": 7, "torch_dtype": "bfloat16",
	}
	for k, v := range change {
		c[k] = v
		if v == nil {
			delete(c, k)
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return b
}

// text lists the keys and values of a model, for comparisons.
func text(m *Model) map[string]string {
	out := map[string]string{}
	for _, kv := range m.KVs {
		out[kv.Key] = strings.Trim(kv.Value.String(), `"`)
	}
	return out
}

type o = map[string]any

// null is a field that is there and null; nil in a change deletes it.
var null = json.RawMessage("null")

func TestFamilies(t *testing.T) {
	f32 := func(v float32) string { return gguf.Float32(v).String() }
	for _, c := range []struct {
		name, typ string
		change    o
		want      map[string]string // "" = must be absent
		check     func(m *Model) bool
	}{
		{"llama", "llama", nil, map[string]string{"llama.rope.freq_base": f32(500000), "llama.attention.key_length": "32", "llama.rope.scaling.type": "", "llama.context_length": "4096"},
			func(m *Model) bool { return m.Arch == "llama" && m.AttnBias == NoBias && !m.Tied && m.EOS == 7 }},
		{"no head_dim to divide, MQA", "llama", o{"head_dim": 24, "num_key_value_heads": 1}, map[string]string{"llama.attention.key_length": "24", "llama.rope.dimension_count": "24", "llama.attention.head_count_kv": "1"}, nil},
		{"no kv heads means MHA", "llama", o{"num_key_value_heads": nil}, map[string]string{"llama.attention.head_count_kv": "4"}, nil},
		{"biases", "llama", o{"attention_bias": true, "mlp_bias": true}, nil,
			func(m *Model) bool { return m.AttnBias == WithBias && m.OutBias == WithBias && m.MLPBias == WithBias }},
		{"linear, old spelling", "llama", o{"rope_scaling": o{"type": "linear", "factor": 4}}, map[string]string{"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": f32(4)}, nil},
		{"rope_parameters", "llama", o{"rope_theta": nil, "rope_parameters": o{"rope_theta": 1e6, "rope_type": "linear", "factor": 2}}, map[string]string{"llama.rope.freq_base": f32(1e6), "llama.rope.scaling.factor": f32(2)}, nil},
		{"rope_parameters default", "qwen3", o{"rope_theta": nil, "rope_parameters": o{"rope_theta": 1e6, "rope_type": "default"}}, map[string]string{"qwen3.rope.freq_base": f32(1e6), "qwen3.rope.scaling.type": ""}, nil},
		{"mistral", "mistral", o{"sliding_window": 2048}, map[string]string{"llama.attention.sliding_window": "2048"}, func(m *Model) bool { return m.Arch == "llama" }},
		{"mistral without window", "mistral", o{"sliding_window": null}, map[string]string{"llama.attention.sliding_window": ""}, nil},
		// what the configuration classes set where a key is missing
		{"llama defaults", "llama", o{"num_key_value_heads": nil, "max_position_embeddings": nil, "rms_norm_eps": nil, "rope_theta": nil, "hidden_act": nil},
			map[string]string{"llama.attention.head_count_kv": "4", "llama.context_length": "2048", "llama.attention.layer_norm_rms_epsilon": f32(1e-6), "llama.rope.freq_base": f32(10000), "llama.attention.sliding_window": ""},
			func(m *Model) bool { return !m.Tied }},
		{"mistral defaults", "mistral", o{"num_attention_heads": 16, "num_key_value_heads": nil, "max_position_embeddings": nil, "rms_norm_eps": nil, "rope_theta": nil},
			map[string]string{"llama.attention.head_count_kv": "8", "llama.context_length": "131072", "llama.attention.sliding_window": "4096", "llama.rope.freq_base": f32(10000)}, func(m *Model) bool { return !m.Tied }},
		{"qwen2 defaults", "qwen2", o{"num_attention_heads": 64, "num_key_value_heads": nil, "max_position_embeddings": nil, "use_sliding_window": true, "num_hidden_layers": 28},
			map[string]string{"qwen2.attention.head_count_kv": "32", "qwen2.context_length": "32768", "qwen2.attention.sliding_window": ""}, func(m *Model) bool { return !m.Tied }},
		{"qwen3 defaults", "qwen3", o{"num_attention_heads": 32, "num_key_value_heads": nil, "max_position_embeddings": nil, "use_sliding_window": true, "max_window_layers": 0},
			map[string]string{"qwen3.attention.head_count_kv": "32", "qwen3.context_length": "32768", "qwen3.attention.key_length": "128", "qwen3.attention.sliding_window": "4096"}, func(m *Model) bool { return !m.Tied }},
		{"null kv heads means MHA", "mistral", o{"num_key_value_heads": null}, map[string]string{"llama.attention.head_count_kv": "4"}, nil},
		{"tiny eps", "llama", o{"rms_norm_eps": 1e-20}, map[string]string{"llama.attention.layer_norm_rms_epsilon": f32(1e-20)}, nil},
		{"rope_parameters without a type", "llama", o{"rope_theta": nil, "rope_parameters": o{"rope_theta": 1e6}}, map[string]string{"llama.rope.freq_base": f32(1e6), "llama.rope.scaling.type": ""}, nil},
		{"both that agree", "llama", o{"rope_parameters": o{"rope_theta": 5e5, "rope_type": "linear", "factor": 2.0}, "rope_scaling": o{"type": "linear", "factor": 2}},
			map[string]string{"llama.rope.freq_base": f32(5e5), "llama.rope.scaling.factor": f32(2)}, nil},
		{"qwen2", "qwen2", o{"use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 2, "tie_word_embeddings": true}, map[string]string{"qwen2.attention.sliding_window": ""},
			func(m *Model) bool { return m.AttnBias == WithBias && m.OutBias == NoBias && m.Tied }},
		{"qwen2 window everywhere", "qwen2", o{"use_sliding_window": true, "sliding_window": 4096, "max_window_layers": 0}, map[string]string{"qwen2.attention.sliding_window": "4096"}, nil},
		{"qwen2 window nowhere", "qwen2", o{"use_sliding_window": true, "sliding_window": 4096, "max_window_layers": 4}, map[string]string{"qwen2.attention.sliding_window": ""}, nil},
		{"qwen2 yarn", "qwen2", o{"rope_scaling": o{"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}},
			map[string]string{"qwen2.rope.scaling.type": "yarn", "qwen2.rope.scaling.factor": f32(4), "qwen2.rope.scaling.original_context_length": "1024", "qwen2.rope.scaling.attn_factor": ""}, nil},
		{"yarn with its own attention factor", "qwen2", o{"rope_scaling": o{"type": "yarn", "factor": 4.0, "attention_factor": 1.0, "beta_fast": 16}},
			map[string]string{"qwen2.rope.scaling.attn_factor": f32(float32(1 / (0.1*math.Log(4) + 1))), "qwen2.rope.scaling.yarn_beta_fast": f32(16), "qwen2.rope.scaling.original_context_length": "4096"}, nil},
		{"qwen3 default head_dim", "qwen3", nil, map[string]string{"qwen3.attention.key_length": "128"}, nil},
		{"qwen3 biases", "qwen3", o{"attention_bias": true}, nil,
			func(m *Model) bool { return m.AttnBias == WithBias && m.OutBias == WithBias && m.MLPBias == NoBias }},
		{"eos list", "llama", o{"eos_token_id": []int{9, 3, 9}}, nil, func(m *Model) bool { return m.EOS == 9 && fmt.Sprint(m.EOSIDs) == "[3 9]" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Parse(base(c.typ, c.change), nil)
			if err != nil {
				t.Fatal(err)
			}
			got := text(m)
			for k, w := range c.want {
				if g, ok := got[k]; w == "" && ok || w != "" && g != w {
					t.Errorf("%s = %q, want %q", k, g, w)
				}
			}
			if c.check != nil && !c.check(m) {
				t.Errorf("got %+v", m)
			}
		})
	}
}

// TestQwQ32B uses the sizes of the published config.
func TestQwQ32B(t *testing.T) {
	m, err := Parse([]byte(`{"architectures":["Qwen2ForCausalLM"],"attention_dropout":0.0,"bos_token_id":151643,"eos_token_id":151645,"hidden_act":"silu",
		"hidden_size":5120,"initializer_range":0.02,"intermediate_size":27648,"max_position_embeddings":40960,"max_window_layers":64,"model_type":"qwen2",
		"num_attention_heads":40,"num_hidden_layers":64,"num_key_value_heads":8,"rms_norm_eps":1e-05,"rope_theta":1000000.0,"sliding_window":32768,
		"tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.43.1","use_cache":true,"use_sliding_window":false,"vocab_size":152064}`),
		[]byte(`{"bos_token_id":151643,"do_sample":true,"eos_token_id":[151645,151643],"pad_token_id":151643,"repetition_penalty":1.0,"temperature":0.6,"top_k":40,"top_p":0.95}`))
	if err != nil {
		t.Fatal(err)
	}
	got := text(m)
	for k, w := range map[string]string{
		"qwen2.block_count": "64", "qwen2.attention.key_length": "128", "qwen2.vocab_size": "152064", "qwen2.context_length": "40960",
		"general.sampling.top_k": "40", "general.sampling.temp": gguf.Float32(0.6).String(), "general.sampling.penalty_repeat": gguf.Float32(1).String(),
	} {
		if got[k] != w {
			t.Errorf("%s = %q, want %q", k, got[k], w)
		}
	}
	if fmt.Sprint(m.EOSIDs) != "[151643 151645]" || got["qwen2.attention.sliding_window"] != "" {
		t.Errorf("eos %v, window %q", m.EOSIDs, got["qwen2.attention.sliding_window"])
	}
}

// TestLlama3Scaling compares the divisors with ones worked out by hand: factor
// 8, low 1, high 4, 64 positions, head of 8, base 10000.
func TestLlama3Scaling(t *testing.T) {
	m, err := Parse(base("llama", o{"head_dim": 8, "rope_theta": 10000.0, "rope_scaling": o{"rope_type": "llama3", "factor": 8.0,
		"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}}), nil)
	if err != nil {
		t.Fatal(err)
	}
	// wavelengths 6.28 (below 64/4: unchanged), 62.8 (between), 628 and 6283 (above 64: divided by 8)
	smooth := (64/(20*math.Pi) - 1) / 3
	want := []float32{1, float32(1 / ((1-smooth)/8 + smooth)), 8, 8}
	if fmt.Sprint(m.RopeFreqs) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", m.RopeFreqs, want)
	}
	if _, ok := text(m)["llama.rope.scaling.type"]; ok {
		t.Error("llama3 scaling is in the metadata too")
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		typ    string
		change o
		field  string
	}{
		{"llama", o{"model_type": nil}, "model_type"},
		{"llama", o{"model_type": 5}, "model_type"},
		{"gemma3", nil, "model_type"},
		{"llama", o{"hidden_size": nil}, "hidden_size"},
		{"llama", o{"hidden_size": 1.5}, "hidden_size"},
		{"llama", o{"hidden_size": 1e300}, "hidden_size"},
		{"llama", o{"hidden_size": 130}, "hidden_size"},
		{"llama", o{"head_dim": 7}, "head_dim"},
		{"llama", o{"vocab_size": -1}, "vocab_size"},
		{"llama", o{"vocab_size": []int{1}}, "vocab_size"},
		{"llama", o{"rope_theta": 0}, "rope_theta"},
		{"llama", o{"partial_rotary_factor": 0.5}, "partial_rotary_factor"},
		{"llama", o{"tie_word_embeddings": "yes"}, "tie_word_embeddings"},
		{"llama", o{"rope_scaling": o{"rope_type": "dynamic", "factor": 2}}, "rope_scaling.rope_type"},
		{"llama", o{"rope_scaling": o{"type": "su", "factor": 2}}, "rope_scaling.type"},
		{"llama", o{"rope_scaling": 4}, "rope_scaling"},
		{"llama", o{"rope_scaling": o{"factor": 2}}, "rope_scaling.rope_type"},
		{"llama", o{"rope_scaling": o{}}, "rope_scaling.rope_type"},
		{"llama", o{"rope_scaling": o{"rope_type": "linear", "type": "yarn", "factor": 2}}, "rope_scaling.type"},
		{"llama", o{"rope_parameters": o{"rope_theta": 5e5, "factor": 2}}, "rope_parameters.rope_type"},
		{"llama", o{"rope_parameters": o{"rope_theta": 1e6, "rope_type": "default"}}, "rope_theta"},
		{"llama", o{"rope_parameters": o{"rope_theta": 5e5, "rope_type": "default"}, "rope_scaling": o{"type": "linear", "factor": 2}}, "rope_scaling.factor"},
		{"llama", o{"rope_parameters": o{"rope_theta": 5e5, "rope_type": "linear", "factor": 4}, "rope_scaling": o{"rope_type": "linear", "factor": 2}}, "rope_scaling.factor"},
		{"llama", o{"rope_parameters": o{"rope_theta": 5e5, "rope_type": "linear", "factor": 2}, "rope_scaling": o{"rope_type": "yarn", "factor": 2}}, "rope_scaling.rope_type"},
		{"llama", o{"rms_norm_eps": 0}, "rms_norm_eps"},
		{"qwen2", o{"num_key_value_heads": nil}, "num_key_value_heads"},
		{"qwen2", o{"layer_types": []string{"sliding_attention", "sliding_attention", "sliding_attention", "sliding_attention"}, "sliding_window": null}, "sliding_window"},
		{"llama", o{"rope_scaling": o{"type": "linear", "factor": 0.5}}, "rope_scaling.factor"},
		{"llama", o{"rope_scaling": o{"type": "llama3", "factor": 8}}, "rope_scaling.low_freq_factor"},
		{"qwen2", o{"rope_scaling": o{"rope_type": "llama3", "factor": 8}}, "rope_scaling.rope_type"},
		{"qwen2", o{"rope_scaling": o{"rope_type": "yarn", "factor": 4, "truncate": false}}, "rope_scaling.truncate"},
		{"llama", o{"rope_parameters": o{"full_attention": o{}}}, "rope_parameters"},
		{"qwen2", o{"layer_types": []string{"full_attention", "sliding_attention", "full_attention", "full_attention"}, "sliding_window": 64}, "layer_types"},
		{"qwen2", o{"layer_types": []string{"full_attention"}}, "layer_types"},
		{"qwen2", o{"layer_types": []string{"linear_attention", "full_attention", "full_attention", "full_attention"}}, "layer_types"},
		{"qwen2", o{"use_sliding_window": true, "sliding_window": 4096, "max_window_layers": 2}, "layer_types"},
		{"mistral", o{"sliding_window": -5}, "sliding_window"},
		{"qwen3", o{"attention_bias": 1}, "attention_bias"},
		{"llama", o{"quantization_config": o{"quant_method": "awq"}}, "quantization_config"},
		{"llama", o{"eos_token_id": []int{1000}}, "eos_token_id"},
	} {
		_, err := Parse(base(c.typ, c.change), nil)
		fe := new(FieldError)
		if !errors.As(err, &fe) || fe.Field != c.field || !strings.Contains(err.Error(), "config.json") {
			t.Errorf("%s with %v: got %v, want an error about %s", c.typ, c.change, err, c.field)
		}
	}
	for _, tail := range []string{"x", "{}", "]", ",", "\x00", " null"} {
		if _, err := Parse(append(base("llama", nil), tail...), nil); err == nil || !strings.Contains(err.Error(), "config.json: something follows") {
			t.Errorf("%q after the object: got %v", tail, err)
		}
	}
	if _, err := Parse(append(base("llama", nil), " \r\n\t\n"...), nil); err != nil {
		t.Errorf("white space after the object: %v", err)
	}
	if _, err := Parse(base("llama", nil), []byte(`{"top_p": 3}`)); err == nil || !strings.Contains(err.Error(), "generation_config.json") {
		t.Errorf("got %v, want an error about generation_config.json", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(base("llama", o{"rope_scaling": o{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}}), []byte(`{"eos_token_id":[1,2],"temperature":0.6}`))
	f.Add(base("qwen2", o{"rope_scaling": o{"type": "yarn", "factor": 4.0}, "use_sliding_window": true}), []byte(`{}`))
	f.Add(base("qwen3", nil), []byte(`{"top_k":20}`))
	f.Fuzz(func(t *testing.T, config, generation []byte) {
		m, err := Parse(config, generation)
		if err != nil {
			return
		}
		if m.Heads%m.KVHeads != 0 || m.HeadDim%2 != 0 || m.Layers < 1 || len(m.RopeFreqs) != 0 && len(m.RopeFreqs) != m.HeadDim/2 {
			t.Errorf("accepted %+v", m)
		}
	})
}
