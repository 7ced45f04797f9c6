package tokenizer

import (
	"iter"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/qwq-edge/qwq/gguf"
)

// source is what a loader read: everything a Tokenizer is built from.
type source struct {
	cfg      config
	tokens   []string                                 // spelling by id
	views    gguf.Value                               // the same as an array in a file, instead
	types    []uint8                                  // by id
	added    []addedFlag                              // every added token with its flags
	merges   int                                      // number of merges
	merge    func(from int) iter.Seq2[string, string] // the merges from one on; two empty strings: one that is malformed
	pairs    []int32                                  // merges as pairs of ids, instead
	scores   []float32                                // by id; nil = none
	template string
	eog      []int32
	fields   fieldNames
}

// fieldNames are the names errors use, which differ by file format.
type fieldNames struct{ tokens, merges, scores, ids string }

// build checks the source and makes the tokenizer.
func (s *source) build() (*Tokenizer, error) {
	if s.count() == 0 {
		return nil, fieldErr(s.fields.tokens, "no tokens")
	}
	byteLevel := s.cfg.Model == "gpt2"
	v, err := s.vocabulary(byteLevel)
	if err != nil {
		return nil, err
	}
	if s.scores != nil {
		s.scores = append(s.scores, make([]float32, s.count()-len(s.scores))...) // added tokens have none
	}
	t := &Tokenizer{cfg: s.cfg, vocab: v, scores: s.scores, template: s.template}
	if err := s.checkIDs(&t.cfg); err != nil {
		return nil, err
	}
	if t.norm, err = compileNorm(t.cfg.Norm, t.cfg.Charsmap); err != nil {
		return nil, err
	}
	if t.pre, err = compilePre(t.cfg.Pre); err != nil {
		return nil, err
	}
	if err := t.setAdded(s.added); err != nil {
		return nil, err
	}
	if err := t.setDecoder(); err != nil {
		return nil, err
	}
	if t.model, err = s.model(t); err != nil {
		return nil, err
	}
	t.SetEOG(t.cfg.EOS, t.cfg.EOT, t.cfg.EOM)
	t.SetEOG(s.eog...)
	return t, nil
}

// vocabulary fills the arena and the table.
func (s *source) vocabulary(byteLevel bool) (*vocab, error) {
	size := s.views.StrBytes()
	for _, tok := range s.tokens {
		size += len(tok)
	}
	v := newVocab(byteLevel, s.count(), size)
	for id, tok := range s.tokens {
		if err := v.add(tok, s.types[id]); err != nil {
			return nil, err
		}
	}
	id := 0
	for b := range s.views.EachStr(0) {
		if err := v.add(unsafe.String(unsafe.SliceData(b), len(b)), s.types[id]); err != nil { // b is not kept
			return nil, err
		}
		id++
	}
	if a, b := v.index(); a >= 0 {
		return nil, fieldErr(s.fields.tokens, "ids %d and %d are the same token %.40q", a, b, v.spelling(a))
	}
	return v, nil
}

// count returns the number of tokens.
func (s *source) count() int {
	if s.views.Valid() {
		return s.views.Len()
	}
	return len(s.tokens)
}

// checkIDs refuses special ids outside the vocabulary.
func (s *source) checkIDs(c *config) error {
	n := int32(s.count())
	for _, id := range []struct {
		name string
		id   int32
	}{{"bos", c.BOS}, {"eos", c.EOS}, {"eot", c.EOT}, {"eom", c.EOM}, {"padding", c.Pad}, {"unknown", c.Unk},
		{"separator", c.Sep}, {"cls", c.Cls}, {"mask", c.Mask}} {
		if id.id < -1 || id.id >= n {
			return fieldErr(s.fields.ids, "%s id %d is outside the %d tokens", id.name, id.id, n)
		}
	}
	for _, id := range slices.Concat(c.Prefix, c.Suffix) {
		if id < 0 || id >= n {
			return fieldErr(s.fields.ids, "id %d put around a text is outside the %d tokens", id, n)
		}
	}
	return nil
}

// usualAdded returns the flags that an added token of a type has when nothing
// says otherwise; ok is false for a type that is not matched in the text.
func usualAdded(id int32, typ uint8) (f addedFlag, ok bool) {
	switch typ & typeMask {
	case typeControl, typeUnknown:
		return addedFlag{ID: id, Special: true}, true
	case typeUser:
		return addedFlag{ID: id}, true
	}
	return addedFlag{ID: id, None: true}, false
}

