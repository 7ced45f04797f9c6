package tokenizer

import (
	"encoding/json"
	"iter"
	"math"
	"unsafe"

	"github.com/qwq-edge/qwq/gguf"
)

// maxConfig bounds qwq.tokenizer.config.
const maxConfig = 16 << 20

// FromGGUF reads the tokenizer of a GGUF file. It keeps no reference to f.
// Errors are *FormatError naming the key.
func FromGGUF(f *gguf.File) (*Tokenizer, error) {
	s := &source{fields: fieldNames{tokens: keyTokens, merges: keyMerges, scores: keyScores, ids: "tokenizer.ggml"}}
	if err := s.readGGUF(f); err != nil {
		return nil, inFile(f.Path(), err)
	}
	t, err := s.build()
	return t, inFile(f.Path(), err)
}

// readGGUF reads the keys.
func (s *source) readGGUF(f *gguf.File) error {
	if _, has := f.Get(keyModel); !has {
		return fieldErr(keyModel, "missing: the file holds no tokenizer")
	}
	if s.views, _ = f.Get(keyTokens); !isStrings(s.views) {
		return fieldErr(keyTokens, "missing, or no strings")
	}
	if err := s.ggufTypes(f); err != nil {
		return err
	}
	var err error
	if s.cfg, err = ggufConfig(f, s.count()); err != nil {
		return err
	}
	if s.cfg.Model == "bert" {
		s.tokens, _ = s.views.Strs()
		s.views = gguf.Value{}
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
		if id < 0 || id >= int64(s.count()) {
			return fieldErr(keyOwnEOG, "id %d is outside the %d tokens", id, s.count())
		}
		s.eog = append(s.eog, int32(id))
	}
	return nil
}

// ggufTypes reads the token types; without them every token is a normal one.
func (s *source) ggufTypes(f *gguf.File) error {
	s.types = make([]uint8, s.count())
	for i := range s.types {
		s.types[i] = typeNormal
	}
	v, ok := f.Get(keyTypes)
	if ok && v.Len() != s.count() {
		return fieldErr(keyTypes, "%d types for %d tokens", v.Len(), s.count())
	}
	for i, typ := range v.EachInt() {
		if typ < 0 || typ > typeByte {
			return fieldErr(keyTypes, "token %d has type %d", i, typ)
		}
		if typ != 0 { // undefined, as old files have it, is normal
			s.types[i] = uint8(typ)
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
		if f.ID < 0 || int(f.ID) >= s.count() {
			return fieldErr(keyOwnConfig, "added token %d is outside the %d tokens", f.ID, s.count())
		}
		own[f.ID] = f
	}
	for id, typ := range s.types {
		if typ == typeNormal && len(own) == 0 {
			continue
		}
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
		if len(scores) != s.count() {
			return fieldErr(keyScores, "%d scores for %d tokens", len(scores), s.count())
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
	if !isStrings(v) {
		return fieldErr(keyMerges, "missing, or no strings")
	}
	s.merges, s.merge = v.Len(), func(from int) iter.Seq2[string, string] {
		return func(yield func(l, r string) bool) {
			for b := range v.EachStr(from) {
				l, r, _ := cutMerge(unsafe.String(unsafe.SliceData(b), len(b))) // not kept
				if !yield(l, r) {
					return
				}
			}
		}
	}
	return nil
}

func isStrings(v gguf.Value) bool {
	return v.Type() == gguf.TypeArray && v.Elem() == gguf.TypeString
}
