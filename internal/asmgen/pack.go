package asmgen

import "fmt"

// A panel is 8 rows packed for a tile, block by block of 32:
//
//	dotprod  8 scales, [8 mins,] 8 x 16 bytes of rows 0-3, then of rows 4-7:
//	         codes 4g to 4g+3 of each row
//	i8mm     scales and mins as dotprod, but each twice in a row; for each eight
//	         codes: rows 0 1, rows 2 3, rows 4 5, rows 6 7
//	NEON     8 scales, [8 mins,] for each four codes: two codes of rows 0-3, the
//	         next two of rows 0-3, the same of rows 4-7
//
// With sub-blocks of 16 the scales (mins) of the second follow those of the first.

// panelHead is the bytes before a block's codes.
func panelHead(rung string, sub int, min bool) int {
	n := 32 * (32 / sub)
	if min {
		n *= 2
	}
	if rung == "I8MM" {
		n *= 2
	}
	return n
}

const (
	pDst, pLeft R = 8, 9
	pBias       V = 18
)

// packArm64 is the packing of the types with blocks of 32.
func packArm64() []byte {
	var a Arm64
	a.Header()
	a.tables(formats)
	for _, rung := range []string{"NEON", "DotProd", "I8MM"} {
		for _, f := range formats {
			a.pack(f, rung)
		}
	}
	return a.Bytes()
}

func (a *Arm64) pack(f format, rung string) {
	a.Func(fmt.Sprintf("func pack%s%s(dst *byte, rows *[8]*byte, blocks int)", f.name, rung), fmt.Sprintf(`
Packs eight rows of blocks of %d bytes into a panel, see the tile kernels. Codes
are the type's own, without a bias.

	R0-R7 the rows   R8 dst   R9 blocks left
	V0-V7 codes of four rows, two vectors each   V16 V17 scales and mins
	V18 what is subtracted from the codes   V20-V27 free   V28-V31 constants

	for each block { for rows 0-3, 4-7 { unpack; transpose; store }; store scales, mins }`, f.bytes), 24)
	a.Arg("dst", 0, pDst)
	a.Arg("rows", 8, 10)
	a.Arg("blocks", 16, pLeft)
	for i := R(0); i < 8; i++ {
		a.LoadR(10, 8*int(i), i)
	}
	a.constants(f, 10)
	if f.bias != 0 {
		a.MOVIB(pBias, f.bias&255)
	}
	head := panelHead(rung, 32, f.min)
	l := "pack" + f.name + rung
	a.Label(l)
	a.Scheduled(func() {
		for h := range 2 {
			for i := V(0); i < 4; i += 2 {
				x := a.unpack(f, R(4*h+int(i)), 16, 17, 4*h+int(i), 2*i, 2*i+1, 24, 25)
				y := a.unpack(f, R(4*h+int(i)+1), 16, 17, 4*h+int(i)+1, 2*i+2, 2*i+3, 26, 27)
				if f.bias != 0 {
					x = append(x, func() { a.SUBB(2*i, 2*i, pBias) }, func() { a.SUBB(2*i+1, 2*i+1, pBias) })
					y = append(y, func() { a.SUBB(2*i+2, 2*i+2, pBias) }, func() { a.SUBB(2*i+3, 2*i+3, pBias) })
				}
				zip(x, y)
			}
			a.storeCodes(rung, head, h)
		}
		a.FCVTL(20, 16)
		a.FCVTL2(21, 16)
		a.storeFloats(rung, 20, 21, 0)
		if f.min { // the halves are added, mins are subtracted
			a.FCVTL(20, 17)
			a.FCVTL2(21, 17)
			a.FNEG(20, 20)
			a.FNEG(21, 21)
			a.storeFloats(rung, 20, 21, head/2)
		}
		a.ADDImm(head+256, pDst, pDst)
	})
	a.SUBS(1, pLeft, pLeft)
	a.BNE(l)
	a.RET()
}

