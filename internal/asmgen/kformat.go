package asmgen

// kformat is a type with super-blocks of 256 weights. Its codes are unpacked 32
// at a time at fixed places of the super-block; its scales, 8 or 16 bytes per row
// after unpacking, are transposed first: tmp holds 8 d, 8 dmin as float32, then
// for each sub-block the scales of 8 rows, then for each the mins.
type kformat struct {
	name  string
	bytes int // of a super-block
	sub   int // weights per scale
	min   bool
	bias  int // subtracted from the codes: 0 or 1<<shift
	shift int
	mask  int // of a code
}

var kformats = []kformat{
	{name: "Q4_K", bytes: 144, sub: 32, min: true, mask: 15},
	{name: "Q5_K", bytes: 176, sub: 32, min: true, mask: 31},
	{name: "Q6_K", bytes: 210, sub: 16, bias: 32, shift: 5, mask: 63},
	{name: "Q2_K", bytes: 84, sub: 16, min: true, mask: 3},
	{name: "Q3_K", bytes: 110, sub: 16, bias: 4, shift: 2, mask: 7},
}

// Where the parts of tmp begin.
const (
	kD, kDmin, kScales, kMins = 0, 32, 64, 192

	vMask V = 31
)

// kTables writes the constants of the scales.
func (a *Arm64) kTables() {
	four, three := make([]byte, 32), make([]byte, 64)
	for s := range 4 {
		for r := range 8 {
			four[8*s+r] = byte(4*r + s) // of rows 0-3 and 4-7, four bytes each
		}
	}
	for s := range 16 { // of Q3_K's last 16 bytes: two codes, 12 bytes of scales, d
		three[s], three[16+s] = byte(2+s%8), byte(256-s/8*4)
		three[32+s], three[48+s] = byte(10+s%4), byte(256-s/4*2)
	}
	a.Table("four", four)
	a.Table("three", three)
}

// kScale unpacks the scales of 8 super-blocks, at R0-R7, into tmp. r is free, and
// so are V0-V7 and V16-V30.
func (a *Arm64) kScale(f kformat, tmp, r R) {
	switch f.name {
	case "Q4_K", "Q5_K":
		a.MOVIB(28, 63)
		a.MOVIB(29, 15)
		for h := range V(2) { // words of four rows: d dmin, and three of scales
			for i := range 4 {
				a.FMOVQ(R(4*int(h)+i), 0, V(i))
			}
			a.TRN1S(4, 0, 1)
			a.TRN2S(5, 0, 1)
			a.TRN1S(6, 2, 3)
			a.TRN2S(7, 2, 3)
			a.ZIP1D(26+h, 4, 6)
			a.ZIP1D(0, 5, 7)
			a.ZIP2D(1, 4, 6)
			a.ZIP2D(2, 5, 7)
			a.AND(16+h, 0, 28) // scales 0-3
			a.AND(20+h, 1, 28) // mins 0-3
			a.AND(18+h, 2, 29)
			a.USHRB(22+h, 2, 4)
			a.USHRB(0, 0, 6)
			a.USHRB(1, 1, 6)
			a.SLIB(18+h, 0, 4) // scales 4-7
			a.SLIB(22+h, 1, 4) // mins 4-7
		}
		a.kHalves(tmp, 26, 27)
		a.Address("four", r)
		a.LoadPair(r, 0, 28, 29)
		for i := range V(4) {
			a.TBL2(0, 16+2*i, 28)
			a.TBL2(1, 16+2*i, 29)
			a.StorePairAt(tmp, []int{kScales, kScales + 32, kMins, kMins + 32}[i], 0, 1)
		}
		return
	case "Q3_K":
		a.Address("three", r)
		a.LoadPairAt(r, 0, 26, 27)
		a.LoadPairAt(r, 32, 28, 29)
		a.MOVIB(24, 15)
		a.MOVIB(25, 3)
		a.MOVIB(23, 32)
		for i := range V(8) {
			a.FMOVQ(R(i), 94, i)
			a.TBL(16, i, 26)
			a.TBL(17, i, 28)
			a.USHLB(16, 16, 27)
			a.USHLB(17, 17, 29)
			a.AND(16, 16, 24)
			a.AND(17, 17, 25)
			a.SLIB(16, 17, 4)
			a.SUBB(i, 16, 23)
		}
	case "Q6_K":
		for i := range V(8) {
			a.FMOVQ(R(i), 192, i)
		}
	case "Q2_K":
		for i := range V(8) {
			a.FMOVQ(R(i), 0, i)
		}
	}
	// 8 rows of 16 bytes become 16 of 8
	z := func(lo, hi, n, m V) { a.ZIP1B(lo, n, m); a.ZIP2B(hi, n, m) }
	for i := range V(4) {
		z(16+2*i, 17+2*i, i, i+4) // 16 17: rows 0 4; 18 19: 1 5; 20 21: 2 6; 22 23: 3 7
	}
	for i := range V(2) {
		z(4*i, 4*i+1, 16+2*i, 20+2*i) // rows i i+2 i+4 i+6
		z(4*i+2, 4*i+3, 17+2*i, 21+2*i)
	}
	for i := range V(4) {
		z(16+2*i, 17+2*i, i, i+4)
	}
	if f.min {
		a.MOVIB(30, 15)
		for i := range V(8) {
			a.USHRB(i, 16+i, 4)
			a.AND(16+i, 16+i, 30)
		}
		for i := V(0); i < 8; i += 2 {
			a.StorePairAt(tmp, kMins+16*int(i), i, i+1)
		}
	}
	for i := V(0); i < 8; i += 2 {
		a.StorePairAt(tmp, kScales+16*int(i), 16+i, 17+i)
	}
	at := map[string]int{"Q6_K": 208, "Q2_K": 80, "Q3_K": 108}[f.name]
	for i := range V(8) {
		a.ADDImm(at, R(i), r)
		if f.min {
			a.LoadLaneSAt(r, 26+i/4, int(i%4))
		} else {
			a.LoadLaneHAt(r, 26, int(i))
		}
	}
	if f.min {
		a.kHalves(tmp, 26, 27)
		return
	}
	a.FCVTL(0, 26)
	a.FCVTL2(1, 26)
	a.StorePairAt(tmp, kD, 0, 1)
}

