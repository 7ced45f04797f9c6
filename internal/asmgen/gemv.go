package asmgen

import "fmt"

// Registers of the matrix-vector kernels.
const (
	gQ, gD, gSum, gLeft, gAhead, gDst, gGroups R = 8, 9, 10, 11, 12, 13, 14
	gQ0, gD0, gSum0, gBlocks, gSkip, gTmp      R = 15, 19, 20, 21, 22, 23

	gFloat, gOld       V   = 8, 10 // two float sums; two parities of two int32 sums
	gX0, gX1           V   = 14, 15
	gScale, gMin, gDx  V   = 16, 17, 18
	gSumX              V   = 19
	gA0, gA1, gB0, gB1 V   = 20, 21, 22, 23
	gA2, gB2, gA3, gB3 V   = 24, 25, 26, 27
	gT0, gT1, gT2      V   = 20, 21, 22
	gemvPrototype          = "func gemv%s%s(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int)"
	gemvArgs           int = 64
)

// gemvArm64 is the matrix-vector products of the types with blocks of 32.
func gemvArm64() []byte {
	var a Arm64
	a.Header()
	a.tables(formats)
	for _, rung := range []string{"NEON", "DotProd"} {
		for _, f := range formats {
			a.gemv(f, rung)
		}
	}
	return a.Bytes()
}

func (a *Arm64) gemv(f format, rung string) {
	dot := map[string]string{
		"NEON":    "smull, smlal2 and sadalp (two products of -128·±127 fit an int16)",
		"DotProd": "sdot",
	}[rung]
	extra := ""
	if f.bias != 0 {
		extra = fmt.Sprintf(" - (%d)·Σx", f.bias)
	}
	if f.min {
		extra += "; f += float32(Σx)·m·d[b]"
	}
	a.Func(fmt.Sprintf(gemvPrototype, f.name, rung), fmt.Sprintf(`
dst[8g+i] = row 8g+i of w times the activations, for groups of 8 rows; a row is
blocks of %d bytes, stride bytes apart. Products by %s.

	R0-R7 the eight rows   R8 codes   R9 scales d   R10 sums of 16   R11 blocks left
	R12 what is prefetched, one group of rows ahead   R13 dst   R14 groups
	R15 R19 R20 start of codes, d, sums   R21 blocks   R22 from a row's end to the next group
	V0-V7 int32 sums of each row, from its first block on (they may wrap)
	V8 V9 float sums, lane = row   V10-V13 the int32 sums up to this and the last block
	V14 V15 codes of x   V16 V17 scales and mins   V18 d   V19 Σx   V20-V27 free   V28-V31 constants

	for each group {
		for each block b {
			for each row { V[row] += codes of w · codes of x }
			s = pairwise sums of V0-V7; n = s - s of the block before%s
			f += float32(n)·scale·d[b]
		}
		dst[0:8] = f; dst += 8
	}`, f.bytes, dot, extra), gemvArgs)
	for i, name := range []string{"dst", "w", "q", "d", "sum", "blocks", "stride", "groups"} {
		a.Arg(name, 8*i, []R{gDst, 0, gQ0, gD0, gSum0, gBlocks, gTmp, gGroups}[i])
	}
	for i := R(1); i < 8; i++ {
		a.ADDReg(gTmp, i-1, i)
	}
	a.ADDReg(gTmp, 7, gAhead)
	// each row pointer ends blocks·bytes further, and 8·stride is wanted
	a.LSL(3, gTmp, gSkip)
	a.MOVImm(f.bytes, gTmp)
	a.op("MSUB R%d, R%d, R%d, R%d", gTmp, gSkip, gBlocks, gSkip)
	a.constants(f, gTmp)
	l := func(s string) string { return fmt.Sprintf("%s%s%s", s, f.name, rung) }
	a.Label(l("group"))
	for v := V(0); v < 10; v++ {
		a.Zero(v)
	}
	a.Zero(gOld + 2)
	a.Zero(gOld + 3)
	a.MOV(gQ0, gQ)
	a.MOV(gD0, gD)
	if f.min || f.bias != 0 {
		a.MOV(gSum0, gSum)
	}
	a.SUBS(2, gBlocks, gLeft)
	a.BLT(l("odd"))
	a.Label(l("two"))
	bytes := 16 * f.bytes
	for off := 0; off+64 <= bytes; off += 64 { // a line in 17 is left to the hardware
		a.Prefetch(gAhead, off)
	}
	a.ADDImm(bytes, gAhead, gAhead)
	a.FMOVDP(gD, 8, gDx)
	a.gemvBlock(f, rung, 0)
	a.gemvBlock(f, rung, 1)
	a.SUBS(2, gLeft, gLeft)
	a.BGE(l("two"))
	a.Label(l("odd"))
	a.ADDS(2, gLeft, gLeft)
	a.BEQ(l("store"))
	a.FMOVSP(gD, 4, gDx)
	a.gemvBlock(f, rung, 0)
	a.Label(l("store"))
	a.StorePair(gDst, 32, gFloat, gFloat+1)
	for i := R(0); i < 8; i++ {
		a.ADDReg(gSkip, i, i)
	}
	a.SUBS(1, gGroups, gGroups)
	a.BNE(l("group"))
	a.RET()
}

