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

// gemvRegs are the registers of one type's product.
type gemvRegs struct {
	x            []V    // codes of one block of x, or of two
	scales       [2]V   // halves of rows 0-3 and of rows 4-7, or one of all eight
	min, dx, sum V      // halves of eight rows; of four blocks d and Σx
	free         [][4]V // what a row is unpacked in; rows take turns
	bias         V      // the bias in every lane
}

// gemvRegsOf keeps two blocks of x where the unpacker leaves room, and as many rows
// under way.
func gemvRegsOf(f format, rung string) gemvRegs {
	if f.fifth {
		r := gemvRegs{[]V{14, 15}, [2]V{16, 17}, 17, 18, 19, [][4]V{{20, 21, 24, 25}, {22, 23, 26, 27}}, 27}
		if f.min {
			r.scales[1] = 16
		}
		return r
	}
	r := gemvRegs{[]V{14, 15, 16, 17}, [2]V{18, 19}, 19, 20, 21, [][4]V{{22, 23, 26}, {24, 25, 27}}, 30}
	if f.min {
		r.scales[1] = 18
	}
	switch {
	case rung == "DotProd":
		r.free = [][4]V{{22, 23}, {24, 25}, {26, 27}, {28, 29}}
	case f.kind == whole:
		r.free = append(r.free, [4]V{28, 29, 30})
	}
	return r
}

