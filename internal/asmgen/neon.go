package asmgen

// Integer vector instructions. Each method writes one; the mnemonic in the file
// is what a disassembler prints.

// v3 writes an instruction of three vectors with one arrangement of results and
// one of operands.
func (a *Arm64) v3(code uint32, name, td, ts string, d, n, m V) {
	a.word(code|uint32(m)<<16|uint32(n)<<5|uint32(d), "%s v%d.%s, v%d.%s, v%d.%s", name, d, td, n, ts, m, ts)
}

// v2 writes an instruction of two vectors.
func (a *Arm64) v2(code uint32, name, td, ts string, d, n V) {
	a.word(code|uint32(n)<<5|uint32(d), "%s v%d.%s, v%d.%s", name, d, td, n, ts)
}

// SDOT adds to each int32 of d the products of four int8 (dotprod).
func (a *Arm64) SDOT(d, n, m V) { a.v3(0x4e809400, "sdot", "4s", "16b", d, n, m) }

// SDOTElem is SDOT with the same four int8 of m, element i, for every lane.
func (a *Arm64) SDOTElem(d, n, m V, i int) {
	a.word(0x4f80e000|uint32(i&1)<<21|uint32(i>>1)<<11|uint32(m)<<16|uint32(n)<<5|uint32(d),
		"sdot v%d.4s, v%d.16b, v%d.4b[%d]", d, n, m, i)
}

// SMMLA adds the 2x2 int32 product of two rows of 8 int8 each: d[2i+j] += n[i]·m[j] (i8mm).
func (a *Arm64) SMMLA(d, n, m V) { a.v3(0x4e80a400, "smmla", "4s", "16b", d, n, m) }

// SMULL and SMULL2 multiply the lower and the upper eight int8 into int16;
// SMLAL and SMLAL2 add such products.
func (a *Arm64) SMULL(d, n, m V)  { a.v3(0x0e20c000, "smull", "8h", "8b", d, n, m) }
func (a *Arm64) SMULL2(d, n, m V) { a.v3(0x4e20c000, "smull2", "8h", "16b", d, n, m) }
func (a *Arm64) SMLAL(d, n, m V)  { a.v3(0x0e208000, "smlal", "8h", "8b", d, n, m) }
func (a *Arm64) SMLAL2(d, n, m V) { a.v3(0x4e208000, "smlal2", "8h", "16b", d, n, m) }

// SADALP adds pairs of int16 to int32, SADDLP makes their sums.
func (a *Arm64) SADALP(d, n V) { a.v2(0x4e606800, "sadalp", "4s", "8h", d, n) }
func (a *Arm64) SADDLP(d, n V) { a.v2(0x4e602800, "saddlp", "4s", "8h", d, n) }

// SADDLPB adds pairs of int8 into int16.
func (a *Arm64) SADDLPB(d, n V) { a.v2(0x4e202800, "saddlp", "8h", "16b", d, n) }

// ADDP adds neighbours: the sums of n, then those of m. ADDPH is that of int16.
func (a *Arm64) ADDP(d, n, m V)  { a.v3(0x4ea0bc00, "addp", "4s", "4s", d, n, m) }
func (a *Arm64) ADDPB(d, n, m V) { a.v3(0x4e20bc00, "addp", "16b", "16b", d, n, m) }
func (a *Arm64) ADDPH(d, n, m V) { a.v3(0x4e60bc00, "addp", "8h", "8h", d, n, m) }

// ADD and SUB are of int32.
func (a *Arm64) ADD(d, n, m V) { a.v3(0x4ea08400, "add", "4s", "4s", d, n, m) }
func (a *Arm64) SUB(d, n, m V) { a.v3(0x6ea08400, "sub", "4s", "4s", d, n, m) }

// ADDD is of int64, ADDPD the sum of both.
func (a *Arm64) ADDD(d, n, m V) { a.v3(0x4ee08400, "add", "2d", "2d", d, n, m) }
func (a *Arm64) ADDPD(d, n V) {
	a.word(0x5ef1b800|uint32(n)<<5|uint32(d), "addp d%d, v%d.2d", d, n)
}

// MLAElem and MLSElem add and subtract the products of int32 with lane i of m.
func (a *Arm64) MLAElem(d, n, m V, i int) { a.elem(0x6f800000, "mla", d, n, m, i) }
func (a *Arm64) MLSElem(d, n, m V, i int) { a.elem(0x6f804000, "mls", d, n, m, i) }

