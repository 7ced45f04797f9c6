package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/qwq-edge/qwq/convert/hf"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
)

type object = map[string]any

// number is a float32 with the fewest digits that give it back.
func number[F float32 | float64](f F) json.Number {
	return json.Number(strconv.FormatFloat(float64(f), 'g', -1, 32))
}

// torchTypes is how a configuration names the element types.
var torchTypes = map[quant.Type]string{quant.F32: "float32", quant.F16: "float16", quant.BF16: "bfloat16"}

// config is config.json and generation_config.json. They are read back, and every
// key that then differs from the model's is an error.
func (p *plan) config() (config, generation []byte, err error) {
	h := p.hyper
	if h.Experts > 0 {
		return nil, nil, fmt.Errorf("export: a folder of a %s with %d experts cannot be written, only a GGUF", h.Arch.Name, h.Experts)
	}
	if len(h.Arch.HFTypes) == 0 {
		return nil, nil, fmt.Errorf("export: Hugging Face has no model type for a %s", h.Arch.Name)
	}
	kind := h.Arch.HFTypes[0]
	if h.Window != 0 && h.Arch.Name == "llama" {
		kind = "mistral"
	}
	c := object{
		"model_type": kind, "architectures": []string{strings.ToUpper(kind[:1]) + kind[1:] + "ForCausalLM"},
		"hidden_size": h.Hidden, "intermediate_size": h.FFN, "num_hidden_layers": h.Layers, "num_attention_heads": h.Heads,
		"num_key_value_heads": h.KVHeads, "head_dim": h.HeadDim, "vocab_size": h.Vocab, "max_position_embeddings": h.Context,
		"rms_norm_eps": number(h.Eps), "rope_theta": number(h.Rope.Theta), "tie_word_embeddings": h.Tied, "hidden_act": "silu",
		"torch_dtype": torchTypes[p.o.Type], "initializer_range": json.Number("0.02"),
	}
	bias := func(a arch.Axis) bool {
		return slices.ContainsFunc(p.named, func(n arch.Named) bool { return n.Optional && n.Vector && n.PerLayer && n.Axes[0] == a })
	}
	switch kind {
	case "llama":
		c["attention_bias"], c["mlp_bias"] = bias(arch.QHeads), bias(arch.FFN)
	case "mistral":
		c["sliding_window"] = h.Window
	default:
		if kind == "qwen3" {
			c["attention_bias"] = bias(arch.QHeads)
		}
		c["use_sliding_window"], c["sliding_window"] = false, nil
		if h.Window != 0 {
			c["use_sliding_window"], c["sliding_window"], c["max_window_layers"] = true, h.Window, 0
		}
	}
	if c["rope_scaling"], err = p.scaling(); err != nil {
		return nil, nil, err
	}
	g := object{}
	p.ending(c, g)
	if config, err = indented(c); err != nil {
		return nil, nil, err
	}
	if generation, err = indented(g); err != nil {
		return nil, nil, err
	}
	m, err := hf.Parse(config, generation)
	if err != nil {
		return nil, nil, fmt.Errorf("export: %w", err)
	}
	return config, generation, p.same(m)
}

func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// scaling is rope_scaling.
func (p *plan) scaling() (any, error) {
	r := p.hyper.Rope
	if t := p.Base.Tensor("rope_freqs.weight"); t != nil {
		m, err := t.Matrix()
		if err != nil {
			return nil, err
		}
		f := make([]float32, m.Cols)
		if err := quant.Decode(m.Type, f, m.Data); err != nil {
			return nil, err
		}
		// Llama 3's divisors grow to the factor; its models share the other three.
		return object{
			"rope_type": "llama3", "factor": number(slices.Max(f)), "low_freq_factor": json.Number("1.0"), "high_freq_factor": json.Number("4.0"),
			"original_max_position_embeddings": 8192,
		}, nil
	}
	switch r.Scaling {
	case "linear":
		return object{"rope_type": "linear", "factor": number(r.Factor)}, nil
	case "yarn":
		s := object{"rope_type": "yarn", "factor": number(r.Factor), "original_max_position_embeddings": r.OrigContext}
		if v, ok := p.Base.Float(arch.Key(arch.KeyAttnFactor, p.hyper.Arch.Name)); ok {
			s["attention_factor"] = v * (0.1*math.Log(r.Factor) + 1)
		}
		for key, field := range map[string]string{arch.KeyYarnBetaFast: "beta_fast", arch.KeyYarnBetaSlow: "beta_slow"} {
			if v, ok := p.Base.Float(arch.Key(key, p.hyper.Arch.Name)); ok {
				s[field] = number(v)
			}
		}
		return s, nil
	}
	return nil, nil
}

