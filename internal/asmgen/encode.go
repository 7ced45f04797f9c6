package asmgen

import (
	"fmt"
	"math"
)

// encoding is how 32 values become a block. Codes are value·(1/d) + plus, truncated.
type encoding struct {
	name string
	what string
	plus float32 // 0: half away from zero
	by   float32 // what the first value of largest magnitude is multiplied with to give d
	span float32 // or the range is divided by
	top  int     // the largest code, where one more would come out; 0: none does
	five bool    // codes of five bits
}

var encodings = []encoding{
	{name: "Q8_0", what: "d = max|x|/127; q = x/d to the nearest, half away from zero"},
	{name: "Q4_0", what: "m = the first value of largest magnitude; d = m/-8; q = min(15, trunc(x/d + 8.5))", by: -1. / 8, plus: 8.5, top: 15},
	{name: "Q5_0", what: "m = the first value of largest magnitude; d = m/-16; q = min(31, trunc(x/d + 16.5))", by: -1. / 16, plus: 16.5, top: 31, five: true},
	{name: "Q4_1", what: "m = the least value; d = (the largest - m)/15; q = min(15, trunc((x-m)/d + 0.5))", span: 15, plus: 0.5, top: 15},
	{name: "Q5_1", what: "m = the least value; d = (the largest - m)/31; q = trunc((x-m)/d + 0.5)", span: 31, plus: 0.5, five: true},
}

// encodeArm64 is rows made of float32, as package quant makes them.
func encodeArm64() []byte {
	var a Arm64
	a.Header()
	bits := make([]byte, 16)
	for i := range bits {
		bits[i] = 1 << (i % 8)
	}
	a.Table("bits", bits)
	for _, e := range encodings {
		a.encode(e)
	}
	a.encodeBF16()
	return a.Bytes()
}

// Registers of the encoders.
const (
	encRow, encX, encLeft, encInf, encCount R = 0, 1, 2, 3, 10

	encD, encInverse, encHalf, encFirst, encPlus, encOne, encInfinity, encBy V = 24, 25, 26, 27, 28, 29, 30, 31
	encTop, encBit4, encBits                                                 V = 20, 21, 22
)

func (a *Arm64) encode(e encoding) {
	a.Func(fmt.Sprintf("func encode%sNEON(row *byte, x *float32, blocks int) (done int)", e.name), fmt.Sprintf(`
%s.
1/d is 0 where it is not finite. Stops at a block whose values, or their range, are
not finite and returns how many it has done; blocks is positive.

	R0 row   R1 x   R2 blocks left   R3 bits of infinity   R4-R9 free   R10 blocks
	V0-V7 values, codes   V16-V19 free   V20 the largest code   V21 16   V22 1, 2, 4 … 128
	V24 d   V25 1/d   V26 d as a half   V27 m   V28 what is added   V29 1   V30 infinity
	V31 what d is made with`, e.what), 32)
	for i, name := range []string{"row", "x", "blocks"} {
		a.Arg(name, 8*i, R(i))
	}
	a.MOV(encLeft, encCount)
	a.MOVImm(0x7f800000, encInf)
	a.VMOVfromR(encInf, encInfinity)
	a.op("FMOVS $1.0, F%d", encOne)
	set := func(v V, f float32) {
		a.MOVImm(int(math.Float32bits(f)), 4)
		a.VMOVfromR(4, v)
	}
	set(encPlus, e.plus)
	switch {
	case e.by != 0:
		set(encBy, e.by)
	case e.span != 0:
		set(encBy, e.span)
	default:
		set(encBy, 127)
	}
	if e.top != 0 {
		a.MOVIB(encTop, e.top)
	}
	if e.five {
		a.MOVIB(encBit4, 16)
		a.Address("bits", 4)
		a.FMOVQ(4, 0, encBits)
	}
	a.Label("block" + e.name)
	for v := V(0); v < 8; v += 2 {
		a.LoadPairAt(encX, 16*int(v), v, v+1)
	}
	switch {
	case e.by != 0:
		a.signed(e)
	case e.span != 0:
		a.span(e)
	default:
		a.magnitude(e)
	}
	a.FDIVS(encInverse, encOne, encD)
	a.FABS(16, encInverse)
	a.FCMGT(16, encInfinity, 16)
	a.AND(encInverse, encInverse, 16)
	a.FCVTN(encHalf, encD)
	a.StoreLaneH(encHalf, 0, encRow)
	if e.span != 0 {
		a.FCVTN(encHalf, encFirst)
		a.StoreLaneH(encHalf, 0, encRow)
		for v := range V(8) {
			a.FSUB(v, v, encFirst)
		}
	}
	for v := range V(8) {
		a.FMULElem(v, v, encInverse, 0)
	}
	for v := range V(8) {
		if e.plus != 0 {
			a.FADD(v, v, encPlus)
		}
	}
	for v := range V(8) {
		if e.plus != 0 {
			a.FCVTZS(v, v)
		} else {
			a.FCVTAS(v, v)
		}
	}
	for v := range V(4) {
		a.UZP1H(v, 2*v, 2*v+1)
	}
	a.UZP1B(0, 0, 1)
	a.UZP1B(1, 2, 3)
	a.codes(e)
	a.ADDImm(128, encX, encX)
	a.SUBS(1, encLeft, encLeft)
	a.BNE("block" + e.name)
	a.Label("done" + e.name)
	a.SUBReg(encLeft, encCount, encCount)
	a.op("MOVD R%d, done+24(FP)", encCount)
	a.RET()
}

