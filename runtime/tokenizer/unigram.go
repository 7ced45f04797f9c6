package tokenizer

import (
	"math"
	"unicode/utf8"
)

// unigram is SentencePiece's Unigram model: of all ways to cut a word into
// tokens the one with the largest sum of scores (Viterbi). Of equal sums the
// path whose last token starts earlier wins: starts are tried in ascending
// order and only a larger sum replaces.
type unigram struct {
	vocab    *vocab
	trie     *trie
	scores   []float32
	unk      int32
	unkScore float64
	fallback bool
	byteID   [256]int32
}

// unkPenalty is how far below the lowest score an unknown character is.
const unkPenalty = 10

// maxPiece bounds a token, and with it the work per character.
const maxPiece = 1024

// maxTrieNodes bounds the bytes of the vocabulary, which the trie numbers.
const maxTrieNodes = 1 << 23

func (s *source) newUnigram(t *Tokenizer) (*unigram, error) {
	if len(t.scores) != t.vocab.len() {
		return nil, fieldErr(s.fields.scores, "%d scores for %d tokens", len(t.scores), t.vocab.len())
	}
	if len(t.vocab.arena) > maxTrieNodes {
		return nil, fieldErr(s.fields.tokens, "%d bytes of tokens, more than %d", len(t.vocab.arena), maxTrieNodes)
	}
	u := &unigram{vocab: t.vocab, trie: newTrie(len(t.vocab.arena)), scores: t.scores, unk: t.cfg.Unk, fallback: t.cfg.ByteFallback}
	low := math.Inf(1)
	for id := range int32(t.vocab.len()) {
		if math.IsNaN(float64(t.scores[id])) || math.IsInf(float64(t.scores[id]), 0) {
			return nil, fieldErr(s.fields.scores, "score %d is not a finite number", id)
		}
		typ := t.vocab.flags[id] & typeMask
		if typ != typeNormal && typ != typeUser && typ != typeByte {
			continue
		}
		if typ == typeNormal {
			low = min(low, float64(t.scores[id]))
		}
		if len(t.vocab.key(id)) > maxPiece {
			return nil, fieldErr(s.fields.tokens, "token %d has %d bytes, more than %d", id, len(t.vocab.key(id)), maxPiece)
		}
		u.trie.add(t.vocab.key(id), id)
	}
	if math.IsInf(low, 1) {
		low = 0
	}
	u.unkScore = low - unkPenalty
	for i := range u.byteID {
		u.byteID[i] = t.vocab.find(byteSpelling(byte(i)))
	}
	return u, nil
}

// lattice is the best path to every position of a word.
type lattice struct {
	score []float64
	from  []int32
	id    []int32
}

// appendPiece appends the ids of a word.
func (u *unigram) appendPiece(dst []int32, sc *scratch, w string) []int32 {
	n := len(w)
	l := &sc.lattice
	l.score, l.from, l.id = grow(l.score, n+1), grow(l.from, n+1), grow(l.id, n+1)
	for i := range n + 1 {
		l.from[i] = -1
	}
	l.score[0] = 0
	reach := func(end, start int, id int32, score float64) {
		if l.from[end] < 0 || score > l.score[end] {
			l.from[end], l.id[end], l.score[end] = int32(start), id, score
		}
	}
	for at := 0; at < n; {
		_, size := utf8.DecodeRuneInString(w[at:])
		here, single := l.score[at], false
		for node, i := int32(0), at; i < n; i++ {
			if node = u.trie.child(node, w[i]); node == 0 {
				break
			}
			if id := u.trie.token[node]; id >= 0 {
				reach(i+1, at, id, here+float64(u.scores[id]))
				single = single || i+1 == at+size
			}
		}
		if !single {
			reach(at+size, at, u.unk, here+u.unkScore)
		}
		at += size
	}
	return u.appendPath(dst, sc, w)
}

// appendPath appends the tokens of the best path; neighbouring unknown
// characters are one.
func (u *unigram) appendPath(dst []int32, sc *scratch, w string) []int32 {
	l := &sc.lattice
	sc.start = sc.start[:0]
	for at := int32(len(w)); at > 0; at = l.from[at] {
		sc.start = append(sc.start, at)
	}
	unknown := -1 // where a run of unknown characters begins
	flush := func(end int) {
		if unknown < 0 {
			return
		}
		dst = u.appendUnknown(dst, w[unknown:end])
		unknown = -1
	}
	for i := len(sc.start) - 1; i >= 0; i-- {
		end := sc.start[i]
		id, from := l.id[end], int(l.from[end])
		if id == u.unk {
			if unknown < 0 {
				unknown = from
			}
			continue
		}
		flush(from)
		dst = append(dst, id)
	}
	flush(len(w))
	return dst
}

// appendUnknown appends what stands for text that no token covers.
func (u *unigram) appendUnknown(dst []int32, s string) []int32 {
	bytes := u.fallback
	for i := 0; i < len(s) && bytes; i++ {
		bytes = u.byteID[s[i]] >= 0
	}
	if bytes {
		for i := range len(s) {
			dst = append(dst, u.byteID[s[i]])
		}
		return dst
	}
	if u.unk >= 0 {
		dst = append(dst, u.unk)
	}
	return dst
}
