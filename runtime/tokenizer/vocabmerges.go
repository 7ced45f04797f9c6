package tokenizer

import (
	"bytes"
	"path/filepath"
	"strings"
)

// loadMerges reads vocab.json and merges.txt, the files of GPT-2 and its heirs.
// Which pre-tokenizer belongs to them only tokenizer_config.json's class says.
func loadMerges(dir string) (*Tokenizer, error) {
	vocabPath, mergesPath := filepath.Join(dir, "vocab.json"), filepath.Join(dir, "merges.txt")
	vocab, err := readFile(vocabPath, maxTokenizerFile)
	if err != nil {
		return nil, err
	}
	merges, err := readFile(mergesPath, maxTokenizerFile)
	if err != nil {
		return nil, err
	}
	cfg, err := readHFConfig(dir)
	if err != nil {
		return nil, err
	}
	var h hfTokens
	r := &jsonReader{data: vocab}
	r.readVocab(&h)
	if err := r.end(); err != nil {
		return nil, inFile(vocabPath, err)
	}
	s := &source{cfg: newConfig("gpt2"), fields: fieldNames{tokens: "vocab", merges: "merges", ids: "tokenizer_config.json"}}
	if err := h.place(s); err != nil {
		return nil, inFile(vocabPath, err)
	}
	if err := h.readMergesText(merges); err != nil {
		return nil, inFile(mergesPath, err)
	}
	s.merges, s.merge = len(h.merges)/2, h.mergeFunc()
	if err := cfg.class(s); err != nil {
		return nil, inFile(filepath.Join(dir, "tokenizer_config.json"), err)
	}
	if err := cfg.apply(s); err != nil {
		return nil, inFile(filepath.Join(dir, "tokenizer_config.json"), err)
	}
	cfg.classAround(s)
	t, err := s.build()
	if fe, ok := err.(*FormatError); ok && strings.HasPrefix(fe.Field, "merges") {
		return nil, inFile(mergesPath, err)
	}
	return t, inFile(vocabPath, err)
}

// readMergesText reads "left right" lines. A first line that begins with
// #version is a comment.
func (h *hfTokens) readMergesText(b []byte) error {
	for off := 0; off < len(b); {
		line := b[off:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i]
		}
		at := off
		off += len(line) + 1
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 || at == 0 && bytes.HasPrefix(line, []byte("#version")) {
			continue
		}
		l, r, err := cutMerge(string(line))
		if err != nil {
			return &FormatError{Offset: int64(at), Field: "merges[" + itoa(len(h.merges)/2) + "]", Err: err}
		}
		h.merges = append(h.merges, l, r)
	}
	return nil
}

// class sets the pipeline of a tokenizer class that has no tokenizer.json.
func (c *hfConfig) class(s *source) error {
	s.cfg.Dec = decodeSpec{Kind: "bytes"}
	split := step{Op: "split", Regex: true, B: "isolated"}
	switch strings.TrimSuffix(c.Class, "Fast") {
	case "", "GPT2Tokenizer":
		split.A = patternGPT2
		if c.AddPrefixSpace != nil && *c.AddPrefixSpace {
			s.cfg.Pre = append(s.cfg.Pre, step{Op: "prefix_space"})
		}
	case "CLIPTokenizer":
		split.A, split.B, split.Invert = patternCLIP, "removed", true
		s.cfg.Norm = []step{{Op: "nfc"}, {Op: "replace", A: `\s+`, Regex: true, B: " "}, {Op: "lower"}}
		s.cfg.WordSuffix, s.cfg.Dec = "</w>", decodeSpec{Kind: "clip", A: "</w>"}
	case "Qwen2Tokenizer":
		split.A = patternQwen
		s.cfg.Norm = []step{{Op: "nfc"}}
	default:
		return fieldErr("tokenizer_class", "%q needs a tokenizer.json", c.Class)
	}
	s.cfg.Pre = append(s.cfg.Pre, split)
	return nil
}

// classAround puts BOS before a text where the class does so.
func (c *hfConfig) classAround(s *source) {
	clip := strings.HasPrefix(c.Class, "CLIP")
	s.cfg.around(clip || c.AddBOS != nil && *c.AddBOS, clip)
}