// UMAX is the larger of unsigned 32-bit lanes; UMAXV the largest of them all.
func (a *Arm64) UMAX(d, n, m V) { a.v3(0x6ea06400, "umax", "4s", "4s", d, n, m) }
func (a *Arm64) UMAXV(d, n V) {
	a.word(0x6eb0a800|uint32(n)<<5|uint32(d), "umaxv s%d, v%d.4s", d, n)
}

// SMAX and SMAXV are those of signed lanes. UMINB is the smaller of bytes.
func (a *Arm64) SMAX(d, n, m V) { a.v3(0x4ea06400, "smax", "4s", "4s", d, n, m) }
func (a *Arm64) SMAXV(d, n V) {
	a.word(0x4eb0a800|uint32(n)<<5|uint32(d), "smaxv s%d, v%d.4s", d, n)
}
func (a *Arm64) UMINB(d, n, m V) { a.v3(0x6e206c00, "umin", "16b", "16b", d, n, m) }

// SHL shifts int32 left.
func (a *Arm64) SHL(d, n V, by int) {
	a.word(0x4f205400|uint32(by)<<16|uint32(n)<<5|uint32(d), "shl v%d.4s, v%d.4s, #%d", d, n, by)
}

// USHRB shifts bytes right.
func (a *Arm64) USHRB(d, n V, by int) {
	a.word(0x6f000400|uint32(16-by)<<16|uint32(n)<<5|uint32(d), "ushr v%d.16b, v%d.16b, #%d", d, n, by)
}

// SLIB shifts the bytes of n left into d, whose lower bits stay.
func (a *Arm64) SLIB(d, n V, by int) {
	a.word(0x6f005400|uint32(8+by)<<16|uint32(n)<<5|uint32(d), "sli v%d.16b, v%d.16b, #%d", d, n, by)
}

// AND, NOT and CMTST are of bytes; CMTST gives 255 where n and m share a bit.
func (a *Arm64) AND(d, n, m V)   { a.v3(0x4e201c00, "and", "16b", "16b", d, n, m) }
func (a *Arm64) NOT(d, n V)      { a.v2(0x6e205800, "mvn", "16b", "16b", d, n) }
func (a *Arm64) CMTST(d, n, m V) { a.v3(0x4e208c00, "cmtst", "16b", "16b", d, n, m) }

// ORR is of bits; with one operand twice it copies.
func (a *Arm64) ORR(d, n, m V) {
	if n == m {
		a.v2(0x4ea01c00|uint32(m)<<16, "mov", "16b", "16b", d, n)
		return
	}
	a.v3(0x4ea01c00, "orr", "16b", "16b", d, n, m)
}

// TBL looks the bytes of m up in the 16 bytes of n.
func (a *Arm64) TBL(d, n, m V) {
	a.word(0x4e000000|uint32(m)<<16|uint32(n)<<5|uint32(d), "tbl v%d.16b, { v%d.16b }, v%d.16b", d, n, m)
}

// SUBB subtracts bytes.
func (a *Arm64) SUBB(d, n, m V) { a.v3(0x6e208400, "sub", "16b", "16b", d, n, m) }

// SSHR shifts int32 right.
func (a *Arm64) SSHR(d, n V, by int) {
	a.word(0x4f000400|uint32(64-by)<<16|uint32(n)<<5|uint32(d), "sshr v%d.4s, v%d.4s, #%d", d, n, by)
}

// SSHLLB, SSHLL and SSHLL2 widen the lower eight int8, the lower and the upper
// four int16.
func (a *Arm64) SSHLLB(d, n V) {
	a.word(0x0f08a400|uint32(n)<<5|uint32(d), "sshll v%d.8h, v%d.8b, #0", d, n)
}
func (a *Arm64) SSHLL(d, n V) {
	a.word(0x0f10a400|uint32(n)<<5|uint32(d), "sshll v%d.4s, v%d.4h, #0", d, n)
}
func (a *Arm64) SSHLL2(d, n V) {
	a.word(0x4f10a400|uint32(n)<<5|uint32(d), "sshll2 v%d.4s, v%d.8h, #0", d, n)
}

// SSHLLB2 widens the upper eight int8.
func (a *Arm64) SSHLLB2(d, n V) {
	a.word(0x4f08a400|uint32(n)<<5|uint32(d), "sshll2 v%d.8h, v%d.16b, #0", d, n)
}

