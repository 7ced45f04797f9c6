package convert

import (
	"archive/zip"
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
)

// TestLongNames: an error line does not grow with a name that a file holds.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("n", 100_000)
	for name, src := range map[string]func(t *testing.T) string{
		"unknown tensor": func(t *testing.T) string {
			c := tinyLlama(20)
			c.tensors[long] = mat{[]int{1}, []float32{1}}
			return c.write(t, "F32")
		},
		"bad safetensors entry": func(t *testing.T) string {
			c := tinyLlama(20)
			h := fmt.Sprintf(`{"%s":{"dtype":"%s"}}`, long, long)
			d := t.TempDir()
			c.put(t, d, "model.safetensors", append(binary.LittleEndian.AppendUint64(nil, uint64(len(h))), h...))
			return d
		},
		"text for an object": func(t *testing.T) string {
			h := fmt.Sprintf(`{"a":"%s"}`, long)
			d := t.TempDir()
			tinyLlama(20).put(t, d, "model.safetensors", append(binary.LittleEndian.AppendUint64(nil, uint64(len(h))), h...))
			return d
		},
		"index": func(t *testing.T) string { return index(long, "model-00001-of-00003.safetensors")(t) },
		"torch": func(t *testing.T) string {
			c := tinyLlama(20)
			c.tensors[long[:900]] = mat{[]int{1}, []float32{1}} // a path has at most 1024 bytes
			d := t.TempDir()
			c.put(t, d, "config.json", c.configJSON())
			c.put(t, d, "pytorch_model.bin", c.torch(t, zip.Store, func(string) bool { return false }))
			return d
		},
		"gguf key": func(t *testing.T) string {
			return edited(t, "mamba", map[string]gguf.Value{"tokenizer.ggml." + long[:60_000] + "_token_id": gguf.Uint32(1), "tokenizer.ggml.tokens": gguf.Strings([]string{"a"})}, nil)
		},
		"gguf value": func(t *testing.T) string {
			return edited(t, "llama", map[string]gguf.Value{"llama.block_count": gguf.Strings([]string{long, long})}, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Quantize(context.Background(), Options{Source: src(t), Out: filepath.Join(t.TempDir(), "o.gguf"), Type: "q8_0"})
			if err == nil || len(err.Error()) > 800 {
				t.Errorf("got %.1000v, want a short error", err)
			}
		})
	}
}
