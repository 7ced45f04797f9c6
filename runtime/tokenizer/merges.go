package tokenizer

import (
	"math/bits"
	"math/rand/v2"
)

// mergeTable maps a pair of ids to the rank of its merge and the id it makes.
// It is one flat slice of 8-byte entries, open addressing: 2 MiB for 152 k
// merges. Most pairs do not merge, and most of those are stopped by a filter of
// an eighth of that, which stays in the second-level cache.
type mergeTable struct {
	salt    uint64
	filter  []uint64 // bit set: the pair's hash occurs; 8 bits an entry
	entries []uint64 // pair<<rankBits | rank+1, 0 = free; length is a power of two
	made    []int32  // [ranks] what each merge makes
}

const (
	idBits   = 21
	rankBits = 64 - 2*idBits

	maxTokens = 1<<idBits - 1   // ids are below this
	maxMerges = 1<<rankBits - 1 // ranks are below this

	noRank = ^uint32(0)
)

// newMergeTable makes a table for n merges, ranks 0 to n-1.
func newMergeTable(n int) *mergeTable {
	size := 16
	for size < n+n/2 {
		size *= 2
	}
	return &mergeTable{salt: rand.Uint64() | 1, filter: make([]uint64, size/8), entries: make([]uint64, size), made: make([]int32, n)}
}

func pairKey(left, right int32) uint64 { return uint64(left)<<idBits | uint64(right) }

// hash spreads a key; its low bits choose the slot, its middle bits the bit of
// the filter.
func (t *mergeTable) hash(key uint64) uint64 {
	hi, lo := bits.Mul64(key^0x9e3779b97f4a7c15, t.salt)
	return hi ^ lo
}

// fill enters the pairs in the order of their ranks.
func (t *mergeTable) fill(keys []uint64) {
	for rank, key := range keys {
		t.put(key, uint32(rank))
	}
}

// put enters a pair; the first of two equal pairs wins.
func (t *mergeTable) put(key uint64, rank uint32) {
	h, mask := t.hash(key), uint64(len(t.entries)-1)
	t.filter[h>>32&uint64(len(t.filter)-1)] |= 1 << (h >> 26 & 63)
	for i := h & mask; ; i = (i + 1) & mask {
		e := t.entries[i]
		if e == 0 {
			t.entries[i] = key<<rankBits | uint64(rank+1)
			return
		}
		if e>>rankBits == key {
			return
		}
	}
}

// get returns the rank and the result of a pair, noRank where it does not merge.
func (t *mergeTable) get(left, right int32) (rank uint32, id int32) {
	key := pairKey(left, right)
	h, mask := t.hash(key), uint64(len(t.entries)-1)
	if t.filter[h>>32&uint64(len(t.filter)-1)]>>(h>>26&63)&1 == 0 {
		return noRank, -1
	}
	for i := h & mask; ; i = (i + 1) & mask {
		e := t.entries[i]
		if e == 0 {
			return noRank, -1
		}
		if e>>rankBits == key {
			rank = uint32(e&maxMerges) - 1
			return rank, t.made[rank]
		}
	}
}

// ordered returns the pairs by rank: left, right, left, right …
func (t *mergeTable) ordered() []int32 {
	all := make([]uint64, len(t.made))
	for _, e := range t.entries {
		if e != 0 {
			all[e&maxMerges-1] = e>>rankBits + 1
		}
	}
	pairs := make([]int32, 0, 2*len(all))
	for _, key := range all {
		if key != 0 {
			pairs = append(pairs, int32((key-1)>>idBits), int32((key-1)&maxTokens))
		}
	}
	return pairs
}