// packK is pack for a type with super-blocks.
func (a *Arm64) packK(f kformat, rung string) {
	a.Func(fmt.Sprintf("func pack%s%s(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)", f.name, rung), fmt.Sprintf(`
Packs eight rows of super-blocks of %d bytes into a panel, see the tile kernels.

	R0-R7 the rows   R8 dst   R9 super-blocks left   R10 tmp: d, scales, transposed
	V0-V7 codes of four rows, two vectors each   V18 what is subtracted from the codes
	V16-V30 free   V31 mask

	for each super-block {
		unpack the scales
		for 32 codes at a time { for rows 0-3, 4-7 { unpack; transpose; store }; store scales, mins }
	}`, f.bytes), 32)
	a.Arg("dst", 0, pDst)
	a.Arg("rows", 8, 10)
	a.Arg("blocks", 16, pLeft)
	for i := R(0); i < 8; i++ {
		a.LoadR(10, 8*int(i), i)
	}
	a.Arg("tmp", 24, 10)
	a.MOVIB(vMask, f.mask)
	head := panelHead(rung, f.sub, f.min)
	subs := 32 / f.sub
	each := head / subs // bytes of a sub-block's scales, then of all mins
	if f.min {
		each /= 2
	}
	l := "pack" + f.name + rung
	a.Label(l)
	a.Scheduled(func() {
		a.kScale(f, 10, 11)
		if f.bias != 0 {
			a.MOVIB(pBias, f.bias)
		}
		for s := range 8 {
			for h := range 2 {
				for i := V(0); i < 4; i += 2 {
					x := a.kUnpack(f, R(4*h+int(i)), s, 2*i, 2*i+1, 24, 25)
					y := a.kUnpack(f, R(4*h+int(i)+1), s, 2*i+2, 2*i+3, 26, 27)
					if f.bias != 0 {
						x = append(x, func() { a.SUBB(2*i, 2*i, pBias) }, func() { a.SUBB(2*i+1, 2*i+1, pBias) })
						y = append(y, func() { a.SUBB(2*i+2, 2*i+2, pBias) }, func() { a.SUBB(2*i+3, 2*i+3, pBias) })
					}
					zip(x, y)
				}
				a.storeCodes(rung, head, h)
			}
			for i := range subs {
				a.kFloats(10, kD, kScales+8*(subs*s+i), 20, 21, 26)
				a.storeFloats(rung, 20, 21, each*i)
				if f.min {
					a.kFloats(10, kDmin, kMins+8*(subs*s+i), 20, 21, 26)
					a.storeFloats(rung, 20, 21, head/2+each*i)
				}
			}
			a.ADDImm(head+256, pDst, pDst)
		}
		for i := R(0); i < 8; i++ {
			a.ADDImm(f.bytes, i, i)
		}
	})
	a.SUBS(1, pLeft, pLeft)
	a.BNE(l)
	a.RET()
}

// packKArm64 is the packing of the types with super-blocks.
func packKArm64(rung string) []byte {
	var a Arm64
	a.Header()
	a.kTables()
	for _, f := range kformats {
		a.packK(f, rung)
	}
	return a.Bytes()
}

// storeFloats stores eight floats, for i8mm each twice; V22-V25 are free.
func (a *Arm64) storeFloats(rung string, lo, hi V, off int) {
	if rung != "I8MM" {
		a.StorePairAt(pDst, off, lo, hi)
		return
	}
	a.ZIP1S(22, lo, lo)
	a.ZIP2S(23, lo, lo)
	a.ZIP1S(24, hi, hi)
	a.ZIP2S(25, hi, hi)
	a.StorePairAt(pDst, off, 22, 23)
	a.StorePairAt(pDst, off+32, 24, 25)
}

// storeCodes transposes the codes of rows 4h to 4h+3 in V0-V7 and stores them
// head bytes into the block.
func (a *Arm64) storeCodes(rung string, head, h int) {
	switch rung {
	case "I8MM":
		// rows 0 1 at 0, rows 2 3 at 16 of the 64 bytes of each eight codes
		for half := range 2 {
			r := V(half)
			a.ZIP1D(20, r, r+2)
			a.ZIP1D(21, r+4, r+6)
			a.ZIP2D(22, r, r+2)
			a.ZIP2D(23, r+4, r+6)
			a.StorePairAt(pDst, head+128*half+32*h, 20, 21)
			a.StorePairAt(pDst, head+128*half+64+32*h, 22, 23)
		}
	case "DotProd":
		for half := range 2 {
			r := V(half)
			a.TRN1S(20, r, r+2)
			a.TRN2S(21, r, r+2)
			a.TRN1S(22, r+4, r+6)
			a.TRN2S(23, r+4, r+6)
			a.ZIP1D(24, 20, 22)
			a.ZIP1D(25, 21, 23)
			a.ZIP2D(26, 20, 22)
			a.ZIP2D(27, 21, 23)
			a.StorePairAt(pDst, head+128*h+64*half, 24, 25)
			a.StorePairAt(pDst, head+128*h+64*half+32, 26, 27)
		}
	default:
		for half := range 2 {
			r := V(half)
			a.ZIP1H(20, r, r+4)
			a.ZIP2H(21, r, r+4)
			a.ZIP1H(22, r+2, r+6)
			a.ZIP2H(23, r+2, r+6)
			a.ZIP1H(24, 20, 22)
			a.ZIP2H(25, 20, 22)
			a.ZIP1H(26, 21, 23)
			a.ZIP2H(27, 21, 23)
			for g := range 4 {
				a.StoreQ(V(24+g), pDst, head+128*half+32*g+16*h)
			}
		}
	}
}