func (a *Arm64) gemv(f format, rung string) {
	r := gemvRegsOf(f, rung)
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
dst[8g+i] += row 8g+i of w times the activations, for groups of 8 rows; a row is
blocks of %d bytes, stride bytes apart. Products by %s. Four blocks at a time: one
load has their d, one their sums.

	R0-R7 the eight rows   R8 codes   R9 scales d   R10 sums of 16   R11 blocks left
	R12 what is prefetched, one group of rows ahead   R13 dst   R14 groups
	R15 R19 R20 start of codes, d, sums   R21 blocks   R22 from a row's end to the next group
	V0-V7 int32 sums of each row, from its first block on (they may wrap)
	V8 V9 float sums, lane = row   V10-V13 the int32 sums up to this and the last block
	V14-V%d codes of x   V%d V%d scales (and mins)   V%d d   V%d Σx   others free up to the constants from V28 on

	for each group {
		f = dst[0:8]
		for each block b {
			for each row { V[row] += codes of w · codes of x }
			s = pairwise sums of V0-V7; n = s - s of the block before%s
			f += float32(n)·scale·d[b]
		}
		dst[0:8] = f; dst += 8
	}`, f.bytes, dot, 13+len(r.x), r.scales[0], r.scales[1], r.dx, r.sum, extra), gemvArgs)
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
	sums := f.min || f.bias != 0
	if f.bias != 0 && !f.fifth {
		a.MOVIS(r.bias, f.bias)
	}
	l := func(s string) string { return fmt.Sprintf("%s%s%s", s, f.name, rung) }
	a.Label(l("group"))
	for v := range V(8) {
		a.Zero(v)
	}
	a.LoadPairAt(gDst, 0, gFloat, gFloat+1)
	a.Zero(gOld + 2)
	a.Zero(gOld + 3)
	a.MOV(gQ0, gQ)
	a.MOV(gD0, gD)
	if sums {
		a.MOV(gSum0, gSum)
	}
	a.SUBS(4, gBlocks, gLeft)
	a.BLT(l("odd"))
	a.Label(l("four"))
	a.Scheduled(func() {
		a.gemvAhead(32 * f.bytes)
		a.FMOVQP(gD, 16, r.dx)
		if sums {
			a.FMOVQP(gSum, 16, r.sum)
			a.gemvSums(f, r)
		}
		for i := range 4 {
			if at := 2 * i % len(r.x); at == 0 {
				a.LoadB16(gQ, r.x...)
			}
			a.gemvBlock(f, rung, r, r.x[2*i%len(r.x):], i, i%2)
		}
	})
	a.SUBS(4, gLeft, gLeft)
	a.BGE(l("four"))
	a.Label(l("odd"))
	a.ADDS(4, gLeft, gLeft)
	a.BEQ(l("store"))
	a.Label(l("one"))
	a.gemvAhead(8 * f.bytes)
	a.FMOVSP(gD, 4, r.dx)
	if sums {
		a.FMOVSP(gSum, 4, r.sum)
		a.gemvSums(f, r)
	}
	a.Scheduled(func() {
		a.LoadB16(gQ, r.x[:2]...)
		a.gemvBlock(f, rung, r, r.x, 0, 0)
	})
	for h := range V(2) {
		a.ORR(gOld+2+h, gOld+h, gOld+h)
	}
	a.SUBS(1, gLeft, gLeft)
	a.BNE(l("one"))
	a.Label(l("store"))
	a.StorePair(gDst, 32, gFloat, gFloat+1)
	for i := R(0); i < 8; i++ {
		a.ADDReg(gSkip, i, i)
	}
	a.SUBS(1, gGroups, gGroups)
	a.BNE(l("group"))
	a.RET()
}

// gemvAhead prefetches the next bytes of the next group; of a last part of a line
// the hardware takes care.
func (a *Arm64) gemvAhead(bytes int) {
	for off := 0; off+64 <= bytes; off += 64 {
		a.Prefetch(gAhead, off)
	}
	a.ADDImm(bytes, gAhead, gAhead)
}

// gemvSums makes int32 sums of blocks of the int16 sums of 16, float32 for the
// types whose sums are multiplied by a min only.
func (a *Arm64) gemvSums(f format, r gemvRegs) {
	a.SADDLP(r.sum, r.sum)
	if f.min && f.bias == 0 {
		a.SCVTF(r.sum, r.sum)
	}
}

// gemvBlock is one block of eight rows; its d and Σx are in lane at. The sums up
// to the block before are in the registers of the other parity.
func (a *Arm64) gemvBlock(f format, rung string, r gemvRegs, x []V, at, parity int) {
	two := r.scales[0] != r.scales[1]
	for i := range V(8) {
		t, lane := r.free[int(i)%len(r.free)], int(i)
		if two {
			lane %= 4
		}
		steps := a.unpack(f, R(i), r.scales[i/4], r.min, lane, t[0], t[1], t[2], t[3])
		zip(steps, nil)
		zip(a.dot32(f, rung, i, t[0], t[1], t[2], x), nil)
	}
	if f.bias != 0 && f.fifth {
		a.MOVIS(r.bias, max(f.bias, -f.bias))
	}
	sum, lane := r.sum, at
	if f.bias != 0 && f.min { // both forms are needed
		sum, lane = r.free[1][2], 0
		a.DUPS(sum, r.sum, at)
		a.SCVTF(sum, sum)
	}
	now, before := gOld+V(2*parity), gOld+V(2-2*parity)
	for h := V(0); h < 2; h++ {
		t0, t1 := r.free[h][0], r.free[h][1]
		a.ADDP(t0, 4*h, 4*h+1)
		a.ADDP(t1, 4*h+2, 4*h+3)
		a.ADDP(now+h, t0, t1)
		a.SUB(t0, now+h, before+h)
		switch {
		case f.bias > 0:
			a.MLSElem(t0, r.bias, r.sum, at)
		case f.bias < 0:
			a.MLAElem(t0, r.bias, r.sum, at)
		}
		a.SCVTF(t0, t0)
		if two {
			a.FCVTL(t1, r.scales[h])
		} else {
			a.widenHalf(t1, r.scales[0], h)
		}
		a.FMUL(t0, t0, t1)
		a.FMULElem(t0, t0, r.dx, at)
		a.FADD(gFloat+h, gFloat+h, t0)
		if f.min {
			a.widenHalf(t1, r.min, h)
			a.FMULElem(t1, t1, sum, lane)
			a.FMULElem(t1, t1, r.dx, at)
			a.FADD(gFloat+h, gFloat+h, t1)
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
func (a *Arm64) dot32(f format, rung string, acc, lo, hi, t V, x []V) []func() {
	if rung == "DotProd" {
		return []func(){
			func() { a.SDOT(acc, lo, x[0]) },
			func() { a.SDOT(acc, hi, x[1]) },
		}
	}
	steps := []func(){
		func() { a.SMULL(t, lo, x[0]) },
		func() { a.SMLAL2(t, lo, x[0]) },
	}
	if f.small {
		return append(steps,
			func() { a.SMLAL(t, hi, x[1]) },
			func() { a.SMLAL2(t, hi, x[1]) },
			func() { a.SADALP(acc, t) })
	}
	return append(steps,
		func() { a.SADALP(acc, t) },
		func() { a.SMULL(t, hi, x[1]) },
		func() { a.SMLAL2(t, hi, x[1]) },
		func() { a.SADALP(acc, t) })
}