// codes stores the bytes of V0 and V1.
func (a *Arm64) codes(e encoding) {
	if e.plus == 0 {
		a.StoreB16(encRow, 0, 1)
		return
	}
	if e.top != 0 {
		a.UMINB(0, 0, encTop)
		a.UMINB(1, 1, encTop)
	}
	if e.five {
		a.CMTST(16, 0, encBit4)
		a.CMTST(17, 1, encBit4)
		a.AND(16, 16, encBits)
		a.AND(17, 17, encBits)
		a.ADDPB(16, 16, 17)
		a.ADDPB(16, 16, 16)
		a.ADDPB(16, 16, 16)
		a.StoreSP(16, encRow, 4)
	}
	a.SLIB(0, 1, 4)
	a.StoreB16(encRow, 0)
}

// reduce combines V0 to V7 in d by f, then its lanes by across; the register after
// d is lost.
func (a *Arm64) reduce(d V, f func(d, n, m V), across func(d, n V)) {
	f(d, 0, 1)
	f(d+1, 2, 3)
	f(d, d, d+1)
	f(d+1, 4, 5)
	f(d, d, d+1)
	f(d+1, 6, 7)
	f(d, d, d+1)
	across(d, d)
}

// magnitude: d = max|x|/127.
func (a *Arm64) magnitude(e encoding) {
	for v := range V(8) {
		a.FABS(16+v, v)
	}
	for n := V(4); n > 0; n /= 2 {
		for v := range n {
			a.UMAX(16+v, 16+v, 16+v+n)
		}
	}
	a.UMAXV(16, 16)
	a.FMOVtoR(16, 4)
	a.op("CMPW R%d, R4", encInf)
	a.BHS("done" + e.name)
	a.FDIVS(encD, 16, encBy)
}

// signed: V27 = the first value of largest magnitude with its sign, 0 where all are
// zeros; d is by times that. As signed integers the positive value of largest
// magnitude is the largest, as unsigned the negative one is.
func (a *Arm64) signed(e encoding) {
	a.reduce(16, a.SMAX, a.SMAXV)
	a.reduce(18, a.UMAX, a.UMAXV)
	a.FMOVtoR(16, 4)
	a.FMOVtoR(18, 5)
	a.op("CMPW $0, R4")
	a.op("CSEL LT, ZR, R4, R4")
	a.op("ANDW $0x7fffffff, R5, R6")
	a.op("CMPW $0, R5")
	a.op("CSEL LT, R6, ZR, R6")
	a.op("CMPW R6, R4")
	a.op("CSEL HI, R4, R5, R7")
	a.op("CSEL HI, R4, R6, R8")
	a.BEQ("tie" + e.name)
	a.op("CMPW R%d, R8", encInf)
	a.BHS("done" + e.name)
	a.Label("found" + e.name)
	a.op("FMOVS R7, F%d", encFirst)
	a.FMULElem(encD, encFirst, encBy, 0)
	a.B("scale" + e.name)
	a.Label("tie" + e.name) // both signs: the first decides
	a.op("CMPW R%d, R8", encInf)
	a.BHS("done" + e.name)
	a.MOVImm(0, 7)
	a.op("CBZW R4, found%s", e.name)
	a.MOV(encX, 8)
	a.Label("search" + e.name)
	a.op("MOVWU.P 4(R8), R7")
	a.op("ANDW $0x7fffffff, R7, R9")
	a.op("CMPW R4, R9")
	a.BNE("search" + e.name)
	a.B("found" + e.name)
	a.Label("scale" + e.name)
}

// span: V27 = the least value in every lane, d = (the largest - it)/span. FMIN says
// that -0 is less than 0: the first zero decides.
func (a *Arm64) span(e encoding) {
	a.reduce(16, a.FMIN, a.FMINV)
	a.reduce(18, a.FMAX, a.FMAXV)
	a.FSUB(encD, 18, 16)
	a.FABS(encD, encD)
	a.FDIVS(encD, encD, encBy)
	a.FMOVtoR(encD, 4)
	a.op("CMPW R%d, R4", encInf)
	a.BHS("done" + e.name)
	a.DUPS(encFirst, 16, 0)
	a.FMOVtoR(16, 4)
	a.op("ADDSW R4, R4, R5")
	a.BNE("least" + e.name)
	a.MOV(encX, 8)
	a.Label("search" + e.name)
	a.op("MOVWU.P 4(R8), R7")
	a.op("ADDSW R7, R7, R5")
	a.BNE("search" + e.name)
	a.VMOVfromR(7, encFirst)
	a.Label("least" + e.name)
}

func (a *Arm64) encodeBF16() {
	a.Func("func encodeBF16NEON(row *byte, x *float32, n int)", `
Rounded to even; a NaN becomes quiet. n is a positive multiple of 8.

	R0 row   R1 x   R2 values left   V0 V1 values   V2 V3 rounded   V4 V5 masks
	V28 0x7fff   V29 1   V30 the quiet bit`, 24)
	for i, name := range []string{"row", "x", "n"} {
		a.Arg(name, 8*i, R(i))
	}
	for i, c := range []int{0x7fff, 1, 0x400000} {
		a.MOVImm(c, 3)
		a.VMOVfromR(3, V(28+i))
	}
	a.Label("bfloat")
	a.LoadPair(1, 32, 0, 1)
	for v := range V(2) {
		a.SSHR(2+v, v, 16)
		a.AND(2+v, 2+v, 29)
		a.ADD(2+v, 2+v, 28)
		a.ADD(2+v, 2+v, v)
		a.FCMEQ(4+v, v, v)
		a.ORR(v, v, 30)
		a.BIF(2+v, v, 4+v)
	}
	a.UZP2H(2, 2, 3)
	a.StoreQP(2, 0, 16)
	a.SUBS(8, 2, 2)
	a.BNE("bfloat")
	a.RET()
}
