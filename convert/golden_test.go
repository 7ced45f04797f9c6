package convert

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert/spool"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// TestGoldenFolders: every reference checkpoint becomes a file that the loader's
// checks accept, with its tokenizer.
func TestGoldenFolders(t *testing.T) {
	for _, c := range []struct {
		model, folder, arch, tok string
		eos                      []int64
	}{
		{"qwen2-tiny", "checkpoint", "qwen2", "gpt2", []int64{1400, 1402}},
		{"qwen2-untied-sharded-bf16", "checkpoint", "qwen2", "gpt2", []int64{1400, 1402}},
		{"qwen3-tiny", "checkpoint", "qwen3", "gpt2", []int64{1400, 1402}},
		{"qwen2_moe-tiny", "checkpoint", "qwen2moe", "gpt2", []int64{1400, 1402}},
		{"llama-tiny", "checkpoint", "llama", "gpt2", []int64{1001, 1004}},
		{"llama-tiny", "checkpoint_bin", "llama", "", []int64{1004}},
		{"clip-tiny", "checkpoint", "clip", "gpt2", []int64{1025}},
	} {
		dir := testdata.Shared(t, "goldens", "models", c.model, c.folder)
		for _, typ := range []string{"f32", "q8_0"} {
			b, r := run(t, Options{Source: dir, Type: typ})
			f, err := gguf.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			h, err := arch.ReadHyper(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Arch.CheckFile(f, h); err != nil {
				t.Error(err)
			}
			if tok, _ := f.Str("tokenizer.ggml.model"); f.Arch() != c.arch || r.Arch != c.arch || tok != c.tok {
				t.Errorf("%s/%s: architecture %s, tokenizer %q; want %s, %q", c.model, c.folder, f.Arch(), tok, c.arch, c.tok)
			}
			if toks, ok := f.Strs("tokenizer.ggml.tokens"); ok && len(toks) != h.Vocab {
				t.Errorf("%s: %d tokens, the embedding has %d rows", c.model, len(toks), h.Vocab)
			}
			if c.tok != "" {
				tk, err := tokenizer.FromGGUF(f)
				if err != nil {
					t.Fatal(err)
				}
				for _, id := range c.eos {
					if !tk.EOG(int32(id)) {
						t.Errorf("%s: id %d does not end a text", c.model, id)
					}
				}
			}
			if (f.Tensor("rope_freqs.weight") != nil) != (c.arch == "llama") {
				t.Errorf("%s: rope_freqs.weight is wrongly there or not", c.model)
			}
		}
	}
	f32, _ := run(t, Options{Source: testdata.Shared(t, "goldens", "models", "llama-tiny", "checkpoint"), Type: "q4_0"})
	bin, _ := run(t, Options{Source: testdata.Shared(t, "goldens", "models", "llama-tiny", "checkpoint_bin"), Type: "q4_0"})
	sameTensors(t, bin, f32)
}

// TestStories: rows of 172 are no multiple of 32, and a GGUF is a source.
func TestStories(t *testing.T) {
	src := testdata.Shared(t, "data", "llm", "stories260K", "stories260K.gguf")
	b, r := run(t, Options{Source: src, Type: "q8_0"})
	f, err := gguf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Tensor("blk.0.ffn_down.weight").Type; got != quant.F16 {
		t.Errorf("ffn_down is %v, want F16", got)
	}
	fell := 0
	for _, x := range r.Tensors {
		if x.Fallback != "" {
			fell++
		}
	}
	if fell != 5 {
		t.Errorf("%d fallbacks, want 5", fell)
	}
	g, err := gguf.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	want, _ := g.Strs("tokenizer.ggml.tokens")
	if got, _ := f.Strs("tokenizer.ggml.tokens"); !slices.Equal(got, want) {
		t.Error("the vocabulary changed")
	}
}

// TestNamed: what is no checkpoint is called by its name.
func TestNamed(t *testing.T) {
	for _, c := range []struct {
		elems []string
		want  string
	}{
		{[]string{"data", "llm", "stories260K", "stories260K.bin"}, "llama2.c checkpoint"},
		{[]string{"data", "llm", "stories260K", "checkpoint_v1.bin"}, "llama2.c checkpoint"},
		{[]string{"goldens", "models", "qwen2-tiny", "expected.npz"}, "no torch checkpoint"},
		{[]string{"goldens", "models", "qwen2-tiny", "expected.json"}, "JSON text"},
		{[]string{"goldens", "seed", "pickles", "unsupported_global.pt"}, "posix.getpid"},
	} {
		_, err := Quantize(context.Background(), Options{Source: testdata.Shared(t, c.elems...), Out: filepath.Join(t.TempDir(), "o.gguf"), Type: "f32"})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.elems[len(c.elems)-1], err, c.want)
		}
	}
}

// TestZstdCorpora: none of the damaged zstd files is accepted as a checkpoint,
// none blows up.
func TestZstdCorpora(t *testing.T) {
	for _, name := range []string{"bad.zip", "comp-crashers.zip", "headers.zip"} {
		z, err := zip.OpenReader(testdata.Shared(t, "data", "malformed", "zstd", name))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		if testing.Short() && len(z.File) > 200 {
			z.File = z.File[:200]
		}
		for _, m := range z.File {
			r, err := m.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			d, stop, err := decompress(kindZstd, bytes.NewReader(b), DefaultMaxMemory)
			if err != nil {
				continue
			}
			n, err := io.Copy(io.Discard, io.LimitReader(d, 64<<20))
			stop()
			if name == "bad.zip" && strings.HasSuffix(m.Name, ".zst") && err == nil {
				t.Errorf("%s/%s: %d bytes and no error", name, m.Name, n)
			}
		}
	}
}

func TestCompressedSources(t *testing.T) {
	c := tinyLlama(300)
	dir := c.write(t, "BF16")
	want, _ := run(t, Options{Source: dir, Type: "q8_0"})
	st := c.safetensors("BF16", c.names())
	g, _ := run(t, Options{Source: dir, Type: "f32"})
	for name, b := range map[string][]byte{"model.safetensors.gz": gz(t, st), "model.safetensors.zst": zst(t, st), "pytorch_model.bin.zst": zst(t, c.torch(t, zip.Store, func(string) bool { return false }))} {
		d := filepath.Join(t.TempDir(), "tiny-llama")
		c.put(t, d, "config.json", c.configJSON())
		c.put(t, d, name, b)
		for _, src := range []string{d, filepath.Join(d, name)} {
			if got, _ := run(t, Options{Source: src, Type: "q8_0"}); !bytes.Equal(got, want) {
				t.Errorf("%s gives another file", name)
			}
		}
	}
	p := filepath.Join(t.TempDir(), "tiny.gguf.zst")
	if err := os.WriteFile(p, zst(t, g), 0o644); err != nil {
		t.Fatal(err)
	}
	got, _ := run(t, Options{Source: p, Type: "q8_0"})
	sameTensors(t, got, want)
}

// TestSpoolRoom: more than the disk has room for is refused before or while it
// is written.
func TestSpoolRoom(t *testing.T) {
	sp, err := spool.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	if _, err := sp.Room(1 << 62); err == nil {
		t.Error("room for 4 EiB")
	}
	if _, _, err := sp.Append(context.Background(), bytes.NewReader(make([]byte, 100)), 99); err == nil {
		t.Error("100 bytes within a limit of 99")
	}
}
