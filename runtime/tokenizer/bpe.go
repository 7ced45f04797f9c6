package tokenizer

import (
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// bpe merges the symbols of a word: the adjacent pair with the lowest rank
// first, of equal ranks the leftmost, until none merges.
//
// Details that are easy to get wrong:
//   - With a merge list the rank belongs to the pair (ids); without one
//     (SentencePiece) to the text of both, and then a character that is no token
//     may still become a part of one.
//   - Byte fall-back happens before the merges with a list, after them without.
//   - A word that is a token need not come out as that token; only
//     ignore_merges says so.
type bpe struct {
	vocab        *vocab
	merges       *mergeTable // nil: by score
	prio         []uint32    // by score: rank of each token, noRank = never made
	ranks        int         // ranks are below this
	ignoreMerges bool
	bytesOnly    bool       // byte-level: symbols are bytes, else characters
	byteID       [256]int32 // byte-level: the byte's token; else the fall-back's; -1 = none
	ascii        [128]int32 // characters: the token of each ASCII character
	unk          int32      // -1: unknown characters vanish
	fuseUnk      bool
	fallback     bool // unknown characters become byte tokens
	suffix       string
	self         []atomic.Uint32 // two bits a token: 0 not known, 1 merges to itself, 2 does not
	cutBefore    [256]bool       // characters: no token holds this byte before U+2581
	cuts         bool
	blocks       bool // long words may be merged in blocks
}

// maxShort is the most symbols that the quadratic loop merges.
const maxShort = 40

// appendPiece appends the ids of a piece. A SentencePiece text is one piece; it
// is cut before a visible space where no token reaches across.
func (b *bpe) appendPiece(dst []int32, sc *scratch, piece string) []int32 {
	if !b.cuts {
		return b.appendWord(dst, sc, piece)
	}
	from := 0
	for i := 1; i < len(piece); i++ {
		if piece[i] == metaspace[0] && b.cutBefore[piece[i-1]] && strings.HasPrefix(piece[i:], metaspace) && !strings.HasSuffix(piece[:i], metaspace) {
			dst = b.appendWord(dst, sc, piece[from:i])
			from = i
		}
	}
	return b.appendWord(dst, sc, piece[from:])
}

// appendWord appends the ids of one word.
func (b *bpe) appendWord(dst []int32, sc *scratch, w string) []int32 {
	if b.suffix != "" || len(w) > max(b.vocab.maxLen, maxCachedWord) {
		return b.merge(dst, sc, w)
	}
	h := b.vocab.seed.hash(w)
	id := b.vocab.probe(w, h, 0)
	if id >= 0 && b.vocab.flags[id]&flagAdded == 0 && (b.ignoreMerges || b.selfMade(sc, id, w)) {
		sc.lastUnk = false
		return append(dst, id)
	}
	if len(w) > maxCachedWord || sc.lastUnk {
		return b.merge(dst, sc, w)
	}
	entry := sc.cache.entry(h)
	if entry.holds(w) {
		return append(dst, entry.ids[:entry.n]...)
	}
	n := len(dst)
	dst = b.merge(dst, sc, w)
	if !sc.lastUnk {
		entry.put(w, dst[n:])
	}
	return dst
}

// selfMade reports whether the word w, token id's text, merges to that token.
// The answer is kept.
func (b *bpe) selfMade(sc *scratch, id int32, w string) bool {
	cell, shift := &b.self[id>>4], uint(id&15)*2
	if s := cell.Load() >> shift & 3; s != 0 {
		return s == 1
	}
	var buf [8]int32
	was := sc.lastUnk
	out := b.merge(buf[:0], sc, w)
	sc.lastUnk = was
	state := uint32(2)
	if len(out) == 1 && out[0] == id {
		state = 1
	}
	cell.Or(state << shift)
	return state == 1
}

// merge appends the ids of w, always by merging.
func (b *bpe) merge(dst []int32, sc *scratch, w string) []int32 {
	if len(w) > 2*blockSize && b.blocks && b.mergeBlocks(sc, w) {
		return b.appendSymbols(dst, sc, w)
	}
	b.symbols(sc, w)
	b.mergeAll(sc, w)
	return b.appendSymbols(dst, sc, w)
}

// mergeAll merges sc.ids and sc.start in place, in one go.
func (b *bpe) mergeAll(sc *scratch, w string) {
	switch n := len(sc.ids); {
	case n < 2:
	case n <= maxShort:
		b.mergeShort(sc, w)
	case n <= maxTree:
		b.mergeTree(sc, w)
	default:
		b.mergeLong(sc, w)
	}
}

// appendSymbols appends the ids of the symbols that are left.
func (b *bpe) appendSymbols(dst []int32, sc *scratch, w string) []int32 {
	for i, id := range sc.ids {
		if id < 0 && !b.bytesOnly {
			dst = b.appendUnknown(dst, sc, w[sc.start[i]:sc.start[i+1]])
			continue
		}
		if unk := b.fuseUnk && id == b.unk; !unk || !sc.lastUnk {
			dst = append(dst, id)
			sc.lastUnk = unk
		}
	}
	return dst
}

// symbols fills sc.ids and sc.start with the word's first symbols.
func (b *bpe) symbols(sc *scratch, w string) {
	sc.ids, sc.start = sc.ids[:0], sc.start[:0]
	if b.bytesOnly && b.suffix == "" {
		for i := range len(w) {
			if id := b.byteID[w[i]]; id >= 0 {
				sc.ids = append(sc.ids, id)
				sc.start = append(sc.start, int32(i))
			} else if b.unk >= 0 {
				sc.ids = append(sc.ids, b.unk)
				sc.start = append(sc.start, int32(i))
			}
		}
	} else if b.bytesOnly {
		b.suffixed(sc, w)
	} else {
		for i := 0; i < len(w); {
			n := 1
			if w[i] >= utf8.RuneSelf {
				_, n = utf8.DecodeRuneInString(w[i:])
			}
			b.character(sc, w, i, n)
			i += n
		}
	}
	sc.start = append(sc.start, int32(len(w)))
}

// suffixed fills in the bytes of w, the last of them as an end of word.
func (b *bpe) suffixed(sc *scratch, w string) {
	for i := range len(w) {
		id := b.byteID[w[i]]
		if i == len(w)-1 {
			id = b.vocab.find(w[i:] + b.suffix)
		}
		if id < 0 {
			id = b.unk
		}
		if id >= 0 {
			sc.ids = append(sc.ids, id)
			sc.start = append(sc.start, int32(i))
		}
	}
}

// character appends the symbols of the character w[i:i+n].
func (b *bpe) character(sc *scratch, w string, i, n int) {
	var id int32
	if w[i] < utf8.RuneSelf {
		id = b.ascii[w[i]]
	} else {
		id = b.vocab.find(w[i : i+n])
	}
	if id >= 0 || b.merges == nil {
		sc.ids = append(sc.ids, id)
		sc.start = append(sc.start, int32(i))
		return
	}
	if b.fallback && b.covers(w[i:i+n]) {
		for j := i; j < i+n; j++ {
			sc.ids = append(sc.ids, b.byteID[w[j]])
			sc.start = append(sc.start, int32(j))
		}
		return
	}
	if b.unk >= 0 {
		sc.ids = append(sc.ids, b.unk)
		sc.start = append(sc.start, int32(i))
	}
}

// covers reports whether every byte of s has a token.
func (b *bpe) covers(s string) bool {
	for i := range len(s) {
		if b.byteID[s[i]] < 0 {
			return false
		}
	}
	return true
}

// appendUnknown appends what stands for text that no token covers.
func (b *bpe) appendUnknown(dst []int32, sc *scratch, s string) []int32 {
	if b.fallback && b.covers(s) {
		for i := range len(s) {
			dst = append(dst, b.byteID[s[i]])
		}
		sc.lastUnk = false
		return dst
	}
	if b.unk >= 0 && !(b.fuseUnk && sc.lastUnk) {
		dst = append(dst, b.unk)
		sc.lastUnk = b.fuseUnk
	}
	return dst
}

// pair returns the rank of symbols l and r, whose text ends at end, and what
// they become.
func (b *bpe) pair(w string, l, r int32, from, end int32) (uint32, int32) {
	if b.merges != nil {
		return b.merges.get(l, r)
	}
	if int(end-from) > b.vocab.maxLen {
		return noRank, -1
	}
	id := b.vocab.find(w[from:end])
	if id < 0 || b.prio[id] == noRank {
		return noRank, -1
	}
	return b.prio[id], id
}

// mergeShort merges in place by looking for the lowest rank again and again.
func (b *bpe) mergeShort(sc *scratch, w string) {
	n := len(sc.ids)
	syms := sc.short[:n+1]
	syms[n].start = sc.start[n]
	for i, id := range sc.ids {
		syms[i].id, syms[i].start = id, sc.start[i]
	}
	for i := range n - 1 {
		syms[i].rank, syms[i].made = b.pair(w, syms[i].id, syms[i+1].id, syms[i].start, syms[i+2].start)
	}
	for n > 1 {
		best, at := noRank, -1
		for i := range syms[:n-1] {
			if r := syms[i].rank; r < best {
				best, at = r, i
			}
		}
		if at < 0 {
			break
		}
		syms[at].id = syms[at].made
		copy(syms[at+1:n], syms[at+2:n+1])
		n--
		if at > 0 {
			s := &syms[at-1]
			s.rank, s.made = b.pair(w, s.id, syms[at].id, s.start, syms[at+1].start)
		}
		if at+1 < n {
			s := &syms[at]
			s.rank, s.made = b.pair(w, s.id, syms[at+1].id, s.start, syms[at+2].start)
		}
	}
	sc.ids, sc.start = sc.ids[:n], sc.start[:n+1]
	for i := range n {
		sc.ids[i], sc.start[i] = syms[i].id, syms[i].start
	}
	sc.start[n] = syms[n].start
}