// Four tokens are packed block by block of 32:
//
//	dotprod  4 scales, [4 sums of 0-15, 4 of 16-31, 4 of both,] the codes of each token
//	i8mm     scales and sums as 0 1 0 1, then 2 3 2 3; for each eight codes: tokens 0 1, tokens 2 3
//	NEON     scales and sums as dotprod; for each four codes and token: the first
//	         two codes four times, the next two four times

// tokensHead is the bytes before a block's codes.
func tokensHead(rung string, min bool) int {
	n := 16
	if min {
		n = 64
	}
	if rung == "I8MM" {
		n *= 2
	}
	return n
}

func tokensBytes(rung string, min bool) int {
	if rung == "NEON" {
		return tokensHead(rung, min) + 512
	}
	return tokensHead(rung, min) + 128
}

// tokensArm64 is the packing of four tokens.
func tokensArm64() []byte {
	var a Arm64
	a.Header()
	var t [64]byte
	for v := range 4 {
		for i := range 16 {
			t[16*v+i] = byte(4*v + i/8*2 + i%2)
		}
	}
	a.Table("pairs", t[:])
	for _, rung := range []string{"NEON", "DotProd", "I8MM"} {
		a.tokens(rung, false)
		a.tokens(rung, true)
	}
	return a.Bytes()
}

func (a *Arm64) tokens(rung string, min bool) {
	name := "tokens" + rung
	if min {
		name = "tokensMin" + rung
	}
	a.Func("func "+name+"(dst *byte, q *int8, d *float32, sum *int16, blocks, t1, t2, t3 int)", `
Packs tokens 0, t1, t2 and t3 for the tile kernels.

	R0 dst   R1-R4 codes   R5-R8 scales   R9-R12 sums   R13 blocks left
	V0-V7 codes   V16-V19 scales, sums   V20-V27 free   V28-V31 how NEON repeats codes

	for each block { store scales, sums, codes }`, 64)
	const left R = 13
	a.Arg("dst", 0, 0)
	a.Arg("q", 8, 1)
	a.Arg("d", 16, 5)
	if min {
		a.Arg("sum", 24, 9)
	}
	a.Arg("blocks", 32, left)
	for i := R(1); i < 4; i++ {
		a.Arg(fmt.Sprintf("t%d", i), 32+8*int(i), 14)
		a.op("MUL R%d, R14, R14", left)
		a.ADDLsl(14, 5, 1, 1+i)
		a.ADDLsl(14, 2, 5, 5+i)
		if min {
			a.ADDLsl(14, 2, 9, 9+i)
		}
	}
	if rung == "NEON" {
		a.Address("pairs", 14)
		for i := range 4 {
			a.FMOVQ(14, 16*i, V(28+i))
		}
	}
	a.Label(name)
	for i := range 4 {
		a.LoadLaneS(R(5+i), 16, i)
		if min {
			a.LoadLaneS(R(9+i), 17, i)
		}
		a.LoadPair(R(1+i), 32, V(2*i), V(2*i+1))
	}
	heads := []V{16}
	if min {
		a.SADDLP(19, 17)
		a.SSHR(18, 17, 16)
		a.SHL(17, 17, 16)
		a.SSHR(17, 17, 16)
		for v := V(17); v < 20; v++ {
			a.SCVTF(v, v)
		}
		heads = append(heads, 17, 18, 19)
	}
	for i, v := range heads {
		if rung == "I8MM" {
			a.ZIP1D(20, v, v)
			a.ZIP2D(21, v, v)
			a.StorePairAt(0, 32*i, 20, 21)
		} else {
			a.StoreQ(v, 0, 16*i)
		}
	}
	head := tokensHead(rung, min)
	switch rung {
	case "DotProd":
		for i := range 4 {
			a.StorePairAt(0, head+32*i, V(2*i), V(2*i+1))
		}
	case "I8MM":
		for half := range V(2) {
			a.ZIP1D(20, half, 2+half)
			a.ZIP1D(21, 4+half, 6+half)
			a.ZIP2D(22, half, 2+half)
			a.ZIP2D(23, 4+half, 6+half)
			a.StorePairAt(0, head+64*int(half), 20, 21)
			a.StorePairAt(0, head+64*int(half)+32, 22, 23)
		}
	default:
		for g := range 8 {
			for t := range 4 {
				a.TBL(V(20+t), V(2*t+g/4), V(28+g%4))
			}
			a.StorePairAt(0, head+64*g, 20, 21)
			a.StorePairAt(0, head+64*g+32, 22, 23)
		}
	}
	a.ADDImm(tokensBytes(rung, min), 0, 0)
	a.SUBS(1, left, left)
	a.BNE(name)
	a.RET()
}
