package data

import "math/bits"

// Cursor is where a pass over the rows stands: the next row is the Pos-th of
// epoch Epoch's order. It is all that a checkpoint needs.
type Cursor struct {
	Epoch uint64 `json:"epoch"`
	Pos   uint64 `json:"pos"`
}

// Order is a shuffled order of n rows, another one each epoch, decided by Seed
// alone. It takes no memory: a permutation of the numbers below the next power
// of four (a Feistel network of six rounds), walked until it falls below n.
type Order struct {
	N    int
	Seed uint64
}

// Next appends the next count rows to dst and moves the cursor, into the next
// epoch where one ends. N must be at least 1.
func (o Order) Next(c *Cursor, count int, dst []int) []int {
	for range count {
		if c.Pos >= uint64(o.N) {
			c.Epoch, c.Pos = c.Epoch+1, 0
		}
		dst = append(dst, o.At(c.Epoch, int(c.Pos)))
		c.Pos++
	}
	return dst
}

// At is the i-th row of an epoch, i from 0 to N-1.
func (o Order) At(epoch uint64, i int) int {
	half := max(1, (bits.Len64(uint64(o.N-1))+1)/2)
	mask := uint64(1)<<half - 1
	key := mix(o.Seed ^ mix(epoch+0x9e3779b97f4a7c15))
	x := uint64(i)
	for {
		l, r := x>>half, x&mask
		for round := range uint64(6) {
			l, r = r, l^mix(key+round<<32+r)&mask
		}
		if x = l<<half | r; x < uint64(o.N) {
			return int(x)
		}
	}
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