// gemvBlock is one block of eight rows; its d is lane parity of V18. The sums up to the block before are in
// the registers of the other parity.
func (a *Arm64) gemvBlock(f format, rung string, parity int) {
	a.LoadPair(gQ, 32, gX0, gX1)
	for i := V(0); i < 8; i += 2 {
		x := a.unpack(f, R(i), gScale, gMin, int(i), gA0, gA1, gA2, gA3)
		y := a.unpack(f, R(i+1), gScale, gMin, int(i+1), gB0, gB1, gB2, gB3)
		zip(append(x, a.dot32(f, rung, i, gA0, gA1, gA2)...), append(y, a.dot32(f, rung, i+1, gB0, gB1, gB2)...))
	}
	if f.min || f.bias != 0 {
		a.LoadDupS(gSum, gSumX)
		a.SADDLP(gSumX, gSumX)
	}
	bias := gSumX
	if f.bias != 0 {
		bias = gB0
		if f.min {
			bias = gB2
		}
		shift := map[int]int{8: 3, -16: 4}[f.bias]
		a.SHL(bias, gSumX, shift)
	}
	if f.min {
		a.SCVTF(gSumX, gSumX)
	}
	now, before := gOld+V(2*parity), gOld+V(2-2*parity)
	for h := V(0); h < 2; h++ {
		a.ADDP(gT0, 4*h, 4*h+1)
		a.ADDP(gT1, 4*h+2, 4*h+3)
		a.ADDP(now+h, gT0, gT1)
		a.SUB(gT0, now+h, before+h)
		switch {
		case f.bias > 0:
			a.SUB(gT0, gT0, bias)
		case f.bias < 0:
			a.ADD(gT0, gT0, bias)
		}
		a.SCVTF(gT0, gT0)
		a.widenHalf(gT1, gScale, h)
		a.FMUL(gT0, gT0, gT1)
		a.FMULElem(gT0, gT0, gDx, parity)
		a.FADD(gFloat+h, gFloat+h, gT0)
		if f.min {
			a.widenHalf(gT1, gMin, h)
			a.FMUL(gT1, gT1, gSumX)
			a.FMULElem(gT1, gT1, gDx, parity)
			a.FADD(gFloat+h, gFloat+h, gT1)
		}
	}
}

func (a *Arm64) widenHalf(d, n V, h V) {
	if h == 0 {
		a.FCVTL(d, n)
	} else {
		a.FCVTL2(d, n)
	}
}

// dot32 adds the products of the codes lo, hi with x to the int32 sums of acc.
func (a *Arm64) dot32(f format, rung string, acc, lo, hi, t V) []func() {
	if rung == "DotProd" {
		return []func(){
			func() { a.SDOT(acc, lo, gX0) },
			func() { a.SDOT(acc, hi, gX1) },
		}
	}
	steps := []func(){
		func() { a.SMULL(t, lo, gX0) },
		func() { a.SMLAL2(t, lo, gX0) },
	}
	if f.small {
		return append(steps,
			func() { a.SMLAL(t, hi, gX1) },
			func() { a.SMLAL2(t, hi, gX1) },
			func() { a.SADALP(acc, t) })
	}
	return append(steps,
		func() { a.SADALP(acc, t) },
		func() { a.SMULL(t, hi, gX1) },
		func() { a.SMLAL2(t, hi, gX1) },
		func() { a.SADALP(acc, t) })
}
