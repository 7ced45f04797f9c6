package asmgen

import "fmt"

// dotArm64 is the float products: rows with one token, and the scores and the
// weighted sums of attention.
func dotArm64() []byte {
	var a Arm64
	a.Header()
	for _, t := range []string{"F32", "F16", "BF16"} {
		a.dotRows(t)
	}
	a.products()
	a.weigh()
	return a.Bytes()
}

// tree adds the 16 lanes of four sums in the fixed order: lanes of sum i are in
// v[4i] to v[4i+3]; the four results are left in v[0]. t is free.
func (a *Arm64) tree(v, t V) {
	for i := range V(4) {
		s := v + 4*i
		a.FADD(s, s, s+2)
		a.FADD(s+1, s+1, s+3)
	}
	for i := range V(4) {
		s := v + 4*i
		a.FADD(s, s, s+1)
	}
	for i := V(0); i < 4; i += 2 {
		s := v + 4*i
		a.ZIP1D(t, s, s+4)
		a.ZIP2D(t+1, s, s+4)
		a.FADD(s, t, t+1)
	}
	a.FADDP(v, v, v+8)
}

// dotRows is four rows times one token.
func (a *Arm64) dotRows(typ string) {
	bytes := map[string]int{"F32": 4, "F16": 2, "BF16": 2}[typ]
	name := "dot" + typ
	a.Func("func "+name+"NEON(dst *float32, w *byte, stride int, x *float32, k, groups int)", fmt.Sprintf(`
dst[4g+i] = row 4g+i of %s times x, rows stride bytes apart; k is a multiple of 16.

	R0 dst   R1-R4 rows   R5 x   R6 values left   R7 groups   R8 prefetched, one group ahead
	R9 x   R10 k   R11 from a row's end to the next group
	V0-V15 16 lanes of each row   V16-V19 x   V20-V27 weights

	for each group { for 16 values at a time { for each row { lanes = FMA(w, x, lanes) } }; add the lanes }`, typ), 48)
	for i, n := range []string{"dst", "w", "stride", "x", "k", "groups"} {
		a.Arg(n, 8*i, []R{0, 1, 11, 9, 10, 7}[i])
	}
	for i := R(2); i < 5; i++ {
		a.ADDReg(11, i-1, i)
	}
	a.ADDReg(11, 4, 8)
	a.LSL(2, 11, 11)
	a.LSL(map[int]int{4: 2, 2: 1}[bytes], 10, 6)
	a.SUBReg(6, 11, 11)
	a.Label(name + "Group")
	for v := range V(16) {
		a.Zero(v)
	}
	a.MOV(9, 5)
	a.MOV(10, 6)
	a.Label(name)
	a.LoadPair(5, 32, 16, 17)
	a.LoadPair(5, 32, 18, 19)
	for off := 0; off < 4*16*bytes; off += 64 {
		a.Prefetch(8, off)
	}
	a.ADDImm(4*16*bytes, 8, 8)
	for i := range V(4) {
		w := 20 + 4*(i%2)
		row := R(1 + i)
		switch typ {
		case "F32":
			a.LoadPair(row, 32, w, w+1)
			a.LoadPair(row, 32, w+2, w+3)
		case "F16":
			a.LoadPair(row, 32, w+1, w+3)
			a.FCVTL(w, w+1)
			a.FCVTL2(w+1, w+1)
			a.FCVTL(w+2, w+3)
			a.FCVTL2(w+3, w+3)
		default:
			a.LoadPair(row, 32, w+1, w+3)
			a.SHLL(w, w+1)
			a.SHLL2(w+1, w+1)
			a.SHLL(w+2, w+3)
			a.SHLL2(w+3, w+3)
		}
		for j := range V(4) {
			a.FMLA(4*i+j, w+j, 16+j)
		}
	}
	a.SUBS(16, 6, 6)
	a.BNE(name)
	a.tree(0, 16)
	a.StoreQP(0, 0, 16)
	for i := R(1); i < 5; i++ {
		a.ADDReg(11, i, i)
	}
	a.SUBS(1, 7, 7)
	a.BNE(name + "Group")
	a.RET()
}

