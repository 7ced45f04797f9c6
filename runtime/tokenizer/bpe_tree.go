package tokenizer

import "math"

// maxTree is the most symbols that mergeTree merges. With a third level it could
// be more; then long runs of one character, whose ranks a processor does predict,
// are slower than with the heap.
const maxTree = 16 * 16

// minTree finds the lowest of up to maxTree numbers: of each sixteen the lowest,
// and of those. Nothing in it branches on the numbers,
// which a processor cannot predict; that is where a heap loses its time.
type minTree struct {
	leaf []uint64 // [symbols, to a multiple of 16] rank<<32 | position of the pair that begins here; none: all ones
	top  [16]uint64
}

const noPair = math.MaxUint64

// reset makes room for n numbers, all noPair.
func (t *minTree) reset(n int) {
	t.leaf = grow(t.leaf, (n+15)&^15)
	for i := range t.leaf {
		t.leaf[i] = noPair
	}
	for i := range t.top {
		t.top[i] = noPair
	}
}

// build fills in what is above the leaves.
func (t *minTree) build() {
	for g := 0; g < len(t.leaf); g += 16 {
		t.top[g>>4] = min16((*[16]uint64)(t.leaf[g:]))
	}
}

// fix follows a change of leaf i.
func (t *minTree) fix(i int32) {
	g := i &^ 15
	t.top[g>>4] = min16((*[16]uint64)(t.leaf[g:]))
}

// lowest returns the lowest number.
func (t *minTree) lowest() uint64 { return min16(&t.top) }

func min16(a *[16]uint64) uint64 {
	w := min(a[0], a[4], a[8], a[12])
	x := min(a[1], a[5], a[9], a[13])
	y := min(a[2], a[6], a[10], a[14])
	z := min(a[3], a[7], a[11], a[15])
	return min(min(w, x), min(y, z))
}

// mergeTree merges sc.ids and sc.start in place; at most maxTree symbols.
func (b *bpe) mergeTree(sc *scratch, w string) {
	n := len(sc.ids)
	ls, t := &sc.long, &sc.tree
	ls.next, ls.prev, sc.made = grow(ls.next, n), grow(ls.prev, n), grow(sc.made, n)
	t.reset(n)
	for i := range n {
		ls.next[i], ls.prev[i] = int32(i+1), int32(i-1)
	}
	ls.next[n-1] = -1
	for i := range n - 1 {
		b.treePair(sc, w, int32(i))
	}
	t.build()
	for m := t.lowest(); m != noPair; m = t.lowest() {
		i := int32(uint32(m))
		j := ls.next[i]
		k, p := ls.next[j], ls.prev[i]
		sc.ids[i], ls.next[i] = sc.made[i], k
		t.leaf[j] = noPair
		if k >= 0 {
			ls.prev[k] = i
		}
		b.treePair(sc, w, i)
		t.fix(i)
		if j>>4 != i>>4 {
			t.fix(j)
		}
		if p >= 0 {
			b.treePair(sc, w, p)
			t.fix(p)
		}
	}
	b.compact(sc)
}

// treePair finds the pair that begins at symbol i.
func (b *bpe) treePair(sc *scratch, w string, i int32) {
	ls := &sc.long
	j := ls.next[i]
	if j < 0 {
		sc.tree.leaf[i] = noPair
		return
	}
	end := int32(len(w))
	if k := ls.next[j]; k >= 0 {
		end = sc.start[k]
	}
	r, id := b.pair(w, sc.ids[i], sc.ids[j], sc.start[i], end)
	sc.made[i], sc.tree.leaf[i] = id, uint64(r)<<32|uint64(i)
	if r == noRank {
		sc.tree.leaf[i] = noPair
	}
}
