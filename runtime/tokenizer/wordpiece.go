package tokenizer

import "unicode/utf8"

// wordpiece is BERT's model: the longest token that begins a word, then the
// longest continuation (spelled with a prefix) and so on; a word that does not
// come out even is unknown as a whole.
type wordpiece struct {
	vocab    *vocab
	cont     *vocab // continuations without their prefix; ids in contID
	contID   []int32
	unk      int32
	maxChars int
}

// maxWordChars bounds max_input_chars_per_word, usually 100: the work for a word
// is quadratic.
const maxWordChars = 1000

func (s *source) newWordpiece(t *Tokenizer) (*wordpiece, error) {
	c := &t.cfg
	w := &wordpiece{vocab: t.vocab, cont: newVocab(false, 0, 0), unk: c.Unk, maxChars: c.MaxWordChars}
	if c.WordPrefix == "" {
		return nil, fieldErr("model.continuing_subword_prefix", "is empty")
	}
	if c.MaxWordChars < 1 || c.MaxWordChars > maxWordChars {
		return nil, fieldErr("model.max_input_chars_per_word", "%d is not from 1 to %d", c.MaxWordChars, maxWordChars)
	}
	if c.Unk < 0 {
		return nil, fieldErr("model.unk_token", "missing")
	}
	for id := range int32(t.vocab.len()) {
		if k := string(t.vocab.key(id)); len(k) > len(c.WordPrefix) && k[:len(c.WordPrefix)] == c.WordPrefix {
			if err := w.cont.add(k[len(c.WordPrefix):], typeNormal); err != nil {
				return nil, err
			}
			w.contID = append(w.contID, id)
		}
	}
	w.cont.index()
	return w, nil
}

// appendPiece appends the ids of a word.
func (w *wordpiece) appendPiece(dst []int32, _ *scratch, word string) []int32 {
	if len(word) > w.maxChars && utf8.RuneCountInString(word) > w.maxChars {
		return append(dst, w.unk)
	}
	from := len(dst)
	for at := 0; at < len(word); {
		v := w.vocab
		if at > 0 {
			v = w.cont
		}
		id, end := int32(-1), min(len(word), at+v.maxLen)
		for ; end > at; end-- {
			if end < len(word) && !utf8.RuneStart(word[end]) {
				continue
			}
			if id = v.find(word[at:end]); id >= 0 {
				break
			}
		}
		if id < 0 {
			return append(dst[:from], w.unk)
		}
		if at > 0 {
			id = w.contID[id]
		}
		dst = append(dst, id)
		at = end
	}
	return dst
}
