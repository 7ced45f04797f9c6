package tokenizer

import "strings"

// spModel is a SentencePiece tokenizer.model: the fields of ModelProto that
// decide ids. Field numbers are those of sentencepiece_model.proto.
type spModel struct {
	pieces        []string
	scores        []float32
	types         []uint8 // SentencePiece's numbers are GGUF's
	kind          uint64  // trainer: 1 unigram, 2 BPE, 3 word, 4 char
	byteFallback  bool
	unk, bos      int32
	eos, pad      int32
	wsSuffix      bool // treat_whitespace_as_suffix
	charsmap      []byte
	dummyPrefix   bool
	removeExtra   bool
	escapeSpaces  bool
	denormalizers bool
}

// parseSPM reads a tokenizer.model.
func parseSPM(data []byte) (*spModel, error) {
	m := &spModel{kind: 1, unk: 0, bos: 1, eos: 2, pad: -1, dummyPrefix: true, removeExtra: true, escapeSpaces: true}
	r := &protoReader{data: data}
	for {
		f, ok, err := r.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if f.wire != 2 {
			continue
		}
		sub := &protoReader{data: f.data, base: f.at}
		switch f.tag {
		case 1:
			err = m.piece(sub)
		case 2:
			err = m.trainer(sub)
		case 3:
			err = m.normalizer(sub)
		case 5:
			m.denormalizers = len(f.data) > 0
		}
		if err != nil {
			return nil, err
		}
	}
	if len(m.pieces) == 0 {
		return nil, fieldErr("pieces", "no pieces; not a SentencePiece model?")
	}
	return m, nil
}

// fields calls f for every field of r.
func (r *protoReader) fields(f func(protoField) error) error {
	for {
		x, ok, err := r.next()
		if err != nil || !ok {
			return err
		}
		if err := f(x); err != nil {
			return err
		}
	}
}

func (m *spModel) piece(r *protoReader) error {
	text, score, typ := "", float32(0), uint64(typeNormal)
	err := r.fields(func(f protoField) error {
		switch {
		case f.tag == 1 && f.wire == 2:
			text = string(f.data)
		case f.tag == 2 && f.wire == 5:
			score = f.float()
		case f.tag == 3 && f.wire == 0:
			typ = f.num
		}
		return nil
	})
	if err != nil {
		return err
	}
	if typ < typeNormal || typ > typeByte {
		return r.fail("piece %d: type %d", len(m.pieces), typ)
	}
	m.pieces, m.scores, m.types = append(m.pieces, text), append(m.scores, score), append(m.types, uint8(typ))
	return nil
}

func (m *spModel) trainer(r *protoReader) error {
	return r.fields(func(f protoField) error {
		if f.wire != 0 {
			return nil
		}
		switch f.tag {
		case 3:
			m.kind = f.num
		case 24:
			m.wsSuffix = f.num != 0
		case 35:
			m.byteFallback = f.num != 0
		case 40:
			m.unk = int32(f.num)
		case 41:
			m.bos = int32(f.num)
		case 42:
			m.eos = int32(f.num)
		case 43:
			m.pad = int32(f.num)
		}
		return nil
	})
}

func (m *spModel) normalizer(r *protoReader) error {
	return r.fields(func(f protoField) error {
		switch {
		case f.tag == 2 && f.wire == 2:
			m.charsmap = f.data
		case f.tag == 3 && f.wire == 0:
			m.dummyPrefix = f.num != 0
		case f.tag == 4 && f.wire == 0:
			m.removeExtra = f.num != 0
		case f.tag == 5 && f.wire == 0:
			m.escapeSpaces = f.num != 0
		}
		return nil
	})
}

