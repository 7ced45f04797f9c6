package asmgen

// Floating-point vector instructions, on four float32.

// SCVTF converts int32 to float32, FCVTNS float32 to int32 rounding half to even.
func (a *Arm64) SCVTF(d, n V)  { a.v2(0x4e21d800, "scvtf", "4s", "4s", d, n) }
func (a *Arm64) FCVTNS(d, n V) { a.v2(0x4e21a800, "fcvtns", "4s", "4s", d, n) }

// FCVTZS converts float32 to int32, truncating.
func (a *Arm64) FCVTZS(d, n V) { a.v2(0x4ea1b800, "fcvtzs", "4s", "4s", d, n) }

// FCVTAS converts float32 to int32, ties away from zero.
func (a *Arm64) FCVTAS(d, n V) { a.v2(0x4e21c800, "fcvtas", "4s", "4s", d, n) }

// FABS clears the sign, FNEG flips it.
func (a *Arm64) FABS(d, n V) { a.v2(0x4ea0f800, "fabs", "4s", "4s", d, n) }
func (a *Arm64) FNEG(d, n V) { a.v2(0x6ea0f800, "fneg", "4s", "4s", d, n) }

// FADD, FSUB, FMUL, FDIV, FMAX and FMIN are lane by lane.
func (a *Arm64) FADD(d, n, m V) { a.v3(0x4e20d400, "fadd", "4s", "4s", d, n, m) }
func (a *Arm64) FSUB(d, n, m V) { a.v3(0x4ea0d400, "fsub", "4s", "4s", d, n, m) }
func (a *Arm64) FMUL(d, n, m V) { a.v3(0x6e20dc00, "fmul", "4s", "4s", d, n, m) }
func (a *Arm64) FDIV(d, n, m V) { a.v3(0x6e20fc00, "fdiv", "4s", "4s", d, n, m) }
func (a *Arm64) FMAX(d, n, m V) { a.v3(0x4e20f400, "fmax", "4s", "4s", d, n, m) }
func (a *Arm64) FMIN(d, n, m V) { a.v3(0x4ea0f400, "fmin", "4s", "4s", d, n, m) }

// FMLA adds n·m to d with one rounding.
func (a *Arm64) FMLA(d, n, m V) { a.v3(0x4e20cc00, "fmla", "4s", "4s", d, n, m) }

// FMULElem and FMLAElem multiply all lanes of n by lane i of m.
func (a *Arm64) FMULElem(d, n, m V, i int) { a.elem(0x4f809000, "fmul", d, n, m, i) }
func (a *Arm64) FMLAElem(d, n, m V, i int) { a.elem(0x4f801000, "fmla", d, n, m, i) }

func (a *Arm64) elem(code uint32, name string, d, n, m V, i int) {
	a.word(code|uint32(i&1)<<21|uint32(i>>1)<<11|uint32(m)<<16|uint32(n)<<5|uint32(d),
		"%s v%d.4s, v%d.4s, v%d.s[%d]", name, d, n, m, i)
}

// FADDP adds neighbours: the sums of n, then those of m. FADDPS is the sum of
// the lower two lanes.
func (a *Arm64) FADDP(d, n, m V) { a.v3(0x6e20d400, "faddp", "4s", "4s", d, n, m) }
func (a *Arm64) FADDPS(d, n V) {
	a.word(0x7e30d800|uint32(n)<<5|uint32(d), "faddp s%d, v%d.2s", d, n)
}

// FCVTL widens the four lower halves of n into the floats of d.
func (a *Arm64) FCVTL(d, n V) { a.v2(0x0e217800, "fcvtl", "4s", "4h", d, n) }

// FCVTL2 widens the four upper halves of n into the floats of d.
func (a *Arm64) FCVTL2(d, n V) { a.v2(0x4e217800, "fcvtl2", "4s", "8h", d, n) }

// FCVTN and FCVTN2 round the floats of n to the lower and the upper four halves of d.
func (a *Arm64) FCVTN(d, n V)  { a.v2(0x0e216800, "fcvtn", "4h", "4s", d, n) }
func (a *Arm64) FCVTN2(d, n V) { a.v2(0x4e216800, "fcvtn2", "8h", "4s", d, n) }

// FMAXV is the largest lane, FMINV the least; NaN if there is one.
func (a *Arm64) FMAXV(d, n V) { a.word(0x6e30f800|uint32(n)<<5|uint32(d), "fmaxv s%d, v%d.4s", d, n) }
func (a *Arm64) FMINV(d, n V) { a.word(0x6eb0f800|uint32(n)<<5|uint32(d), "fminv s%d, v%d.4s", d, n) }

// SHLL and SHLL2 move the lower and the upper four int16 to the upper halves of
// int32 lanes: bfloat16 to float32.
func (a *Arm64) SHLL(d, n V) {
	a.word(0x2e613800|uint32(n)<<5|uint32(d), "shll v%d.4s, v%d.4h, #16", d, n)
}
func (a *Arm64) SHLL2(d, n V) {
	a.word(0x6e613800|uint32(n)<<5|uint32(d), "shll2 v%d.4s, v%d.8h, #16", d, n)
}

// FCMGT and FCMEQ give all ones in lanes where n > m, n == m, else zeros.
func (a *Arm64) FCMGT(d, n, m V) { a.v3(0x6ea0e400, "fcmgt", "4s", "4s", d, n, m) }
func (a *Arm64) FCMEQ(d, n, m V) { a.v3(0x4e20e400, "fcmeq", "4s", "4s", d, n, m) }

// BIC clears the bits of m, BIT takes n's bits where m has ones, BIF where it has zeros.
func (a *Arm64) BIC(d, n, m V) { a.v3(0x4e601c00, "bic", "16b", "16b", d, n, m) }
func (a *Arm64) BIT(d, n, m V) { a.v3(0x6ea01c00, "bit", "16b", "16b", d, n, m) }
func (a *Arm64) BIF(d, n, m V) { a.v3(0x6ee01c00, "bif", "16b", "16b", d, n, m) }

// FDIVS is the scalar d = n/m.
func (a *Arm64) FDIVS(d, n, m V) { a.op("FDIVS F%d, F%d, F%d", m, n, d) }
