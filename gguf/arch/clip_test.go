package arch_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// TestCLIPKeys: what the keys of the two towers must satisfy.
func TestCLIPKeys(t *testing.T) {
	kvs := map[string]gguf.Value{
		arch.KeyArch: gguf.String("clip"), arch.KeyHasText: gguf.Bool(true), arch.KeyHasVision: gguf.Bool(true),
		"clip.text.context_length": gguf.Uint32(8), arch.KeyImageSize: gguf.Uint32(32), arch.KeyPatchSize: gguf.Uint32(8),
		"tokenizer.ggml.eos_token_id": gguf.Uint32(5),
	}
	for _, tower := range []string{"clip.text.", "clip.vision."} {
		for key, n := range map[string]uint32{"embedding_length": 16, "feed_forward_length": 24, "block_count": 1, "attention.head_count": 2, "projection_dim": 12} {
			kvs[tower+key] = gguf.Uint32(n)
		}
	}
	parse := func(without string, more map[string]gguf.Value) (arch.Hyper, error) {
		l := gguf.Layout{Tensors: []gguf.TensorInfo{{Name: "t.token_embd.weight", Dims: []uint64{16, 40}}}}
		for k, v := range kvs {
			if o, ok := more[k]; ok {
				v = o
			}
			if k != without {
				l.KVs = append(l.KVs, gguf.KV{Key: k, Value: v})
			}
		}
		path := filepath.Join(t.TempDir(), "m.gguf")
		w, err := gguf.Create(path, l, true)
		if err == nil {
			err = w.WriteAt(0, 0, make([]byte, 4*16*40))
		}
		if err == nil {
			err = w.Commit()
		}
		if err != nil {
			t.Fatal(err)
		}
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return arch.ReadHyper(f)
	}
	h, err := parse("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if h.Vocab != 40 || h.EOS != 5 || !h.Causal || h.HeadDim != 8 || h.Act != "quick_gelu" || h.Vision.Context != 17 || h.Vision.Causal || h.Dims().Vision.Positions != 17 {
		t.Errorf("%+v, %+v", h, h.Vision)
	}
	for key := range kvs {
		if key == arch.KeyArch || key == "tokenizer.ggml.eos_token_id" {
			continue
		}
		if _, err := parse(key, nil); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("without %s: %v", key, err)
		}
	}
	for key, bad := range map[string]gguf.Value{
		arch.KeyPatchSize: gguf.Uint32(7), arch.KeyImageSize: gguf.Uint32(1 << 20), arch.KeyHasText: gguf.Bool(false),
		"clip.vision.projection_dim": gguf.Uint32(13), "clip.text.attention.head_count": gguf.Uint32(3), "clip.vision.block_count": gguf.Uint32(9),
	} {
		if _, err := parse("", map[string]gguf.Value{key: bad}); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s %v: %v", key, bad, err)
		}
	}
}
