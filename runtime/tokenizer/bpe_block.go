package tokenizer

import "unicode/utf8"

// blockSize is how many bytes of a long word mergeBlocks merges at once, maxBlock
// the same where tokens are long, and blockTail how many tokens at a block's end
// it does not trust.
const (
	blockSize = 256
	blockTail = 6
	maxBlock  = 16 * blockSize
)

// mergeBlocks merges a long word block by block, so that everything stays in
// the first-level cache, into sc.ids and sc.start. The result is exactly that
// of merging the word as a whole: a sequence of tokens is what BPE makes of its
// text if and only if BPE makes of every two neighbours' text those two. (In
// one run over the whole text, look at the first merge that crosses a border
// between two of the tokens: until then the merges inside those two went in the
// order in which they go in a run over those two alone, so that run makes the
// same crossing merge.) Inside a block that holds by itself; between the last
// token kept and the first of the next block it is checked, and where it does
// not hold the next block begins one token earlier. It reports false where that
// happens too often to be worth it.
func (b *bpe) mergeBlocks(sc *scratch, w string) bool {
	if sc.block == nil {
		sc.block = new(scratch)
	}
	bs := sc.block
	sc.ids, sc.start = sc.ids[:0], sc.start[:0]
	tries := 16 + len(w)/blockSize/4
	size := blockSize
	for at := 0; at < len(w); {
		end := min(at+size, len(w))
		for end < len(w) && !b.boundary(w, end) {
			end++
		}
		part := w[at:end]
		b.symbols(bs, part)
		b.mergeAll(bs, part)
		keep := len(bs.ids)
		if end < len(w) {
			if keep < 4*blockTail && size < maxBlock { // long tokens
				size *= 2
			}
			keep = max(keep-blockTail, keep/2)
			for keep > 0 && !b.boundary(part, int(bs.start[keep])) {
				keep--
			}
		}
		if keep <= 0 {
			return false
		}
		next := at + int(bs.start[keep])
		n := len(sc.ids)
		sc.ids = append(sc.ids, bs.ids[:keep]...)
		for _, s := range bs.start[:keep] {
			sc.start = append(sc.start, int32(at)+s)
		}
		if n > 0 && !b.borderHolds(bs, w, sc, n, next) {
			if tries--; tries == 0 {
				return false
			}
			for n--; n > 0 && !b.boundary(w, int(sc.start[n])); n-- {
			}
			at = int(sc.start[n])
			sc.ids, sc.start = sc.ids[:n], sc.start[:n]
			continue
		}
		at = next
	}
	sc.start = append(sc.start, int32(len(w)))
	return true
}

// boundary reports whether a block may begin at w[i]: bytes may be cut anywhere,
// characters not in their middle.
func (b *bpe) boundary(w string, i int) bool {
	return b.bytesOnly || i == len(w) || utf8.RuneStart(w[i])
}

// borderHolds reports whether the tokens n-1 and n of sc are what their text
// alone becomes; next is where the tokens of sc end.
func (b *bpe) borderHolds(bs *scratch, w string, sc *scratch, n, next int) bool {
	from, border, end := int(sc.start[n-1]), sc.start[n], next
	if n+1 < len(sc.start) {
		end = int(sc.start[n+1])
	}
	if !b.boundary(w, from) || !b.boundary(w, end) {
		return true // one of the two is a byte of a character without a token; see findBlocks
	}
	two := w[from:end]
	b.symbols(bs, two)
	b.mergeAll(bs, two)
	return len(bs.ids) == 2 && bs.ids[0] == sc.ids[n-1] && bs.ids[1] == sc.ids[n] && int32(from)+bs.start[1] == border
}

// findBlocks reports whether long words may be merged in blocks: not with an
// end-of-word suffix, nor where a merge list merges the bytes of characters
// without a token.
func (b *bpe) findBlocks() bool {
	if b.suffix != "" {
		return false
	}
	if b.bytesOnly || b.merges == nil {
		return true
	}
	for _, id := range b.merges.ordered() {
		if b.vocab.flags[id]&typeMask == typeByte {
			return false
		}
	}
	return true
}
