package tokenizer

import (
	"errors"
	"iter"
	"math"
)

// hfTokens collects the vocabulary of a Hugging Face file.
type hfTokens struct {
	names  []string
	ids    []int32
	maxID  int32
	merges []string // left, right, left, right …
	scores []float32
}

func (h *hfTokens) add(name string, id int32) {
	h.names, h.ids = append(h.names, name), append(h.ids, id)
	h.maxID = max(h.maxID, id)
}

// maxHoles bounds the ids without a token: files number their added tokens with
// gaps, and every id costs memory.
const maxHoles = 1 << 16

// place puts the tokens in the order of their ids. Ids without a token get
// padding, of type unused.
func (h *hfTokens) place(s *source) error {
	if len(h.ids) == 0 {
		return fieldErr(s.fields.tokens, "no tokens")
	}
	if int(h.maxID) >= len(h.ids)+maxHoles {
		return fieldErr(s.fields.tokens, "token id %d with only %d tokens", h.maxID, len(h.ids))
	}
	s.tokens, s.types = make([]string, h.maxID+1), make([]uint8, h.maxID+1)
	for i, id := range h.ids {
		if s.types[id] != 0 {
			return fieldErr(s.fields.tokens, "tokens %.40q and %.40q both have id %d", s.tokens[id], h.names[i], id)
		}
		s.tokens[id], s.types[id] = h.names[i], typeNormal
	}
	if s.cfg.Model != "gpt2" {
		for id, name := range s.tokens {
			if _, ok := byteToken(name); ok {
				s.types[id] = typeByte
			}
		}
	}
	return nil
}

// fillHoles names the ids that have no token.
func fillHoles(s *source) {
	for id, typ := range s.types {
		if typ == 0 {
			s.tokens[id], s.types[id] = padToken(id), typeUnused
		}
	}
}

// padToken is the name of an id that the embedding has and the tokenizer has not.
func padToken(id int) string { return "[PAD" + itoa(id) + "]" }

// readVocab reads an object of token: id.
func (r *jsonReader) readVocab(h *hfTokens) {
	r.object(func(name string) { h.add(name, r.id()) })
}

// readMerges reads a list of "left right" or ["left", "right"].
func (r *jsonReader) readMerges(h *hfTokens) {
	r.array(func() {
		if r.space() == '[' {
			n := 0
			r.array(func() {
				h.merges = append(h.merges, r.str())
				n++
			})
			if r.err == nil && n != 2 {
				r.fail("a merge of %d parts", n)
			}
			return
		}
		left, right, err := cutMerge(r.str())
		if r.err == nil && err != nil {
			r.fail("%v", err)
		}
		h.merges = append(h.merges, left, right)
	})
}

var errMerge = errors.New("want two tokens with a space between them")

// cutMerge splits "left right".
func cutMerge(s string) (left, right string, err error) {
	at, n := 0, 0
	for i := range len(s) { // short: faster than a search
		if s[i] == ' ' {
			at = i
			n++
		}
	}
	if n != 1 || at == 0 || at == len(s)-1 {
		return "", "", errMerge
	}
	return s[:at], s[at+1:], nil
}

// readUnigram reads a list of [token, score]; the id is the place.
func (r *jsonReader) readUnigram(h *hfTokens) {
	r.array(func() {
		n := 0
		r.array(func() {
			switch n++; n {
			case 1:
				h.add(r.str(), int32(len(h.ids)))
			case 2:
				f, err := parseFloat(string(r.raw()))
				if err != nil || math.IsNaN(float64(f)) {
					r.fail("score %d is no number", len(h.scores))
				}
				h.scores = append(h.scores, f)
			default:
				r.raw()
			}
		})
		if r.err == nil && n != 2 {
			r.fail("an entry of %d parts", n)
		}
	})
}

// mergeFunc returns the merges as a source wants them.
func (h *hfTokens) mergeFunc() func(from int) iter.Seq2[string, string] {
	return func(from int) iter.Seq2[string, string] {
		return func(yield func(l, r string) bool) {
			for i := 2 * from; i < len(h.merges) && yield(h.merges[i], h.merges[i+1]); i += 2 {
			}
		}
	}
}
