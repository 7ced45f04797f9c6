package tokenizer

import (
	"math"
	"slices"
)

// maxHeap is the most symbols for which a heap, which stays in the first-level
// cache then, is faster than the lists.
const maxHeap = 1024

// mergeLong merges words of any length in O(n log n). A plain heap of pairs
// takes a cache miss per level, which for a megabyte of one letter is slower
// than the whole rest; so pairs wait in one list per rank, a list is taken as a
// whole when its rank is the lowest, in order of position, and only pairs that
// do not come after the list being worked on go through a heap.
type longScratch struct {
	next, prev []int32    // [symbols] neighbours; -1 = none
	list       []int32    // [ranks] newest waiting node+1 of a rank, 0 = none
	nodes      []waitNode // positions that wait
	ranks      []uint64   // heap of the ranks whose list is not empty
	early      []uint64   // heap of rank<<32 | position
	cur        []int32    // positions of the list being worked on, ascending
}

type waitNode struct{ pos, next int32 }

// mergeLong merges sc.ids and sc.start in place.
func (b *bpe) mergeLong(sc *scratch, w string) {
	n := len(sc.ids)
	if n < 2 {
		return
	}
	ls := &sc.long
	ls.next, ls.prev = grow(ls.next, n), grow(ls.prev, n)
	sc.rank, sc.made = grow(sc.rank, n), grow(sc.made, n)
	if n > maxHeap && len(ls.list) < b.ranks {
		ls.list = make([]int32, b.ranks)
	}
	ls.nodes, ls.ranks, ls.early = ls.nodes[:0], ls.ranks[:0], ls.early[:0]
	working := int64(-1) // ranks up to this one go through the heap
	if n <= maxHeap {
		working = math.MaxUint32
	}
	// see finds the pair at symbol i and lets it wait.
	see := func(i int32) {
		sc.rank[i] = noRank
		j := ls.next[i]
		if j < 0 {
			return
		}
		end := int32(len(w))
		if k := ls.next[j]; k >= 0 {
			end = sc.start[k]
		}
		r, id := b.pair(w, sc.ids[i], sc.ids[j], sc.start[i], end)
		if r == noRank {
			return
		}
		sc.rank[i], sc.made[i] = r, id
		if int64(r) <= working {
			ls.early = heapPush(ls.early, uint64(r)<<32|uint64(i))
			return
		}
		if ls.list[r] == 0 {
			ls.ranks = heapPush(ls.ranks, uint64(r))
		}
		ls.nodes = append(ls.nodes, waitNode{i, ls.list[r]})
		ls.list[r] = int32(len(ls.nodes))
	}
	for i := range n {
		ls.next[i], ls.prev[i] = int32(i+1), int32(i-1)
	}
	ls.next[n-1] = -1
	for i := range n {
		see(int32(i))
	}
	cur := 0
	ls.cur = ls.cur[:0]
	for {
		var r uint32
		var i int32
		switch {
		case len(ls.early) > 0 && (cur == len(ls.cur) || ls.early[0] < uint64(working)<<32|uint64(ls.cur[cur])):
			r, i = uint32(ls.early[0]>>32), int32(uint32(ls.early[0]))
			ls.early = heapPop(ls.early)
		case cur < len(ls.cur):
			r, i = uint32(working), ls.cur[cur]
			cur++
		case len(ls.ranks) > 0:
			working = int64(ls.ranks[0])
			ls.ranks = heapPop(ls.ranks)
			ls.take(int(working))
			cur = 0
			continue
		default:
			b.compact(sc)
			return
		}
		if sc.rank[i] != r { // merged away or changed since it began to wait
			continue
		}
		j := ls.next[i]
		sc.ids[i] = sc.made[i]
		sc.rank[j] = noRank
		k := ls.next[j]
		ls.next[i] = k
		if k >= 0 {
			ls.prev[k] = i
		}
		if p := ls.prev[i]; p >= 0 {
			see(p)
		}
		see(i)
	}
}

// take moves the list of a rank to cur, ascending.
func (ls *longScratch) take(rank int) {
	ls.cur = ls.cur[:0]
	for at := ls.list[rank]; at != 0; at = ls.nodes[at-1].next {
		ls.cur = append(ls.cur, ls.nodes[at-1].pos)
	}
	ls.list[rank] = 0
	slices.Reverse(ls.cur) // lists are newest first, most often descending
	if !slices.IsSorted(ls.cur) {
		slices.Sort(ls.cur)
	}
}

// compact closes the gaps that merging left; symbol 0 is never merged away.
func (b *bpe) compact(sc *scratch) {
	end, n := sc.start[len(sc.ids)], 0
	for i := int32(0); i >= 0; i = sc.long.next[i] {
		sc.ids[n], sc.start[n] = sc.ids[i], sc.start[i]
		n++
	}
	sc.start[n] = end
	sc.ids, sc.start = sc.ids[:n], sc.start[:n+1]
}

// grow returns a slice of length n, s itself where it is large enough.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n+n/4)[:n]
	}
	return s[:n]
}

// heapPush and heapPop keep a binary heap, lowest first.
func heapPush(h []uint64, x uint64) []uint64 {
	h = append(h, x)
	i := len(h) - 1
	for i > 0 {
		p := (i - 1) / 2
		if h[p] <= x {
			break
		}
		h[i] = h[p]
		i = p
	}
	h[i] = x
	return h
}

func heapPop(h []uint64) []uint64 {
	n := len(h) - 1
	x := h[n]
	h = h[:n]
	i := 0
	for {
		c := 2*i + 1
		if c >= n {
			break
		}
		if c+1 < n && h[c+1] < h[c] {
			c++
		}
		if x <= h[c] {
			break
		}
		h[i] = h[c]
		i = c
	}
	if n > 0 {
		h[i] = x
	}
	return h
}
