package tokenizer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
)

// TestLoadErrors damages a folder in one place and wants the file and the field
// named in one line.
func TestLoadErrors(t *testing.T) {
	for _, c := range []struct{ name, file, content, want string }{
		{"empty", "tokenizer.json", "", "want '{'"},
		{"cut off", "tokenizer.json", tinyJSON[:len(tinyJSON)-30], "offset"},
		{"more after the end", "tokenizer.json", tinyJSON + "x", "after the end"},
		{"no model", "tokenizer.json", `{"decoder":{"type":"ByteLevel"}}`, "model: missing"},
		{"no decoder", "tokenizer.json", strings.Replace(tinyJSON, `"decoder":{"type":"ByteLevel"},`, "", 1), "decoder"},
		{"unknown model", "tokenizer.json", strings.Replace(tinyJSON, `"BPE"`, `"Nonsense"`, 1), `model.type: "Nonsense"`},
		{"unknown normalizer", "tokenizer.json", strings.Replace(tinyJSON, `"NFC"`, `"NFX"`, 1), `"NFX"`},
		{"unknown pre-tokenizer", "tokenizer.json", strings.Replace(tinyJSON, `"Split"`, `"Chop"`, 1), `pre_tokenizer: type "Chop"`},
		{"bad pattern", "tokenizer.json", strings.Replace(tinyJSON, `\\s`, `(`, 1), "pre_tokenizer: split"},
		{"merge of unknown", "tokenizer.json", strings.Replace(tinyJSON, `"a b"`, `"a q"`, 1), `model.merges[0]: "q" is no token`},
		{"merge makes nothing", "tokenizer.json", strings.Replace(tinyJSON, `"a b"`, `"b a"`, 1), "model.merges[0]"},
		{"merge of three", "tokenizer.json", strings.Replace(tinyJSON, `"a b"`, `["a","b","a"]`, 1), "a merge of 3 parts"},
		{"id twice", "tokenizer.json", strings.Replace(tinyJSON, `"b":1`, `"b":0`, 1), "both have id 0"},
		{"token twice", "tokenizer.json", strings.Replace(tinyJSON, `"b":1`, `"b":1,"b":6`, 1), "same token"},
		{"id out of range", "tokenizer.json", strings.Replace(tinyJSON, `"b":1`, `"b":2000000000`, 1), "token id 2000000000 with only 4 tokens"},
		{"id of 2^40", "tokenizer.json", strings.Replace(tinyJSON, `"b":1`, `"b":1099511627776`, 1), "out of range"},
		{"negative id", "tokenizer.json", strings.Replace(tinyJSON, `"b":1`, `"b":-1`, 1), "want a token id"},
		{"added id out of range", "tokenizer.json", strings.Replace(tinyJSON, `"id":5`, `"id":500000000`, 1), "id 500000000"},
		{"added id taken", "tokenizer.json", strings.Replace(tinyJSON, `"id":5`, `"id":1`, 1), "id 1"},
		{"special id out of range", "tokenizer.json", strings.Replace(tinyJSON, `"ids":[4]`, `"ids":[77]`, 1), "id 77"},
		{"special without ids", "tokenizer.json", strings.Replace(tinyJSON, `"special_tokens":{`, `"special_tokens":{"x":{"ids":[4]}},"y":{`, 1), "not in special_tokens"},
		{"deep", "tokenizer.json", `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}", "nested deeper"},
		{"config is no JSON", "tokenizer_config.json", "{", "tokenizer_config.json"},
		{"config is null", "tokenizer_config.json", "null", "null where an object belongs"},
		{"config of a wrong type", "tokenizer_config.json", `{"eos_token":5}`, "tokenizer_config.json"},
		{"template is a number", "tokenizer_config.json", `{"chat_template":5}`, "chat_template"},
		{"eos list is text", "generation_config.json", `{"eos_token_id":"x"}`, "eos_token_id"},
		{"no pieces", "tokenizer.model", "\x12\x00", "pieces"},
		{"cut piece", "tokenizer.model", "\x0a\x7f", "offset"},
		{"unigram", "tokenizer.model", string(tinySPM()) + "\x12\x02\x18\x03", "model_type"},
		{"merges without a space", "merges.txt", "ab\n", "merges.txt: merges[0]: offset 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, content string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			switch {
			case strings.HasSuffix(c.file, "config.json"):
				write("tokenizer.json", tinyJSON)
			case c.file == "merges.txt":
				write("vocab.json", `{"a":0}`)
			}
			write(c.file, c.content)
			_, err := Load(dir)
			if err == nil {
				t.Fatal("loaded")
			}
			var fe *FormatError
			if !errors.As(err, &fe) || !strings.Contains(fe.File, c.file) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want a FormatError of %s with %q", err, c.file, c.want)
			}
		})
	}
}

func TestGGUFErrors(t *testing.T) {
	strs, ints := gguf.Strings, gguf.Int32s
	base := func() map[string]gguf.Value {
		return map[string]gguf.Value{keyModel: gguf.String("gpt2"), keyPre: gguf.String("gpt-2"), keyTokens: strs([]string{"a", "b", "ab", "<e>"}),
			keyTypes: ints([]int32{1, 1, 1, 3}), keyMerges: strs([]string{"a b"}), keyEOS: gguf.Uint32(3), keyBOS: gguf.Uint32(noID)}
	}
	for _, c := range []struct {
		key  string
		v    gguf.Value
		want string
	}{
		{keyModel, gguf.Value{}, "no tokenizer"},
		{keyModel, gguf.String("rwkv"), `"rwkv"`},
		{keyPre, gguf.String("nonsense"), `"nonsense"`},
		{keyTokens, gguf.Value{}, "missing"},
		{keyTokens, strs([]string{"a", "b", "ab", "a"}), "same token"},
		{keyTypes, ints([]int32{1}), "1 types for 4 tokens"},
		{keyTypes, ints([]int32{1, 1, 1, 9}), "type 9"},
		{keyMerges, gguf.Value{}, "missing"},
		{keyMerges, strs([]string{"a x"}), `merges[0]: "x"`},
		{keyEOS, gguf.Uint32(4), "id 4 is outside the 4 tokens"},
		{keyOwnConfig, gguf.String("{"), keyOwnConfig},
		{keyOwnConfig, gguf.String(`{"model":"llama"}`), `"llama"`},
		{keyOwnConfig, gguf.String(`{"model":"gpt2","decoder":{"kind":"bytes"},"prefix":[9]}`), "id 9"},
		{keyOwnConfig, gguf.String(`{"model":"gpt2","decoder":{"kind":"bytes"},"added":[{"id":-5}]}`), "-5"},
		{keyOwnMerges, ints([]int32{0}), "not pairs"},
		{keyOwnMerges, ints([]int32{0, 7}), "ids 0 and 7"},
		{keyOwnEOG, ints([]int32{7}), "id 7"},
		{keyScores, gguf.Float32s([]float32{1}), "1 scores for 4 tokens"},
	} {
		kvs := base()
		kvs[c.key] = c.v
		_, err := FromGGUF(parseKVs(t, kvs))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "tokenizer.") {
			t.Errorf("%s: got %v, want %q", c.key, err, c.want)
		}
	}
	tok, err := FromGGUF(parseKVs(t, base()))
	if err != nil || tok.BOS() != -1 || tok.EOS() != 3 || !tok.EOG(3) {
		t.Errorf("the base: %v", err)
	}
}

// parseKVs returns a GGUF file with these keys.
func parseKVs(t *testing.T, kvs map[string]gguf.Value) *gguf.File {
	t.Helper()
	var l gguf.Layout
	for k, v := range kvs {
		if v.Valid() {
			l.KVs = append(l.KVs, gguf.KV{Key: k, Value: v})
		}
	}
	path := filepath.Join(t.TempDir(), "t.gguf")
	w, err := gguf.Create(path, l, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
