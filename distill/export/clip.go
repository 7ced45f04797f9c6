package export

import (
	"fmt"

	"github.com/qwq-edge/qwq/convert/hf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// clipConfig is config.json and preprocessor_config.json of a CLIPModel. The first is
// read back, and every key that then differs from the model's is an error.
func (p *plan) clipConfig() (config, images []byte, err error) {
	h := p.hyper
	if h.EOS == 2 && h.Vocab != 3 {
		return nil, nil, fmt.Errorf("export: config.json of a clip cannot say that id 2 ends a text: it would mean the highest id")
	}
	tower := func(t arch.Hyper, kind string) object {
		return object{
			"model_type": kind, "hidden_size": t.Hidden, "intermediate_size": t.FFN, "num_hidden_layers": t.Layers, "num_attention_heads": t.Heads,
			"hidden_act": t.Act, "layer_norm_eps": number(t.Eps), "projection_dim": t.Projection, "initializer_factor": json1, "attention_dropout": json0,
		}
	}
	text, eyes := tower(h, "clip_text_model"), tower(*h.Vision, "clip_vision_model")
	text["vocab_size"], text["max_position_embeddings"] = h.Vocab, h.Context
	for _, k := range []string{"bos", "eos", "pad"} {
		name := k
		if k == "pad" {
			name = "padding"
		}
		if v, ok := p.Base.Uint("tokenizer.ggml." + name + "_token_id"); ok && v < uint64(h.Vocab) {
			text[k+"_token_id"] = v
		}
	}
	eyes["image_size"], eyes["patch_size"], eyes["num_channels"] = h.Vision.Image, h.Vision.Patch, 3
	config, err = indented(object{
		"model_type": "clip", "architectures": []string{"CLIPModel"}, "projection_dim": h.Projection, "torch_dtype": torchTypes[p.o.Type],
		"initializer_factor": json1, "text_config": text, "vision_config": eyes,
	})
	if err != nil {
		return nil, nil, err
	}
	m, err := hf.Parse(config, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("export: %w", err)
	}
	if err := p.same(m); err != nil {
		return nil, nil, err
	}
	images, err = indented(p.processor())
	return config, images, err
}

// json0 and json1 are numbers that Python reads as float.
const json0, json1 = jsonFloat("0.0"), jsonFloat("1.0")

type jsonFloat string

// MarshalJSON writes the digits.
func (f jsonFloat) MarshalJSON() ([]byte, error) { return []byte(f), nil }

// processor is preprocessor_config.json.
func (p *plan) processor() object {
	size := p.hyper.Vision.Image
	short, scale := uint64(size), 1.0/255
	if n, ok := p.Base.Uint(arch.KeyImageEdge); ok {
		short = n
	}
	if f, ok := p.Base.Float(arch.KeyImageScale); ok {
		scale = f
	}
	o := object{
		"image_processor_type": "CLIPImageProcessor", "size": object{"shortest_edge": short}, "crop_size": object{"height": size, "width": size},
		"resample": 3, "rescale_factor": scale, "do_resize": true, "do_center_crop": true, "do_rescale": true, "do_normalize": true, "do_convert_rgb": true,
	}
	for key, field := range map[string]string{arch.KeyImageMean: "image_mean", arch.KeyImageStd: "image_std"} {
		if v, ok := p.Base.Floats(key); ok {
			o[field] = v
		}
	}
	return o
}
