package tokenizer

// scratch is what one call of Encode works in.
type scratch struct {
	ids     []int32  // [symbols]
	start   []int32  // [symbols+1] offsets into the word
	rank    []uint32 // [symbols] rank of the pair (i, i+1)
	made    []int32  // [symbols] what that pair becomes
	lattice lattice
	short   [maxShort + 1]symbol
	long    longScratch
	tree    minTree
	block   *scratch // what mergeBlocks merges one block in
	cache   wordCache
	pieces  []string
	pieces2 []string
	lastUnk bool // the last id appended is a fused unknown
}

// symbol is what mergeShort works on, 16 bytes.
type symbol struct {
	rank  uint32 // of the pair with the symbol after it
	made  int32  // what that pair becomes
	id    int32
	start int32 // offset into the word
}

// maxKeptSymbols is the longest word whose working memory is kept for the next
// call.
const maxKeptSymbols = 1 << 16

// trim drops what an unusually long text made large.
func (sc *scratch) trim() {
	if cap(sc.ids) > maxKeptSymbols {
		cache := sc.cache
		*sc = scratch{cache: cache, block: sc.block}
	}
	clear(sc.pieces)
	clear(sc.pieces2)
	if cap(sc.pieces)+cap(sc.pieces2) > maxKeptSymbols {
		sc.pieces, sc.pieces2 = nil, nil
	}
}

const (
	maxCachedWord = 30   // bytes of a word
	maxCachedIDs  = 8    // ids of a word
	cachedWords   = 4096 // a power of two
)

// wordCache remembers the ids of words that are more than one token. A word has
// one place; the newest wins.
type wordCache struct{ entries []cachedWord }

// cachedWord is one cache line: 64 bytes.
type cachedWord struct {
	word [maxCachedWord]byte
	len  uint8 // 0 = free
	n    uint8
	ids  [maxCachedIDs]int32
}

// entry returns the place of words with the hash h.
func (c *wordCache) entry(h uint64) *cachedWord {
	if c.entries == nil {
		c.entries = make([]cachedWord, cachedWords)
	}
	return &c.entries[h>>40&(cachedWords-1)]
}

func (e *cachedWord) holds(w string) bool {
	return int(e.len) == len(w) && string(e.word[:e.len]) == w
}

func (e *cachedWord) put(w string, ids []int32) {
	if len(ids) > maxCachedIDs {
		return
	}
	e.len, e.n = uint8(copy(e.word[:], w)), uint8(copy(e.ids[:], ids))
}