// products is two rows of float32 times pairs of others.
func (a *Arm64) products() {
	a.Func("func productsNEON(s0, s1, q0, q1, k *float32, step, dim, pairs int, scale float32)", `
s0[j] = (q0·k[j])·scale, s1[j] = (q1·k[j])·scale for 2·pairs rows k[j], step bytes
apart; dim is a multiple of 16 and the rows of a pair are adjacent in s.

	R0 s0   R1 s1   R2 R3 q0 q1   R4 R5 rows of the pair   R6 values left   R7 pairs
	R8 R9 start of q0 q1   R10 dim   R11 from the end of a row to the next pair
	V0-V15 16 lanes of q0k0 q0k1 q1k0 q1k1   V16-V31 q and k; V31 scale at the end`, 68)
	for i, n := range []string{"s0", "s1", "q0", "q1", "k", "step", "dim", "pairs"} {
		a.Arg(n, 8*i, []R{0, 1, 8, 9, 4, 11, 10, 7}[i])
	}
	a.ADDReg(11, 4, 5)
	a.LSL(1, 11, 11)
	a.LSL(2, 10, 6)
	a.SUBReg(6, 11, 11)
	a.Label("productsPair")
	for v := range V(16) {
		a.Zero(v)
	}
	a.MOV(8, 2)
	a.MOV(9, 3)
	a.MOV(10, 6)
	a.Label("products")
	for i := range V(4) {
		a.LoadPair(R(2+i), 32, 16+4*i, 17+4*i)
		a.LoadPair(R(2+i), 32, 18+4*i, 19+4*i)
	}
	for q := range V(2) {
		for k := range V(2) {
			for j := range V(4) {
				a.FMLA(8*q+4*k+j, 24+4*k+j, 16+4*q+j)
			}
		}
	}
	a.SUBS(16, 6, 6)
	a.BNE("products")
	a.tree(0, 16)
	a.op("FMOVS scale+64(FP), F31")
	a.FMULElem(0, 0, 31, 0)
	a.op("FMOVD.P F0, 8(R0)")
	a.op("VMOV V0.D[1], V1.D[0]")
	a.op("FMOVD.P F1, 8(R1)")
	a.ADDReg(11, 4, 4)
	a.ADDReg(11, 5, 5)
	a.SUBS(1, 7, 7)
	a.BNE("productsPair")
	a.RET()
}

// weigh is the weighted sum of rows.
func (a *Arm64) weigh() {
	for _, dims := range []int{64, 16} {
		name := fmt.Sprintf("weigh%d", dims)
		n := dims / 4
		a.Func("func "+name+"NEON(o, p, v *float32, step, n int)", fmt.Sprintf(`
o[d] = FMA(p[i], v[i][d], o[d]) for %d d and i ascending to n; rows step bytes apart.

	R0 o   R1 p   R2 v   R3 step   R4 rows left   V0-V15 o   V16 p[i]   V17-V24 v`, dims), 40)
		for i, s := range []string{"o", "p", "v", "step", "n"} {
			a.Arg(s, 8*i, R(i))
		}
		for v := 0; v < n; v += 2 {
			a.LoadPairAt(0, 16*v, V(v), V(v+1))
		}
		a.Label(name)
		a.FMOVSP(1, 4, 16)
		for v := 0; v < n; v += 2 {
			a.LoadPairAt(2, 16*v, 17+V(v%8), 18+V(v%8))
			a.FMLAElem(V(v), 17+V(v%8), 16, 0)
			a.FMLAElem(V(v+1), 18+V(v%8), 16, 0)
		}
		a.ADDReg(3, 2, 2)
		a.SUBS(1, 4, 4)
		a.BNE(name)
		for v := 0; v < n; v += 2 {
			a.StorePairAt(0, 16*v, V(v), V(v+1))
		}
		a.RET()
	}
}
