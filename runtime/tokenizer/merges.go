package tokenizer

import (
	"math/bits"
	"math/rand/v2"
)

// mergeTable maps a pair of ids to the rank of its merge and the id it makes:
// open addressing in one flat slice.
type mergeTable struct {
	salt    uint64
	entries []mergeEntry // length is a power of two, at most half full
	n       int
}

// mergeEntry is 16 bytes. The key is left<<32 | right + 1, so 0 is free.
type mergeEntry struct {
	key  uint64
	rank uint32
	id   int32
}

const noRank = ^uint32(0)

// newMergeTable makes a table for n merges.
func newMergeTable(n int) *mergeTable {
	size := 16
	for size < 2*n {
		size *= 2
	}
	return &mergeTable{salt: rand.Uint64() | 1, entries: make([]mergeEntry, size)}
}

func mergeKey(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) + 1 }

func (t *mergeTable) slot(key uint64) uint64 {
	hi, lo := bits.Mul64(key^0x9e3779b97f4a7c15, t.salt)
	return (hi ^ lo) & uint64(len(t.entries)-1)
}

// put enters a merge; the first of two equal pairs wins. It reports whether the
// pair was new.
func (t *mergeTable) put(left, right int32, rank uint32, id int32) bool {
	key := mergeKey(left, right)
	for i := t.slot(key); ; i = (i + 1) & uint64(len(t.entries)-1) {
		e := &t.entries[i]
		if e.key == key {
			return false
		}
		if e.key == 0 {
			*e = mergeEntry{key, rank, id}
			t.n++
			return true
		}
	}
}

// get returns the rank and the result of a pair, noRank where it does not merge.
func (t *mergeTable) get(left, right int32) (rank uint32, id int32) {
	key := mergeKey(left, right)
	for i := t.slot(key); ; i = (i + 1) & uint64(len(t.entries)-1) {
		e := &t.entries[i]
		if e.key == key {
			return e.rank, e.id
		}
		if e.key == 0 {
			return noRank, -1
		}
	}
}
