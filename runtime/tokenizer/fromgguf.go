package tokenizer

import (
	"encoding/json"
	"math"

	"github.com/qwq-edge/qwq/gguf"
)

// maxConfig bounds qwq.tokenizer.config.
const maxConfig = 16 << 20

// FromGGUF reads the tokenizer of a GGUF file. It keeps no reference to f.
// Errors are *FormatError naming the key.
func FromGGUF(f *gguf.File) (*Tokenizer, error) {
	s := &source{fields: fieldNames{tokens: keyTokens, merges: keyMerges, scores: keyScores, ids: "tokenizer.ggml"}}
	defer func() {
		if s.ready != nil {
			s.ready() // nothing reads f when this returns
		}
	}()
	if err := s.readGGUF(f); err != nil {
		return nil, inFile(f.Path(), err)
	}
	t, err := s.build()
	return t, inFile(f.Path(), err)
}

// readGGUF reads the keys.
func (s *source) readGGUF(f *gguf.File) error {
	var ok bool
	if _, has := f.Get(keyModel); !has {
		return fieldErr(keyModel, "missing: the file holds no tokenizer")
	}
	if s.tokens, ok = f.Strs(keyTokens); !ok {
		return fieldErr(keyTokens, "missing, or no strings")
	}
	if err := s.ggufTypes(f); err != nil {
		return err
	}
	var err error
	if s.cfg, err = ggufConfig(f, len(s.tokens)); err != nil {
		return err
	}
	if s.cfg.Model == "bert" {
		s.plainWords()
	}
	s.defaultIDs()
	if err := s.ggufAdded(); err != nil {
		return err
	}
	if err := s.ggufMerges(f); err != nil {
		return err
	}
	s.template, _ = f.Str(keyTemplate)
	ids, _ := f.Ints(keyOwnEOG)
	for _, id := range ids {
		if id < 0 || id >= int64(len(s.tokens)) {
			return fieldErr(keyOwnEOG, "id %d is outside the %d tokens", id, len(s.tokens))
		}
		s.eog = append(s.eog, int32(id))
	}
	return nil
}

// ggufTypes reads the token types; without them every token is a normal one.
func (s *source) ggufTypes(f *gguf.File) error {
	s.types = make([]uint8, len(s.tokens))
	types, ok := f.Ints(keyTypes)
	if ok && len(types) != len(s.tokens) {
		return fieldErr(keyTypes, "%d types for %d tokens", len(types), len(s.tokens))
	}
	for i := range s.types {
		s.types[i] = typeNormal
		if !ok {
			continue
		}
		if types[i] < 0 || types[i] > typeByte {
			return fieldErr(keyTypes, "token %d has type %d", i, types[i])
		}
		if types[i] != 0 { // undefined, as old files have it, is normal
			s.types[i] = uint8(types[i])
		}
	}
	return nil
}

// ggufConfig reads the configuration: our own key where there is one.
func ggufConfig(f *gguf.File, n int) (config, error) {
	own, ok := f.Str(keyOwnConfig)
	if !ok {
		return standardConfig(f.Get, n)
	}
	model, _ := f.Str(keyModel)
	c := newConfig("")
	if len(own) > maxConfig {
		return c, fieldErr(keyOwnConfig, "%d bytes, more than %d", len(own), maxConfig)
	}
	if err := json.Unmarshal([]byte(own), &c); err != nil {
		return c, fieldErr(keyOwnConfig, "%w", err)
	}
	if c.Model != model {
		return c, fieldErr(keyOwnConfig, "is for model %.20q, the file says %.20q", c.Model, model)
	}
	if model == "t5" {
		std, err := standardConfig(f.Get, n)
		if err != nil {
			return c, err
		}
		c.Charsmap = std.Charsmap
	}
	return c, c.readIDs(f.Get, n)
}

// defaultIDs finds <unk> by its type where a SentencePiece file does not name it.
func (s *source) defaultIDs() {
	c := &s.cfg
	if c.Model != "llama" && c.Model != "t5" {
		return
	}
	for id, typ := range s.types {
		if c.Unk < 0 && typ == typeUnknown {
			c.Unk = int32(id)
		}
	}
}

// ggufAdded lists the added tokens: by type, but for those the configuration
// names.
func (s *source) ggufAdded() error {
	own := make(map[int32]addedFlag, len(s.cfg.Added))
	for _, f := range s.cfg.Added {
		if f.ID < 0 || int(f.ID) >= len(s.tokens) {
			return fieldErr(keyOwnConfig, "added token %d is outside the %d tokens", f.ID, len(s.tokens))
		}
		own[f.ID] = f
	}
	for id, typ := range s.types {
		f, ok := own[int32(id)]
		if !ok {
			f, ok = usualAdded(int32(id), typ)
		}
		if ok && !f.None {
			s.added = append(s.added, f)
		}
	}
	return nil
}

// ggufMerges reads merges or scores, whichever the model goes by.
func (s *source) ggufMerges(f *gguf.File) error {
	if scores, ok := f.Floats(keyScores); ok {
		if len(scores) != len(s.tokens) {
			return fieldErr(keyScores, "%d scores for %d tokens", len(scores), len(s.tokens))
		}
		s.scores = scores
	}
	if pairs, ok := f.Ints(keyOwnMerges); ok {
		if len(pairs)%2 != 0 {
			return fieldErr(keyOwnMerges, "%d ids, not pairs", len(pairs))
		}
		s.fields.merges = keyOwnMerges
		s.pairs = make([]int32, len(pairs))
		for i, id := range pairs {
			if id < 0 || id > math.MaxInt32 {
				return fieldErr(keyOwnMerges, "id %d", id)
			}
			s.pairs[i] = int32(id)
		}
		return nil
	}
	if s.cfg.Model == "t5" && s.scores == nil {
		return fieldErr(keyScores, "missing, or no numbers")
	}
	if s.cfg.Model != "gpt2" {
		return nil
	}
	v, _ := f.Get(keyMerges)
	if v.Type() != gguf.TypeArray || v.Elem() != gguf.TypeString {
		return fieldErr(keyMerges, "missing, or no strings")
	}
	// The strings are read while the vocabulary is built.
	var merges []string
	done := make(chan struct{})
	go func() {
		merges, _ = v.Strs()
		close(done)
	}()
	s.ready = func() { <-done }
	s.merges = v.Len()
	s.merge = func(i int) (string, string, error) { return cutMerge(merges[i]) }
	return nil
}
