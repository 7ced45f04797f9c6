package asmgen

import "fmt"

const gTmpBuf R = 24

// gemvKArm64 is the matrix-vector products of the types with super-blocks.
func gemvKArm64(rung string) []byte {
	var a Arm64
	a.Header()
	a.kTables()
	for _, f := range kformats {
		a.gemvK(f, rung)
	}
	return a.Bytes()
}

// second is the int sums of codes 16-31 where sub-blocks have 16.
var second = [8]V{10, 11, 12, 13, 16, 17, 28, 29}

func (a *Arm64) gemvK(f kformat, rung string) {
	sums := "V0-V7 int32 sums of each row, of its super-block so far\n\tV10-V13 the sums of this up to this and the last sub-block"
	if f.sub == 16 {
		sums = "V0-V7 int32 sums of each row for codes 0-15, V10-V13 V16 V17 V28 V29 for 16-31"
	}
	a.Func(fmt.Sprintf("func gemv%s%s(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int, tmp *[320]byte)", f.name, rung), fmt.Sprintf(`
dst[8g+i] += row 8g+i of w times the activations, for groups of 8 rows; a row is
super-blocks of %d bytes, stride bytes apart; blocks counts 256 weights.

	R0-R7 the eight rows   R8 codes   R9 scales d   R10 sums of 16   R11 blocks left
	R12 what is prefetched, one group of rows ahead   R13 dst   R14 groups
	R15 R19 R20 start of codes, d, sums   R21 blocks   R22 from a row's end to the next group
	R24 tmp: d, dmin, scales and mins of the eight super-blocks, transposed
	%s
	V8 V9 float sums, lane = row   V14 V15 codes of x   V18 d   V19 Σx   V20-V27 free   V31 mask

	for each group {
		f = dst[0:8]
		for each super-block {
			unpack the scales of the eight rows
			for each sub-block { n = Σ codes·x; f += float32(n)·scale·d; with mins f -= Σx·min·d }
		}
		dst[0:8] = f; dst += 8
	}`, f.bytes, sums), 72)
	for i, name := range []string{"dst", "w", "q", "d", "sum", "blocks", "stride", "groups", "tmp"} {
		a.Arg(name, 8*i, []R{gDst, 0, gQ0, gD0, gSum0, gBlocks, gTmp, gGroups, gTmpBuf}[i])
	}
	for i := R(1); i < 8; i++ {
		a.ADDReg(gTmp, i-1, i)
	}
	a.ADDReg(gTmp, 7, gAhead)
	a.LSL(3, gTmp, gSkip)
	a.MOVImm(f.bytes, gTmp)
	a.op("MSUB R%d, R%d, R%d, R%d", gTmp, gSkip, gBlocks, gSkip)
	a.MOVIB(vMask, f.mask)
	l := "block" + f.name + rung
	a.Label("group" + f.name + rung)
	a.LoadPairAt(gDst, 0, gFloat, gFloat+1)
	a.MOV(gQ0, gQ)
	a.MOV(gD0, gD)
	a.MOV(gSum0, gSum)
	a.MOV(gBlocks, gLeft)
	a.Label(l)
	a.Scheduled(func() {
		a.gemvAhead(8 * f.bytes)
		a.kScale(f, gTmpBuf, gTmp)
		if f.sub == 32 {
			for _, v := range []V{0, 1, 2, 3, 4, 5, 6, 7, gOld + 2, gOld + 3} {
				a.Zero(v)
			}
		}
		for s := range 8 {
			a.gemvKBlock(f, rung, s)
		}
		for i := R(0); i < 8; i++ {
			a.ADDImm(f.bytes, i, i)
		}
	})
	a.SUBS(1, gLeft, gLeft)
	a.BNE(l)
	a.StorePair(gDst, 32, gFloat, gFloat+1)
	for i := R(0); i < 8; i++ {
		a.ADDReg(gSkip, i, i)
	}
	a.SUBS(1, gGroups, gGroups)
	a.BNE("group" + f.name + rung)
	a.RET()
}

