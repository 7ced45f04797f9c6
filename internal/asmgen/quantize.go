package asmgen

// quantizeArm64 is the quantization of activations.
func quantizeArm64() []byte {
	const (
		q, d, sum, x, left, count, bits, tiny, inf R = 0, 1, 2, 3, 4, 5, 6, 7, 8
		v127, vAbs, vInv                           V = 31, 16, 30
	)
	var a Arm64
	a.Header()
	a.Func("func quantizeNEON(q *int8, d *float32, sum *int16, x *float32, blocks int) (done int)", `
Quantizes blocks of 32 values; stops at a block that is not finite and returns how
many it has done.

	R0 q   R1 d   R2 sum   R3 x   R4 blocks left   R5 blocks   R6 bits of the largest magnitude
	R7 bits of 2^-100   R8 bits of infinity
	V0-V7 values, codes   V16-V23 magnitudes   V30 127/absmax   V31 127

	for each block {
		m = max |x|
		if m is not finite { return }
		if m < 2^-100 { store zeros }
		else { d = m/127; q = round(x·(127/m)); sums of 16 }
	}`, 48)
	for i, name := range []string{"q", "d", "sum", "x", "blocks"} {
		a.Arg(name, 8*i, R(i))
	}
	a.MOV(left, count)
	a.MOVImm((127-100)<<23, tiny)
	a.MOVImm(0x7f800000, inf)
	a.op("FMOVS $127.0, F%d", v127)
	a.B("check")
	a.Label("block")
	for v := V(0); v < 8; v += 2 {
		a.LoadPair(x, 32, v, v+1)
	}
	for v := range V(8) {
		a.FABS(vAbs+v, v)
	}
	for n := V(4); n > 0; n /= 2 {
		for v := range n {
			a.UMAX(vAbs+v, vAbs+v, vAbs+v+n)
		}
	}
	a.UMAXV(vAbs, vAbs)
	a.FMOVtoR(vAbs, bits)
	a.op("CMPW R%d, R%d", inf, bits)
	a.BHS("done")
	a.op("CMPW R%d, R%d", tiny, bits)
	a.BLO("zero")
	a.FDIVS(vInv, v127, vAbs)
	a.FDIVS(17, vAbs, v127)
	for v := range V(8) {
		a.FMULElem(v, v, vInv, 0)
	}
	for v := range V(8) {
		a.FCVTNS(v, v)
	}
	for v := range V(4) {
		a.UZP1H(v, 2*v, 2*v+1)
	}
	a.UZP1B(0, 0, 1)
	a.UZP1B(1, 2, 3)
	a.SADDLPB(2, 0)
	a.SADDLPB(3, 1)
	a.ADDPH(2, 2, 3)
	a.ADDPH(2, 2, 2)
	a.ADDPH(2, 2, 2)
	a.Label("store")
	a.StorePair(q, 32, 0, 1)
	a.StoreSP(17, d, 4)
	a.StoreSP(2, sum, 4)
	a.SUBS(1, left, left)
	a.Label("check")
	a.op("CBNZ R%d, block", left)
	a.Label("done")
	a.SUBReg(left, count, count)
	a.op("MOVD R%d, done+40(FP)", count)
	a.RET()
	a.Label("zero")
	for _, v := range []V{0, 1, 2, 17} {
		a.Zero(v)
	}
	a.B("store")
	return a.Bytes()
}
