package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/quant"
)

// viaGGUF writes a tokenizer to a GGUF file with rows rows and reads it back.
func viaGGUF(t testing.TB, tok *Tokenizer, rows int) *Tokenizer {
	t.Helper()
	return load(t, writeGGUF(t, tok, rows))
}

func writeGGUF(t testing.TB, tok *Tokenizer, rows int) string {
	t.Helper()
	kvs, err := tok.KVs(rows)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "t.gguf")
	w, err := gguf.Create(path, gguf.Layout{KVs: kvs, Tensors: []gguf.TensorInfo{{Name: "x", Type: quant.F32, Dims: []uint64{1}}}}, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteAt(0, 0, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestGoldenViaGGUF(t *testing.T) {
	for _, name := range goldenNames {
		t.Run(name, func(t *testing.T) {
			g := readGolden(t, name)
			tok := load(t, filepath.Join("testdata", name))
			back := viaGGUF(t, tok, tok.Len()+37)
			if back.Len() != tok.Len()+37 || back.Model() != tok.Model() {
				t.Errorf("got %d tokens of model %q, want %d, %q", back.Len(), back.Model(), tok.Len()+37, tok.Model())
			}
			if got := back.Decode([]int32{int32(tok.Len()), int32(tok.Len() + 36)}, false); got != "" {
				t.Errorf("padding decodes to %q", got)
			}
			if !slices.Equal(back.EOGs(), tok.EOGs()) || back.ChatTemplate() != tok.ChatTemplate() || back.BOS() != tok.BOS() ||
				back.EOS() != tok.EOS() || back.Pad() != tok.Pad() || back.AddBOS() != tok.AddBOS() || back.AddEOS() != tok.AddEOS() {
				t.Errorf("special ids or template differ")
			}
			g.Len = back.Len()
			checkGolden(t, g, back)
			// A second trip through a file of other size says the same.
			checkGolden(t, golden{Len: tok.Len(), Cases: g.Cases}, viaGGUF(t, back, tok.Len()))
		})
	}
}

func TestKVs(t *testing.T) {
	tok := load(t, filepath.Join("testdata", "qwen_A"))
	if _, err := tok.KVs(tok.Len() - 1); err == nil || !strings.Contains(err.Error(), strconv.Itoa(tok.Len())) {
		t.Errorf("more tokens than rows: got %v, want an error with the count", err)
	}
	kvs, err := tok.KVs(1408)
	if err != nil {
		t.Fatal(err)
	}
	get := func(key string) gguf.Value {
		for _, kv := range kvs {
			if kv.Key == key {
				return kv.Value
			}
		}
		t.Fatalf("no %s", key)
		return gguf.Value{}
	}
	tokens, _ := get(keyTokens).Strs()
	types, _ := get(keyTypes).Ints()
	if len(tokens) != 1408 || tokens[1407] != "[PAD1407]" || types[1407] != typeUnused || types[1402] != typeControl {
		t.Errorf("tokens: %d, last %q of type %d", len(tokens), tokens[len(tokens)-1], types[1407])
	}
	if pre, _ := get(keyPre).Str(); pre != "qwen2" {
		t.Errorf("pre: got %q", pre)
	}
	for _, kv := range kvs {
		if strings.HasPrefix(kv.Key, "qwq.") {
			t.Errorf("%s written, but the standard keys say it all: %s", kv.Key, kv.Value)
		}
	}
}

// readVocabTest reads llama.cpp's pairs of texts and ids.
func readVocabTest(t *testing.T, base string) (texts []string, ids [][]int32) {
	t.Helper()
	in, err := os.ReadFile(base + ".inp")
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(base + ".out")
	if err != nil {
		t.Fatal(err)
	}
	texts = strings.Split(string(in), "\n__ggml_vocab_test__\n")
	for _, line := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		var row []int32
		for _, f := range strings.Fields(line) {
			v, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			row = append(row, int32(v))
		}
		ids = append(ids, row)
	}
	if texts[len(texts)-1] == "" {
		texts = texts[:len(texts)-1]
	}
	if len(texts) != len(ids) || len(ids) < 40 {
		t.Fatalf("%d texts, %d rows of ids", len(texts), len(ids))
	}
	return texts, ids
}

func checkVocabTest(t *testing.T, tok *Tokenizer, base string, o EncodeOptions) {
	t.Helper()
	texts, ids := readVocabTest(t, base)
	for i, text := range texts {
		if got := tok.Encode(text, o); !slices.Equal(got, ids[i]) {
			t.Errorf("text %d %q:\n got %v\nwant %v", i, text, got, ids[i])
		}
	}
}

func TestVocabQwen2(t *testing.T) {
	base := filepath.Join(testdata.Shared(t, "data", "tokenizers", "llama.cpp-vocab"), "ggml-vocab-qwen2.gguf")
	tok := load(t, testdata.Shared(t, "data", "tokenizers", "qwen2.5"))
	checkVocabTest(t, tok, base, EncodeOptions{})
	checkVocabTest(t, viaGGUF(t, tok, 151936), base, EncodeOptions{})
}

func TestVocabGPT2(t *testing.T) {
	base := testdata.Shared(t, "data", "tokenizers", "llama.cpp-vocab", "ggml-vocab-gpt-2.gguf")
	checkVocabTest(t, load(t, base), base, EncodeOptions{})
}

func TestVocabBERT(t *testing.T) {
	base := testdata.Shared(t, "data", "tokenizers", "llama.cpp-vocab", "ggml-vocab-bert-bge.gguf")
	tok := load(t, base)
	checkVocabTest(t, tok, base, EncodeOptions{})
	checkVocabTest(t, viaGGUF(t, tok, tok.Len()), base, EncodeOptions{})
	if got := tok.Encode("hello", EncodeOptions{AddSpecial: true}); !slices.Equal(got, []int32{101, 7592, 102}) {
		t.Errorf("with special tokens: got %v", got)
	}
}

func TestStories260K(t *testing.T) {
	tok := load(t, testdata.Shared(t, "data", "llm", "stories260K", "stories260K.gguf"))
	if tok.Len() != 512 || tok.BOS() != 1 || tok.EOS() != 2 || !tok.AddBOS() || tok.Pad() != -1 {
		t.Errorf("got %d tokens, bos %d, eos %d, add %v, pad %d", tok.Len(), tok.BOS(), tok.EOS(), tok.AddBOS(), tok.Pad())
	}
	ids := tok.Encode("Once upon a time", EncodeOptions{AddSpecial: true})
	if want := []int32{1, 403, 407, 261, 378}; !slices.Equal(ids, want) {
		t.Errorf("got %v, want %v", ids, want)
	}
	if got := tok.Decode(ids, true); got != "Once upon a time" {
		t.Errorf("got %q", got)
	}
}