// kHalves stores d and dmin, which are pairs of halves in n and m.
func (a *Arm64) kHalves(tmp R, n, m V) {
	a.UZP1H(0, n, m)
	a.UZP2H(1, n, m)
	a.FCVTL(2, 0)
	a.FCVTL2(3, 0)
	a.FCVTL(4, 1)
	a.FCVTL2(5, 1)
	a.StorePairAt(tmp, kD, 2, 3)
	a.StorePairAt(tmp, kDmin, 4, 5)
}

// kFloats makes the scales (or mins) of a sub-block: lo, hi = d·bytes, the bytes
// at off, the d at dOff of tmp. t and t+1 are free.
func (a *Arm64) kFloats(tmp R, dOff, off int, lo, hi, t V) {
	a.FMOVD(tmp, off, lo)
	a.LoadPairAt(tmp, dOff, t, t+1)
	a.SSHLLB(lo, lo)
	a.SSHLL2(hi, lo)
	a.SSHLL(lo, lo)
	a.SCVTF(lo, lo)
	a.SCVTF(hi, hi)
	a.FMUL(lo, t, lo)
	a.FMUL(hi, t+1, hi)
}

// kUnpack lists the steps that leave codes 32s to 32s+31 of the super-block at p
// in lo and hi; t0 and t1 are free, vMask holds f.mask.
func (a *Arm64) kUnpack(f kformat, p R, s int, lo, hi, t0, t1 V) []func() {
	var steps []func()
	add := func(fs ...func()) { steps = append(steps, fs...) }
	load := func(off int, x, y V) { add(func() { a.LoadPairAt(p, off, x, y) }) }
	right := func(x, y V, by int) {
		if by > 0 {
			add(func() { a.USHRB(x, x, by) }, func() { a.USHRB(y, y, by) })
		}
	}
	insert := func(by int) { add(func() { a.SLIB(lo, t0, by) }, func() { a.SLIB(hi, t1, by) }) }
	mask := func() { add(func() { a.AND(lo, lo, vMask) }, func() { a.AND(hi, hi, vMask) }) }
	i := s % 4
	switch f.name {
	case "Q4_K":
		load(16+32*(s/2), lo, hi)
		if right(lo, hi, s%2*4); s%2 == 0 {
			mask()
		}
	case "Q5_K": // the bits above the fifth are masked out
		load(48+32*(s/2), lo, hi)
		load(16, t0, t1)
		right(lo, hi, s%2*4)
		right(t0, t1, s)
		insert(4)
		mask()
	case "Q6_K":
		load(64*(s/4)+32*(i&1), lo, hi)
		load(128+32*(s/4), t0, t1)
		right(lo, hi, i/2*4)
		right(t0, t1, 2*i)
		insert(4)
		if i < 3 {
			mask()
		}
	case "Q2_K":
		load(16+32*(s/4), lo, hi)
		if right(lo, hi, 2*i); i < 3 {
			mask()
		}
	case "Q3_K":
		load(32+32*(s/4), lo, hi)
		load(0, t0, t1)
		right(lo, hi, 2*i)
		right(t0, t1, s)
		insert(2)
		mask()
	}
	return steps
}
