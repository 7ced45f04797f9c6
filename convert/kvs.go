package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/qwq-edge/qwq/convert/hf"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// KeyVersion holds the revision of what this package writes, a uint32. Nothing
// that varies from run to run goes into a file.
const KeyVersion = "qwq.version"

// version is raised when the same checkpoint would give another file.
const version = 1

// quantVersion is ggml's general.quantization_version.
const quantVersion = 2

// fileKVs are the general keys of a new file.
func fileKVs(architecture, name string, p *plan) []gguf.KV {
	return append([]gguf.KV{
		{Key: arch.KeyArch, Value: gguf.String(architecture)},
		{Key: "general.type", Value: gguf.String("model")},
		{Key: arch.KeyName, Value: gguf.String(name)},
	}, typeKVs(p)...)
}

func typeKVs(p *plan) []gguf.KV {
	return []gguf.KV{
		{Key: arch.KeyFileType, Value: gguf.Uint32(fileTypes[p.base])},
		{Key: arch.KeyQuantVersion, Value: gguf.Uint32(quantVersion)},
		{Key: KeyVersion, Value: gguf.Uint32(version)},
	}
}

// copiedKVs is the metadata of a GGUF source, with the keys that describe the
// file itself made anew.
func copiedKVs(f *gguf.File, p *plan) []gguf.KV {
	var kvs []gguf.KV
	for _, kv := range f.KVs() {
		switch {
		case kv.Key == arch.KeyFileType, kv.Key == arch.KeyQuantVersion, kv.Key == KeyVersion,
			kv.Key == "general.alignment", strings.HasPrefix(kv.Key, "split."):
			continue
		}
		kvs = append(kvs, kv)
	}
	return append(kvs, typeKVs(p)...)
}

// Names of tokenizer files; any of tokenizerFiles, or a rank file *.tiktoken, is
// enough.
var (
	tokenizerFiles = []string{"tokenizer.json", "tokenizer.model", "vocab.json"}
	tokenizerTells = []string{"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt", "vocab.txt"}
)

// tokenizerKVs reads the folder's tokenizer. A folder without any trace of one
// gives a model for token ids only, without tokenizer.ggml.model, and a warning; one whose vocabulary alone
// is missing is incomplete, an error.
func tokenizerKVs(dir string, m *hf.Model) ([]gguf.KV, []string, error) {
	have := func(names []string) (string, error) {
		for _, n := range names {
			if _, err := os.Stat(filepath.Join(dir, n)); err == nil {
				return n, nil
			} else if !errors.Is(err, fs.ErrNotExist) {
				return "", fmt.Errorf("convert: %w", err)
			}
		}
		return "", nil
	}
	name, err := have(tokenizerFiles)
	if err != nil {
		return nil, nil, err
	}
	ranks, err := fs.Glob(os.DirFS(dir), "*.tiktoken")
	if err != nil {
		return nil, nil, fmt.Errorf("convert: %w", err)
	}
	if name == "" && len(ranks) == 0 {
		trace, err := have(tokenizerTells)
		if err != nil {
			return nil, nil, err
		}
		if trace != "" {
			return nil, nil, fmt.Errorf("convert: %s: has %s but none of tokenizer.json, tokenizer.model and vocab.json: the tokenizer is incomplete", dir, trace)
		}
		return withIDs(nil, m), []string{dir + " has no tokenizer files: the model takes and gives token ids only"}, nil
	}
	t, err := tokenizer.Load(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("convert: %w", err)
	}
	t.SetEOG(m.EOSIDs...)
	kvs, err := t.KVs(m.Vocab)
	if err != nil {
		return nil, nil, fmt.Errorf("convert: %w", err)
	}
	return withIDs(kvs, m), nil, nil
}

// withIDs adds config.json's BOS and EOS where the tokenizer names none.
func withIDs(kvs []gguf.KV, m *hf.Model) []gguf.KV {
	add := func(key string, id int32) {
		for _, kv := range kvs {
			if kv.Key == key {
				return
			}
		}
		if id >= 0 {
			kvs = append(kvs, gguf.KV{Key: key, Value: gguf.Uint32(uint32(id))})
		}
	}
	add("tokenizer.ggml.bos_token_id", m.BOS)
	add("tokenizer.ggml.eos_token_id", m.EOS)
	return kvs
}