// ending writes the ids that begin and end a text, and how to sample.
func (p *plan) ending(c, g object) {
	id := func(name string) (uint64, bool) {
		v, ok := p.Base.Uint("tokenizer.ggml." + name + "_token_id")
		return v, ok && v < uint64(p.hyper.Vocab)
	}
	for _, k := range []string{"bos", "eos"} {
		if v, ok := id(k); ok {
			c[k+"_token_id"], g[k+"_token_id"] = v, v
		}
	}
	if v, ok := id("padding"); ok {
		g["pad_token_id"] = v
	}
	ends := []uint64{}
	for _, k := range []string{"eos", "eot", "eom"} {
		if v, ok := id(k); ok && !slices.Contains(ends, v) {
			ends = append(ends, v)
		}
	}
	own, _ := p.Base.Ints("qwq.tokenizer.eog")
	for _, v := range own {
		if v >= 0 && v < int64(p.hyper.Vocab) && !slices.Contains(ends, uint64(v)) {
			ends = append(ends, uint64(v))
		}
	}
	if len(ends) > 1 {
		g["eos_token_id"] = ends
	}
	for key, field := range samplingFields {
		if v, ok := p.Base.Get(key); ok {
			if i, ok := v.Int(); ok {
				g[field] = i
			} else if f, ok := v.Float(); ok {
				g[field] = number(f)
			}
			g["do_sample"] = true
		}
	}
}

// samplingFields is generation_config.json's name of a key.
var samplingFields = map[string]string{
	"general.sampling.temp": "temperature", "general.sampling.top_k": "top_k", "general.sampling.top_p": "top_p",
	"general.sampling.min_p": "min_p", "general.sampling.penalty_repeat": "repetition_penalty",
}

// scalingKeys are the keys of a model that its folder must give back where they
// are there; the others have a size or a default that hyper checks.
var scalingKeys = []string{
	arch.KeyWindow, arch.KeyScaling, arch.KeyFactor, arch.KeyOrigContext, arch.KeyAttnFactor, arch.KeyYarnExt, arch.KeyYarnAttn,
	arch.KeyYarnBetaFast, arch.KeyYarnBetaSlow, arch.KeyScaleLinear,
}

// same compares what the folder says with the model.
func (p *plan) same(m *hf.Model) error {
	says := map[string]gguf.Value{}
	for _, kv := range m.KVs {
		says[kv.Key] = kv.Value
		have, ok := p.Base.Get(kv.Key)
		if ok && have.String() != kv.Value.String() {
			return fmt.Errorf("export: config.json says %s = %v, the model %v", kv.Key, kv.Value, have)
		}
	}
	a := p.hyper.Arch.Name
	for _, k := range scalingKeys {
		key := arch.Key(k, a)
		have, ok := p.Base.Get(key)
		if _, said := says[key]; !ok || said || have.String() == "0" || have.String() == `"none"` {
			continue
		}
		return fmt.Errorf("export: config.json cannot say %s = %v of this model", key, have)
	}
	for _, n := range p.hyper.Arch.Expand(arch.Dims{Layers: 1}) {
		if !n.Optional || !n.Vector {
			continue
		}
		have := p.Base.Tensor(n.Name) != nil
		want := m.AttnBias == hf.WithBias
		switch {
		case n.Axes[0] == arch.RotHalf:
			want = m.RopeFreqs != nil
		case n.Axes[0] == arch.FFN:
			want = m.MLPBias == hf.WithBias
		case n.Axes[0] == arch.Hidden && strings.Contains(n.HF, ".mlp."):
			want = m.MLPBias == hf.WithBias
		case n.Axes[0] == arch.Hidden:
			want = m.OutBias == hf.WithBias
		}
		if have != want {
			return fmt.Errorf("export: config.json of a %s cannot say that %q is there: %v", a, n.Name, have)
		}
	}
	return p.sameRope(m)
}

// sameRope compares the divisors of the frequencies.
func (p *plan) sameRope(m *hf.Model) error {
	t := p.Base.Tensor("rope_freqs.weight")
	if t == nil {
		return nil
	}
	w, err := t.Matrix()
	if err != nil {
		return err
	}
	f := make([]float32, w.Cols)
	if err := quant.Decode(w.Type, f, w.Data); err != nil {
		return err
	}
	if !slices.Equal(f, m.RopeFreqs) {
		return fmt.Errorf("export: config.json cannot say the %d divisors of rope_freqs.weight: they are not Llama 3's", len(f))
	}
	return nil
}
