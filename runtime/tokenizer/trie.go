package tokenizer

// trie finds all tokens that begin a text: (node, byte) -> node in one
// open-addressing slice. Node 0 is the root.
type trie struct {
	entries []uint64 // (node<<8|byte)+1 << 32 | child; 0 = free
	token   []int32  // [nodes] id, -1 = none
}

// newTrie makes a trie with room for n bytes of tokens.
func newTrie(n int) *trie {
	size := 64
	for size < 2*n {
		size *= 2
	}
	return &trie{entries: make([]uint64, size), token: []int32{-1}}
}

func (t *trie) slot(key uint64) int {
	return int(key * 0x9e3779b97f4a7c15 >> 24 & uint64(len(t.entries)-1))
}

// child returns the node that b leads to, 0 = none.
func (t *trie) child(node int32, b byte) int32 {
	key := uint64(node)<<8 | uint64(b) + 1
	for i := t.slot(key); ; i = (i + 1) & (len(t.entries) - 1) {
		e := t.entries[i]
		if e == 0 {
			return 0
		}
		if e>>32 == key {
			return int32(uint32(e))
		}
	}
}

// add enters a token; the first of two equal ones wins.
func (t *trie) add(s []byte, id int32) {
	node := int32(0)
	for _, b := range s {
		next := t.child(node, b)
		if next == 0 {
			next = int32(len(t.token))
			t.token = append(t.token, -1)
			key := uint64(node)<<8 | uint64(b) + 1
			i := t.slot(key)
			for t.entries[i] != 0 {
				i = (i + 1) & (len(t.entries) - 1)
			}
			t.entries[i] = key<<32 | uint64(next)
		}
		node = next
	}
	if len(s) > 0 && t.token[node] < 0 {
		t.token[node] = id
	}
}