// gemvKBlock is 32 weights of eight rows.
func (a *Arm64) gemvKBlock(f kformat, rung string, s int) {
	a.LoadPair(gQ, 32, gX0, gX1)
	for i := V(0); i < 8; i += 2 {
		x := a.kUnpack(f, R(i), s, gA0, gA1, gA2, gA3)
		y := a.kUnpack(f, R(i+1), s, gB0, gB1, gB2, gB3)
		if f.sub == 32 {
			small := format{small: true}
			x, y = append(x, a.dot32(small, rung, i, gA0, gA1, gA2, []V{gX0, gX1})...), append(y, a.dot32(small, rung, i+1, gB0, gB1, gB2, []V{gX0, gX1})...)
		} else {
			x, y = append(x, a.dot16(rung, i, second[i], gA0, gA1, gA2)...), append(y, a.dot16(rung, i+1, second[i+1], gB0, gB1, gB2)...)
		}
		zip(x, y)
	}
	a.FMOVSP(gD, 4, gDx)
	a.LoadDupS(gSum, gSumX)
	if f.sub == 32 {
		a.SADDLP(gSumX, gSumX)
		now, before := gOld+V(2*(s%2)), gOld+V(2-2*(s%2))
		for h := V(0); h < 2; h++ {
			a.ADDP(gA0, 4*h, 4*h+1)
			a.ADDP(gA1, 4*h+2, 4*h+3)
			a.ADDP(now+h, gA0, gA1)
			a.SUB(gX0+h, now+h, before+h)
		}
		a.gemvKScale(f, s, gSumX)
		return
	}
	a.SSHR(gSumX+1, gSumX, 16) // V20: Σ of 16-31
	a.SHL(gSumX, gSumX, 16)
	a.SSHR(gSumX, gSumX, 16)
	for part, acc := range [2][8]V{{0, 1, 2, 3, 4, 5, 6, 7}, second} {
		for h := range V(2) {
			a.ADDP(gA1, acc[4*h], acc[4*h+1])
			a.ADDP(gB0, acc[4*h+2], acc[4*h+3])
			a.ADDP(gX0+h, gA1, gB0)
		}
		a.gemvKScale(f, 2*s+part, gSumX+V(part))
	}
}

// gemvKScale adds sub-block s, whose int sums are in V14 and V15; sum is Σx.
func (a *Arm64) gemvKScale(f kformat, s int, sum V) {
	if f.bias != 0 {
		a.SHL(gB0, sum, f.shift)
		a.SUB(gX0, gX0, gB0)
		a.SUB(gX1, gX1, gB0)
	}
	a.SCVTF(gX0, gX0)
	a.SCVTF(gX1, gX1)
	a.kFloats(gTmpBuf, kD, kScales+8*s, 24, 25, 26)
	a.FMUL(gX0, gX0, 24)
	a.FMUL(gX1, gX1, 25)
	a.FMULElem(gX0, gX0, gDx, 0)
	a.FMULElem(gX1, gX1, gDx, 0)
	a.FADD(gFloat, gFloat, gX0)
	a.FADD(gFloat+1, gFloat+1, gX1)
	if f.min {
		a.kFloats(gTmpBuf, kDmin, kMins+8*s, 24, 25, 26)
		a.SCVTF(gB0, sum)
		a.FMUL(24, 24, gB0)
		a.FMUL(25, 25, gB0)
		a.FMULElem(24, 24, gDx, 0)
		a.FMULElem(25, 25, gDx, 0)
		a.FSUB(gFloat, gFloat, 24)
		a.FSUB(gFloat+1, gFloat+1, 25)
	}
}

// dot16 is the products of codes 0-15 into acc and of 16-31 into acc2.
func (a *Arm64) dot16(rung string, acc, acc2, lo, hi, t V) []func() {
	if rung == "DotProd" {
		return []func(){
			func() { a.Zero(acc) },
			func() { a.Zero(acc2) },
			func() { a.SDOT(acc, lo, gX0) },
			func() { a.SDOT(acc2, hi, gX1) },
		}
	}
	return []func(){
		func() { a.SMULL(t, lo, gX0) },
		func() { a.SMLAL2(t, lo, gX0) },
		func() { a.SADDLP(acc, t) },
		func() { a.SMULL(t, hi, gX1) },
		func() { a.SMLAL2(t, hi, gX1) },
		func() { a.SADDLP(acc2, t) },
	}
}