// USHLB shifts bytes left by the signed bytes of m.
func (a *Arm64) USHLB(d, n, m V) { a.v3(0x6e204400, "ushl", "16b", "16b", d, n, m) }

// TBL2 looks the bytes of m up in the 32 bytes of n and the register after it.
func (a *Arm64) TBL2(d, n, m V) {
	a.word(0x4e002000|uint32(m)<<16|uint32(n)<<5|uint32(d), "tbl v%d.16b, { v%d.16b, v%d.16b }, v%d.16b", d, n, (n+1)%32, m)
}

// ZIP1B and ZIP2B interleave the lower and the upper eight bytes.
func (a *Arm64) ZIP1B(d, n, m V) { a.v3(0x4e003800, "zip1", "16b", "16b", d, n, m) }
func (a *Arm64) ZIP2B(d, n, m V) { a.v3(0x4e007800, "zip2", "16b", "16b", d, n, m) }

// UZP2H keeps the odd int16 of n, then of m.
func (a *Arm64) UZP2H(d, n, m V) { a.v3(0x4e405800, "uzp2", "8h", "8h", d, n, m) }

// UZP1S and UZP2S keep the even and the odd 32-bit lanes of n, then of m.
func (a *Arm64) UZP1S(d, n, m V) { a.v3(0x4e801800, "uzp1", "4s", "4s", d, n, m) }
func (a *Arm64) UZP2S(d, n, m V) { a.v3(0x4e805800, "uzp2", "4s", "4s", d, n, m) }

// UZP1H and UZP1B keep the even int16 or int8 of n, then of m.
func (a *Arm64) UZP1H(d, n, m V) { a.v3(0x4e401800, "uzp1", "8h", "8h", d, n, m) }
func (a *Arm64) UZP1B(d, n, m V) { a.v3(0x4e001800, "uzp1", "16b", "16b", d, n, m) }

// ZIP1S and ZIP2S interleave the lower and the upper two 32-bit lanes, ZIP1D and
// ZIP2D take the lower and the upper 64-bit halves, ZIP1H and ZIP2H 16-bit lanes.
func (a *Arm64) ZIP1S(d, n, m V) { a.v3(0x4e803800, "zip1", "4s", "4s", d, n, m) }
func (a *Arm64) ZIP2S(d, n, m V) { a.v3(0x4e807800, "zip2", "4s", "4s", d, n, m) }
func (a *Arm64) ZIP1D(d, n, m V) { a.v3(0x4ec03800, "zip1", "2d", "2d", d, n, m) }
func (a *Arm64) ZIP2D(d, n, m V) { a.v3(0x4ec07800, "zip2", "2d", "2d", d, n, m) }
func (a *Arm64) ZIP1H(d, n, m V) { a.v3(0x4e403800, "zip1", "8h", "8h", d, n, m) }
func (a *Arm64) ZIP2H(d, n, m V) { a.v3(0x4e407800, "zip2", "8h", "8h", d, n, m) }

// TRN1S and TRN2S take the even and the odd 32-bit lanes of n and m in turn.
func (a *Arm64) TRN1S(d, n, m V) { a.v3(0x4e802800, "trn1", "4s", "4s", d, n, m) }
func (a *Arm64) TRN2S(d, n, m V) { a.v3(0x4e806800, "trn2", "4s", "4s", d, n, m) }

// DUPS copies 32-bit lane i of n to all lanes.
func (a *Arm64) DUPS(d, n V, i int) {
	a.word(0x4e040400|uint32(i)<<19|uint32(n)<<5|uint32(d), "dup v%d.4s, v%d.s[%d]", d, n, i)
}

// Zero clears d; MOVIS and MOVIB set every int32 and every byte.
func (a *Arm64) Zero(d V) { a.MOVIB(d, 0) }
func (a *Arm64) MOVIS(d V, imm int) {
	a.word(0x4f000400|uint32(imm>>5)<<16|uint32(imm&31)<<5|uint32(d), "movi v%d.4s, #%d", d, imm)
}
func (a *Arm64) MOVIB(d V, imm int) {
	a.word(0x4f00e400|uint32(imm>>5)<<16|uint32(imm&31)<<5|uint32(d), "movi v%d.16b, #%d", d, imm)
}
