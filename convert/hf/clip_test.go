package hf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf/arch"
)

const clipConfig = `{"model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": 24,
 "text_config": {"hidden_size": 32, "num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": 20, "bos_token_id": 0, "eos_token_id": 2},
 "vision_config": {"hidden_size": 64, "num_attention_heads": 2, "image_size": 28, "patch_size": 7}}`

const clipImages = `{"size": {"shortest_edge": 32}, "crop_size": {"height": 28, "width": 28}, "rescale_factor": 0.5, "image_mean": [0, 0.5, 1], "image_std": [1, 2, 3], "resample": 3}`

func loadCLIP(t *testing.T, config, images string) (*Model, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"config.json": config, "preprocessor_config.json": images} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(dir)
}

func TestCLIP(t *testing.T) {
	m, err := loadCLIP(t, clipConfig, clipImages)
	if err != nil {
		t.Fatal(err)
	}
	if m.Hidden != 32 || m.FFN != 2048 || m.Layers != 12 || m.Vision.Hidden != 64 || m.Vision.FFN != 3072 || m.Vision.Positions != 17 || m.Projection != 24 {
		t.Errorf("%+v, %+v", m, m.Vision)
	}
	if m.EOS != 99 || m.BOS != 0 {
		t.Errorf("a text ends with %d, want the highest id, 99 (the configuration says 2, as OpenAI's do); begins with %d", m.EOS, m.BOS)
	}
	got := map[string]string{}
	for _, kv := range m.KVs {
		got[kv.Key] = kv.Value.String()
	}
	for key, want := range map[string]string{
		"clip.vision.image_size": "28", "clip.vision.patch_size": "7", "clip.vision.embedding_length": "64", "clip.text.embedding_length": "32",
		"clip.text.context_length": "20", "clip.use_gelu": "false", arch.KeyImageEdge: "32", arch.KeyImageScale: "0.5",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %s", key, got[key], want)
		}
	}
	plain, err := loadCLIP(t, clipConfig, "")
	if err != nil || len(plain.Warnings) != 1 {
		t.Errorf("without preprocessor_config.json: %v, %v", plain, err)
	}
	for name, c := range map[string][3]string{
		"one tower":   {`"vision_config": {`, `"vision": {`, "vision_config"},
		"patch":       {`"patch_size": 7`, `"patch_size": 8`, "patch_size"},
		"heads":       {`"num_attention_heads": 4`, `"num_attention_heads": 5`, "num_attention_heads"},
		"activation":  {`"vocab_size": 100`, `"vocab_size": 100, "hidden_act": "relu"`, "hidden_act"},
		"activations": {`"vocab_size": 100`, `"vocab_size": 100, "hidden_act": "gelu"`, "hidden_act"},
		"class":       {`CLIPModel`, `CLIPVisionModel`, "architectures"},
		"resample":    {`"resample": 3`, `"resample": 2`, "resample"},
		"crop":        {`"height": 28`, `"height": 24`, "width"},
		"crop size":   {`{"height": 28, "width": 28}`, `24`, "crop_size"},
		"short":       {`"shortest_edge": 32`, `"shortest_edge": 20`, "size"},
		"mean":        {`[0, 0.5, 1]`, `[0, 0.5]`, "image_mean"},
		"std":         {`[1, 2, 3]`, `[1, 0, 3]`, "image_std"},
		"no crop":     {`"resample": 3`, `"do_center_crop": false`, "do_center_crop"},
	} {
		_, err := loadCLIP(t, strings.Replace(clipConfig, c[0], c[1], 1), strings.Replace(clipImages, c[0], c[1], 1))
		if err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: %v, want an error about %s", name, err, c[2])
		}
	}
}
