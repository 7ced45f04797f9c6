package tokenizer

import (
	"path/filepath"
	"strings"
)

// loadVocabText reads vocab.txt, BERT's vocabulary: one token a line, the id is
// the line. The normalizer's switches are in tokenizer_config.json.
func loadVocabText(path, dir string) (*Tokenizer, error) {
	data, err := readFile(path, maxTokenizerFile)
	if err != nil {
		return nil, err
	}
	cfg, err := readHFConfig(dir)
	if err != nil {
		return nil, err
	}
	s := &source{cfg: newConfig("bert"), fields: fieldNames{tokens: "line", ids: "tokenizer_config.json"}}
	for line := range strings.Lines(string(data)) {
		s.tokens, s.types = append(s.tokens, strings.TrimRight(line, "\r\n")), append(s.types, typeNormal)
	}
	for to, name := range map[*hfName]hfName{&cfg.Unk: "[UNK]", &cfg.Sep: "[SEP]", &cfg.Cls: "[CLS]", &cfg.Pad: "[PAD]", &cfg.Mask: "[MASK]"} {
		if *to == "" {
			*to = name
		}
	}
	if err := cfg.apply(s); err != nil {
		return nil, inFile(filepath.Join(dir, "tokenizer_config.json"), err)
	}
	s.cfg.standardBERT()
	n := hfNode{Chinese: cfg.Chinese, StripAccents: cfg.StripAccents, Lowercase: cfg.Lowercase}
	s.cfg.Norm = []step{n.bertStep()}
	t, err := s.build()
	return t, inFile(path, err)
}
