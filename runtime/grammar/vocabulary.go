package grammar

import (
	"bytes"
	"slices"
	"sync"
)

// Vocab is what a grammar needs of a tokenizer.
type Vocab interface {
	Len() int
	Token(id int32) []byte   // what the token writes; nil or empty: nothing
	EOG(id int32) bool       // the token ends a text
	IsSpecial(id int32) bool // the token is no text: no grammar allows it, except to end
}

// CacheBytes bounds the masks that a Vocabulary keeps.
const CacheBytes = 8 << 20

// Vocabulary holds the tokens of a model in the form that masks are computed
// from, and the masks of the states that were met last, of all grammars. It is
// safe for concurrent use. The tokens are read at the first Matcher: until
// then a Vocabulary costs nothing.
type Vocabulary struct {
	vocab Vocab
	once  sync.Once
	trie  *trie
	words int     // of a mask
	end   []int32 // ids that end a text
	cache *cache
	walks sync.Pool // *scratch
}

// NewVocabulary returns the vocabulary of a tokenizer, which must not change
// afterwards.
func NewVocabulary(v Vocab) *Vocabulary {
	return &Vocabulary{vocab: v, cache: newCache(CacheBytes)}
}

// load makes the trie.
func (v *Vocabulary) load() {
	v.once.Do(func() {
		n := int32(v.vocab.Len())
		v.words = (int(n) + 63) / 64
		var ids []int32
		for id := range n {
			switch {
			case v.vocab.EOG(id):
				v.end = append(v.end, id)
			case v.text(id):
				ids = append(ids, id)
			}
		}
		v.trie = newTrie(v.vocab.Token, ids)
	})
}

// maxToken is the length beyond which a token is never allowed.
const maxToken = 4096

// text tells whether a token is text that a grammar may allow.
func (v *Vocabulary) text(id int32) bool {
	n := len(v.vocab.Token(id))
	return n > 0 && n <= maxToken && !v.vocab.IsSpecial(id)
}

// trie holds byte strings in the order of a walk that visits each node before
// those below it, so that a walk reads memory forwards.
type trie struct {
	byte  []byte   // by node: the last byte of its string
	end   []int32  // the first node after those below it
	up    []uint16 // the length of the string of the node above
	tok   []int32  // ids[tok[i]:tok[i+1]] have the string of node i; [nodes+1]
	ids   []int32
	node  []int32 // by place in ids: the node with its string
	depth int     // of the longest string
}

// newTrie makes the trie of the tokens ids, whose order changes.
func newTrie(token func(int32) []byte, ids []int32) *trie {
	slices.SortFunc(ids, func(a, b int32) int {
		if c := bytes.Compare(token(a), token(b)); c != 0 {
			return c
		}
		return int(a) - int(b)
	})
	t := &trie{ids: ids}
	var open []int32 // nodes on the path to the last string
	var last []byte
	for i, id := range ids {
		s := token(id)
		common := 0
		for common < len(last) && common < len(s) && last[common] == s[common] {
			common++
		}
		for j := len(open) - 1; j >= common; j-- {
			t.end[open[j]] = int32(len(t.byte))
		}
		open = open[:common]
		for _, b := range s[common:] {
			open = append(open, int32(len(t.byte)))
			t.byte = append(t.byte, b)
			t.end = append(t.end, 0)
			t.up = append(t.up, uint16(len(open)-1))
			t.tok = append(t.tok, int32(i))
		}
		last = s
		t.node = append(t.node, int32(open[len(open)-1]))
		t.depth = max(t.depth, len(s))
	}
	for _, n := range open {
		t.end[n] = int32(len(t.byte))
	}
	t.tok = append(t.tok, int32(len(ids)))
	t.byte, t.end, t.up, t.tok = slices.Clip(t.byte), slices.Clip(t.end), slices.Clip(t.up), slices.Clip(t.tok)
	return t
}