// source turns the model into what a tokenizer is built from. cfg is the
// folder's configuration, whose legacy and add_prefix_space decide where a
// space goes before the text; nil: as SentencePiece itself does it.
func (m *spModel) source(cfg *hfConfig) (*source, error) {
	s := &source{fields: fieldNames{tokens: "pieces", merges: "trainer_spec", scores: "pieces", ids: "trainer_spec"}}
	s.cfg = newConfig("llama")
	c := &s.cfg
	switch {
	case m.kind == 1:
		return m.unigram(s, cfg)
	case m.kind != 2:
		return nil, fieldErr("trainer_spec.model_type", "%d is not supported", m.kind)
	case m.wsSuffix:
		return nil, fieldErr("trainer_spec.treat_whitespace_as_suffix", "is not supported")
	case m.denormalizers:
		return nil, fieldErr("denormalizer_spec", "is not supported")
	case !m.escapeSpaces:
		return nil, fieldErr("normalizer_spec.escape_whitespaces", "false is not supported")
	case m.removeExtra:
		return nil, fieldErr("normalizer_spec.remove_extra_whitespaces", "is not supported for BPE")
	case len(m.charsmap) > 0:
		return nil, fieldErr("normalizer_spec.precompiled_charsmap", "is not supported for BPE")
	}
	prefix, first := m.dummyPrefix, false
	if cfg != nil && cfg.AddPrefixSpace != nil {
		prefix = prefix && *cfg.AddPrefixSpace
	}
	if cfg != nil && cfg.Legacy != nil {
		first = !*cfg.Legacy
	}
	c.spaces(prefix, first)
	c.ByteFallback, c.FuseUnk = m.byteFallback, true
	m.fill(s)
	addBOS, addEOS := true, false
	if cfg != nil && cfg.AddBOS != nil {
		addBOS = *cfg.AddBOS
	}
	if cfg != nil && cfg.AddEOS != nil {
		addEOS = *cfg.AddEOS
	}
	c.around(addBOS, addEOS)
	return s, nil
}

// unigram is source for Unigram models, as T5 uses them: </s> after a text.
func (m *spModel) unigram(s *source, cfg *hfConfig) (*source, error) {
	switch {
	case m.wsSuffix || m.denormalizers || !m.escapeSpaces:
		return nil, fieldErr("normalizer_spec", "spaces as suffix, unescaped, or a denormalizer are not supported for unigram")
	case cfg != nil && cfg.Class != "" && !strings.HasPrefix(cfg.Class, "T5"):
		return nil, fieldErr("tokenizer_class", "%q needs a tokenizer.json", cfg.Class)
	}
	s.cfg.Model, s.cfg.ByteFallback, s.cfg.Charsmap = "t5", m.byteFallback, m.charsmap
	if len(m.charsmap) > 0 {
		s.cfg.Norm = append(s.cfg.Norm, step{Op: "charsmap"})
	}
	if m.removeExtra {
		s.cfg.Norm = append(s.cfg.Norm, step{Op: "strip", Right: true}, step{Op: "replace", A: " {2,}", Regex: true, B: metaspace})
	}
	s.cfg.Pre = []step{{Op: "metaspace", A: metaspace, B: "never", Split: true}}
	s.cfg.Dec = decodeSpec{Kind: "sp", A: metaspace}
	if m.dummyPrefix {
		s.cfg.Pre[0].B, s.cfg.Dec.Kind = "always", "metaspace"
	}
	m.fill(s)
	s.cfg.around(false, true)
	return s, nil
}

// fill gives the source the pieces and the special ids.
func (m *spModel) fill(s *source) {
	c := &s.cfg
	s.tokens, s.types, s.scores = m.pieces, m.types, m.scores
	n := int32(len(s.tokens))
	for _, id := range []struct {
		to   *int32
		from int32
	}{{&c.BOS, m.bos}, {&c.EOS, m.eos}, {&c.Unk, m.unk}, {&c.Pad, m.pad}} {
		if id.from >= 0 && id.from < n {
			*id.to = id.from
		}
	}
	for id, typ := range s.types {
		if f, ok := usualAdded(int32(id), typ); ok {
			s.added = append(s.added, f)
		}
	}
}

// spaces sets SentencePiece's handling of spaces: prefix puts one before every
// text between added tokens, or (first) before a text that begins with none.
func (c *config) spaces(prefix, first bool) {
	c.Dec = decodeSpec{Kind: "sp", A: metaspace, Strip: prefix}
	if first {
		c.Pre = []step{{Op: "metaspace", A: metaspace, B: "first"}}
		if !prefix {
			c.Pre[0].B = "never"
		}
		return
	}
	if prefix {
		c.Norm = append(c.Norm, step{Op: "prepend", A: metaspace})
	}
	c.Norm = append(c.Norm, step{Op: "replace", A: " ", B: metaspace})
}

// around puts BOS and EOS around a text.
func (c *config) around(bos, eos bool) {
	c.Prefix, c.Suffix = nil, nil
	if bos && c.BOS >= 0 {
		c.Prefix = []int32{c.BOS}
	}
	if eos && c.EOS >= 0 {
		c.Suffix = []int32{c.EOS}
	}
}