// setAdded builds the matchers and keeps the unusual flags in the configuration.
func (t *Tokenizer) setAdded(added []addedFlag) error {
	t.cfg.Added = nil
	t.added = new(matcher)
	is := make(map[int32]bool, len(added))
	for _, f := range added {
		if f.ID < 0 || int(f.ID) >= t.Len() {
			return fieldErr("added_tokens", "id %d is outside the %d tokens", f.ID, t.Len())
		}
		if f.None || is[f.ID] {
			continue
		}
		is[f.ID] = true
		if usual, _ := usualAdded(f.ID, t.vocab.flags[f.ID]); usual != f {
			t.cfg.Added = append(t.cfg.Added, f)
		}
		t.vocab.flags[f.ID] |= flagAdded
		if f.Special {
			t.vocab.flags[f.ID] |= flagSpecial
		}
		text, m := t.vocab.spelling(f.ID), t.added
		if f.Normalized && len(t.norm) > 0 {
			if text = t.norm.apply(text); t.addedN == nil {
				t.addedN = new(matcher)
			}
			m = t.addedN
		}
		if text == "" {
			continue
		}
		if len(text) > maxAddedLen {
			return fieldErr("added_tokens", "id %d has %d bytes, more than %d", f.ID, len(text), maxAddedLen)
		}
		m.add(text, addedToken{f.ID, f.Special, f.SingleWord, f.LStrip, f.RStrip})
	}
	for id, typ := range t.vocab.flags {
		if _, ok := usualAdded(int32(id), typ); ok && !is[int32(id)] {
			t.cfg.Added = append(t.cfg.Added, addedFlag{ID: int32(id), None: true})
		}
	}
	slices.SortFunc(t.cfg.Added, func(a, b addedFlag) int { return int(a.ID) - int(b.ID) })
	return nil
}

// setDecoder makes what decoding needs.
func (t *Tokenizer) setDecoder() error {
	switch d := t.cfg.Dec; d.Kind {
	case "bytes":
		return nil
	case "sp", "metaspace":
		t.raw = makeRaw(t.vocab, d.A)
		return nil
	case "wordpiece":
		t.raw = makeWords(t.vocab, d)
		return nil
	case "clip":
		if d.A != "" {
			return nil
		}
	}
	return fieldErr("decoder", "%q is not supported", t.cfg.Dec.Kind)
}

// model builds the model.
func (s *source) model(t *Tokenizer) (model, error) {
	switch t.cfg.Model {
	case "gpt2", "llama":
		return s.newBPE(t)
	case "bert":
		return s.newWordpiece(t)
	case "t5":
		return s.newUnigram(t)
	}
	return nil, fieldErr(s.fields.tokens, "model %q is not supported", t.cfg.Model)
}

func (s *source) newBPE(t *Tokenizer) (*bpe, error) {
	v, c := t.vocab, &t.cfg
	b := &bpe{vocab: v, bytesOnly: v.byteLevel, unk: c.Unk, fuseUnk: c.FuseUnk, fallback: c.ByteFallback,
		ignoreMerges: c.IgnoreMerges, suffix: c.WordSuffix, self: make([]atomic.Uint32, v.len()/16+1)}
	for i := range b.byteID {
		if v.byteLevel {
			b.byteID[i] = v.find(string([]byte{byte(i)}))
		} else {
			b.byteID[i] = v.find(byteSpelling(byte(i)))
		}
	}
	for i := range b.ascii {
		b.ascii[i] = v.find(string(rune(i)))
	}
	set := s.setMerges
	if s.merge == nil && s.pairs == nil {
		set = s.setScores
	}
	if err := set(b); err != nil {
		return nil, err
	}
	if !v.byteLevel {
		b.findCuts()
	}
	b.blocks = b.findBlocks()
	return b, nil
}

// byteSpelling returns SentencePiece's name of a byte token, <0x0A>.
func byteSpelling(b byte) string {
	const hex = "0123456789ABCDEF"
	return "<0x" + string(hex[b>>4]) + string(hex[b&15]) + ">"
}

// setScores ranks the tokens by score: merging by the text of both.
func (s *source) setScores(b *bpe) error {
	if s.scores == nil {
		return fieldErr(s.fields.merges, "neither merges nor scores")
	}
	order := make([]int32, 0, len(s.scores))
	for id, score := range s.scores {
		if math.IsNaN(float64(score)) {
			return fieldErr(s.fields.scores, "score %d is not a number", id)
		}
		if b.vocab.flags[id]&typeMask == typeNormal {
			order = append(order, int32(id))
		}
	}
	slices.SortFunc(order, func(x, y int32) int {
		switch a, b := s.scores[x], s.scores[y]; {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return int(x - y)
	})
	b.prio = make([]uint32, len(s.scores))
	for i := range b.prio {
		b.prio[i] = noRank
	}
	for i, id := range order {
		if i > 0 && s.scores[id] != s.scores[order[i-1]] {
			b.ranks++
		}
		b.prio[id] = uint32(b.ranks)
	}
	b.ranks++
	return nil
}

// findCuts notes the bytes that no token holds before a visible space.
func (b *bpe) findCuts() {
	for i := range b.cutBefore {
		b.cutBefore[i] = true
	}
	for id := range int32(b.vocab.len()) {
		k := string(b.vocab.key(id))
		for at := 1; at < len(k); at++ {
			i := strings.Index(k[at:], metaspace)
			if i < 0 {
				break
			}
			if at += i; !strings.HasSuffix(k[:at], metaspace) {
				b.cutBefore[k[at-1]] = false
				if k[at-1] == '>' { // may be a byte token, which stands for any byte
					clear(b.cutBefore[:])
				}
			}
		}
	}
	b.cuts = b.cutBefore != [256]bool{}
}
