package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/gguf"
)

// maxTokenizerFile bounds the tokenizer files that are read whole.
const maxTokenizerFile = 512 << 20

// Load reads a tokenizer from a GGUF file, a Hugging Face folder, or one of a
// folder's tokenizer files: tokenizer.json, tokenizer.model
// (SentencePiece's or Llama-3's), *.tiktoken, vocab.json beside merges.txt, vocab.txt. The small files beside it (tokenizer_config.json and so on) are
// read where they exist. Errors are *FormatError, or from the file system.
func Load(path string) (*Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return loadFolder(path)
	}
	dir, name := filepath.Split(path)
	switch {
	case strings.HasSuffix(name, ".gguf"):
		return loadGGUF(path)
	case strings.HasSuffix(name, ".model"):
		return loadSPM(path, dir)
	case strings.HasSuffix(name, ".tiktoken"):
		return loadTiktoken(path, dir)
	case name == "merges.txt" || name == "vocab.json" && exists(filepath.Join(dir, "merges.txt")):
		return loadMerges(dir)
	case name == "vocab.txt":
		return loadVocabText(path, dir)
	case strings.HasSuffix(name, ".json"):
		return loadHF(path, dir)
	}
	return loadUnnamed(path, dir)
}

// loadUnnamed goes by the first bytes.
func loadUnnamed(path, dir string) (*Tokenizer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var head [2 * maxRankToken]byte
	n, _ := io.ReadFull(f, head[:])
	if err := f.Close(); err != nil {
		return nil, err
	}
	switch start := bytes.TrimLeft(head[:n], " \t\r\n"); {
	case string(head[:4]) == "GGUF":
		return loadGGUF(path)
	case len(start) > 0 && start[0] == '{':
		return loadHF(path, dir)
	case isRanks(head[:n]):
		return loadTiktoken(path, dir)
	case filepath.Base(path) == "tok512.bin" || strings.HasSuffix(path, ".bin"):
		return nil, &FormatError{File: path, Offset: 0, Err: errors.New("llama2.c tokenizers (.bin) are not supported; use the model's GGUF file or tokenizer.model")}
	}
	return nil, &FormatError{File: path, Offset: 0, Err: fmt.Errorf("no tokenizer file: begins with %q", head[:min(n, 4)])}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// loadFolder takes the first tokenizer file it finds.
func loadFolder(dir string) (*Tokenizer, error) {
	ranks, err := findRanks(dir)
	if err != nil {
		return nil, err
	}
	for _, l := range []struct {
		name string
		load func(path, dir string) (*Tokenizer, error)
	}{
		{"tokenizer.json", loadHF},
		{"tokenizer.model", loadSPM},
		{filepath.Base(ranks), loadTiktoken},
		{"merges.txt", func(_, dir string) (*Tokenizer, error) { return loadMerges(dir) }},
		{"vocab.txt", loadVocabText},
	} {
		if path := filepath.Join(dir, l.name); l.name != "." && exists(path) {
			return l.load(path, dir)
		}
	}
	return nil, &FormatError{File: dir, Offset: -1, Err: errors.New("no tokenizer.json, tokenizer.model, *.tiktoken, vocab.json with merges.txt, or vocab.txt")}
}

func loadGGUF(path string) (*Tokenizer, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	t, err := FromGGUF(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return t, err
}

func loadHF(path, dir string) (*Tokenizer, error) {
	data, err := readFile(path, maxTokenizerFile)
	if err != nil {
		return nil, err
	}
	f, err := parseHF(data)
	if err != nil {
		return nil, inFile(path, err)
	}
	s, err := f.source()
	if err != nil {
		return nil, inFile(path, err)
	}
	cfg, err := readHFConfig(dir)
	if err != nil {
		return nil, err
	}
	if err := spmScores(s, dir); err != nil {
		return nil, err
	}
	if err := cfg.apply(s); err != nil {
		return nil, inFile(filepath.Join(dir, "tokenizer_config.json"), err)
	}
	if strings.HasPrefix(cfg.Class, "Llama") || strings.HasPrefix(cfg.Class, "CodeLlama") || strings.HasPrefix(cfg.Class, "Gemma") {
		if cfg.AddBOS != nil || cfg.AddEOS != nil { // these classes write the post-processor anew
			s.cfg.around(cfg.AddBOS == nil || *cfg.AddBOS, cfg.AddEOS != nil && *cfg.AddEOS)
		}
	}
	t, err := s.build()
	return t, inFile(path, err)
}

// spmScores takes the scores of a tokenizer.model beside a tokenizer.json that
// has merges instead: llama.cpp needs them in a GGUF file.
func spmScores(s *source, dir string) error {
	path := filepath.Join(dir, "tokenizer.model")
	if s.cfg.Model != "llama" || s.scores != nil || !exists(path) {
		return nil
	}
	data, err := readFile(path, maxTokenizerFile)
	if err != nil {
		return err
	}
	m, err := parseSPM(data)
	if err != nil {
		return inFile(path, err)
	}
	if len(m.pieces) <= len(s.tokens) && slices.Equal(m.pieces, s.tokens[:len(m.pieces)]) {
		s.scores = m.scores
	}
	return nil
}

func loadSPM(path, dir string) (*Tokenizer, error) {
	data, err := readFile(path, maxTokenizerFile)
	if err != nil {
		return nil, err
	}
	if isRanks(data) {
		return loadRanks(path, dir, data)
	}
	m, err := parseSPM(data)
	if err != nil {
		return nil, inFile(path, err)
	}
	cfg, err := readHFConfig(dir)
	if err != nil {
		return nil, err
	}
	s, err := m.source(cfg)
	if err != nil {
		return nil, inFile(path, err)
	}
	if err := cfg.apply(s); err != nil {
		return nil, inFile(filepath.Join(dir, "tokenizer_config.json"), err)
	}
	t, err := s.build()
	return t, inFile(path, err)
}
