package cache

// packer writes numbers of a fixed number of bits, lowest bit first.
type packer struct {
	b    []byte
	acc  uint64
	n    int // bits in acc, below 8 between calls
	bits int
}

func (p *packer) put(v uint32) {
	p.acc |= uint64(v) << p.n
	for p.n += p.bits; p.n >= 8; p.n -= 8 {
		p.b = append(p.b, byte(p.acc))
		p.acc >>= 8
	}
}

// bytes ends the last byte with zeros.
func (p *packer) bytes() []byte {
	if p.n > 0 {
		p.b = append(p.b, byte(p.acc))
		p.acc, p.n = 0, 0
	}
	return p.b
}

// unpack returns the i-th number of bits bits of b.
func unpack(b []byte, i, bits int) uint32 {
	at := i * bits
	var v uint64
	for j := range (at%8 + bits + 7) / 8 {
		v |= uint64(b[at/8+j]) << (8 * j)
	}
	return uint32(v>>(at%8)) & (1<<bits - 1)
}
