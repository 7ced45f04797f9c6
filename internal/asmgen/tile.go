package asmgen

import "fmt"

// tileArm64 is the products of a panel of 8 rows with 4 tokens.
func tileArm64() []byte {
	var a Arm64
	a.Header()
	for _, rung := range []string{"NEON", "DotProd", "I8MM"} {
		for _, sub := range []int{32, 16} {
			for _, min := range []bool{false, true} {
				if rung == "NEON" && sub == 32 && !min {
					a.tile(rung, "Wide", sub, 1, min)
				}
				a.tile(rung, "", sub, map[bool]int{false: 8, true: 4}[min], min)
			}
		}
	}
	return a.Bytes()
}

// Registers of the tiles.
const (
	tDst, tStride, tW, tX, tLeft, tPanels R = 0, 4, 5, 6, 7, 8 // dst: R0-R3, one per token
	tX0, tBlocks                          R = 9, 10

	tFloat V = 0 // 8 float sums: token t, rows 4h-4h+3 in 2t+h (i8mm: see there)
	tInt   V = 8 // 8 int sums
)

// tile writes one tile. chunk is for NEON: how many times 4 codes are summed in
// int16 before the sums go to int32.
func (a *Arm64) tile(rung, suffix string, sub, chunk int, min bool) {
	name := fmt.Sprintf("tile%d", sub)
	if min {
		name += "Min"
	}
	name += suffix + rung
	how := map[string]string{
		"NEON":    fmt.Sprintf("smull and smlal; int16 sums of %d codes per lane", 2*chunk),
		"DotProd": "sdot, four codes of a token for four rows",
		"I8MM":    "smmla, two rows by two tokens",
	}[rung]
	mins := ""
	if min {
		mins = "; f -= Σx·min·d"
	}
	a.Func("func "+name+"(dst *float32, stride int, w, x *byte, blocks, panels int)", fmt.Sprintf(`
dst[t·stride+8p+r] = row r of panel p times token t, for 4 tokens; stride in values.
Products by %s.

	R0-R3 dst of each token   R4 stride   R5 panels   R6 tokens   R7 blocks left
	R8 panels left   R9 start of tokens   R10 blocks
	V0-V7 float sums   V8-V15 int32 sums   V16-V31 codes, products, scales

	for each panel {
		for each block { for each %d codes { n = Σ w·x; f += float32(n)·scale·d%s } }
		dst[0:8] = f for each token; dst += 8
	}`, how, sub, mins), 48)
	a.Arg("dst", 0, tDst)
	a.Arg("stride", 8, tStride)
	a.Arg("w", 16, tW)
	a.Arg("x", 24, tX0)
	a.Arg("blocks", 32, tBlocks)
	a.Arg("panels", 40, tPanels)
	for t := R(1); t < 4; t++ {
		a.ADDLsl(tStride, 2, tDst+t-1, tDst+t)
	}
	a.Label(name + "Panel")
	for v := V(0); v < 8; v++ {
		a.Zero(tFloat + v)
	}
	a.MOV(tX0, tX)
	a.MOV(tBlocks, tLeft)
	a.Label(name)
	wHead, xHead := panelHead(rung, sub, min), tokensHead(rung, min)
	a.Scheduled(func() {
		for s := range 32 / sub {
			switch rung {
			case "DotProd":
				a.tileDot(sub, s, wHead, xHead)
			case "I8MM":
				a.tileMatrix(sub, s, wHead, xHead)
			default:
				a.tileNEON(sub, s, chunk, wHead, xHead)
			}
			a.tileScale(rung, sub, s, min)
		}
		if sub == 16 || min { // else the last loads move on
			a.ADDImm(wHead+256, tW, tW)
			a.ADDImm(tokensBytes(rung, min), tX, tX)
		} else if rung == "NEON" {
			a.ADDImm(tokensBytes(rung, min), tX, tX)
		}
	})
	a.SUBS(1, tLeft, tLeft)
	a.BNE(name)
	if rung == "I8MM" {
		// row pairs p, token pairs q: r0t0 r0t1 r1t0 r1t1 in 2p+q
		for q := range V(2) {
			for h := range V(2) {
				lo, hi := tFloat+4*h+q, tFloat+4*h+2+q
				a.UZP1S(16+4*q+h, lo, hi)
				a.UZP2S(16+4*q+2+h, lo, hi)
			}
		}
		for t := range 4 {
			a.StorePair(tDst+R(t), 32, V(16+2*t), V(17+2*t))
		}
	} else {
		for t := range 4 {
			a.StorePair(tDst+R(t), 32, tFloat+V(2*t), tFloat+V(2*t+1))
		}
	}
	a.SUBS(1, tPanels, tPanels)
	a.BNE(name + "Panel")
	a.RET()
}

// tileDot sums the products of sub-block s.
func (a *Arm64) tileDot(sub, s, wHead, xHead int) {
	const x, w V = 16, 24 // V16-V19 or to V23: codes of the tokens
	for v := range V(8) {
		a.Zero(tInt + v)
	}
	for t := range 4 {
		if sub == 32 {
			a.LoadPairAt(tX, xHead+32*t, x+V(2*t), x+V(2*t+1))
		} else {
			a.FMOVQ(tX, xHead+32*t+16*s, x+V(2*t))
		}
	}
	for g := 0; g < sub/4; g += 2 {
		off := wHead + 16*(g+s*sub/4)
		a.LoadPairAt(tW, off, w, w+1)
		a.LoadPairAt(tW, off+128, w+2, w+3)
		for e := range 2 {
			for t := range V(4) {
				a.SDOTElem(tInt+2*t, w+V(e), x+2*t+V((g+e)/4), (g+e)%4)
				a.SDOTElem(tInt+2*t+1, w+2+V(e), x+2*t+V((g+e)/4), (g+e)%4)
			}
		}
	}
}

// tileMatrix sums the products of sub-block s.
func (a *Arm64) tileMatrix(sub, s, wHead, xHead int) {
	for v := range V(8) {
		a.Zero(tInt + v)
	}
	for g := range sub / 8 {
		w, x := V(16+6*(g%2)), V(20+6*(g%2))
		k := g + s*sub/8
		a.LoadPairAt(tW, wHead+64*k, w, w+1)
		a.LoadPairAt(tW, wHead+64*k+32, w+2, w+3)
		a.LoadPairAt(tX, xHead+32*k, x, x+1)
		for p := range V(4) {
			a.SMMLA(tInt+2*p, w+p, x)
			a.SMMLA(tInt+2*p+1, w+p, x+1)
		}
	}
}

// tileNEON sums the products of sub-block s.
func (a *Arm64) tileNEON(sub, s, chunk, wHead, xHead int) {
	const w, x, p V = 16, 18, 22 // V16 V17 weights, V18-V21 tokens, V22-V29 products
	chunk = min(chunk, sub/4)
	for g := range sub / 4 {
		k := g + s*sub/4
		a.LoadPairAt(tW, wHead+32*k, w, w+1)
		a.LoadPairAt(tX, xHead+64*k, x, x+1)
		a.LoadPairAt(tX, xHead+64*k+32, x+2, x+3)
		for i := range V(8) {
			if g%chunk == 0 {
				a.SMULL(p+i, w+i%2, x+i/2)
			} else {
				a.SMLAL(p+i, w+i%2, x+i/2)
			}
		}
		for i := range V(8) {
			a.SMLAL2(p+i, w+i%2, x+i/2)
		}
		if g%chunk != chunk-1 {
			continue
		}
		for i := range V(8) {
			if g == chunk-1 {
				a.SADDLP(tInt+i, p+i)
			} else {
				a.SADALP(tInt+i, p+i)
			}
		}
	}
}

// tileScale multiplies the int sums of sub-block s by the scales and adds them.
func (a *Arm64) tileScale(rung string, sub, s int, min bool) {
	const scale, mins, dx, sum V = 16, 18, 20, 21
	for v := range V(8) {
		a.SCVTF(tInt+v, tInt+v)
	}
	at := 32 / sub * 32 // where mins begin
	if rung == "I8MM" {
		const d, m, x V = 16, 20, 24 // V24 V25: d of tokens 0 1 0 1, 2 3 2 3; V26 V27 sums
		a.LoadPairAt(tW, 64*s+32, d+2, d+3)
		if sub == 32 && !min {
			a.LoadPair(tW, panelHead(rung, sub, min)+256, d, d+1)
			a.LoadPair(tX, tokensBytes(rung, min), x, x+1)
		} else {
			a.LoadPairAt(tW, 64*s, d, d+1)
			a.LoadPairAt(tX, 0, x, x+1)
		}
		for v := range V(8) {
			a.FMUL(tInt+v, tInt+v, d+v/2)
		}
		for v := range V(8) {
			a.FMUL(tInt+v, tInt+v, x+v%2)
		}
		for v := range V(8) {
			a.FADD(tFloat+v, tFloat+v, tInt+v)
		}
		if min {
			a.LoadPairAt(tW, 2*at+64*s, m, m+1)
			a.LoadPairAt(tW, 2*at+64*s+32, m+2, m+3)
			a.LoadPairAt(tX, 2*sumAt(sub, s), 26, 27)
			for v := range V(8) {
				a.FMUL(tInt+v, m+v/2, 26+v%2)
			}
			for v := range V(8) {
				a.FMUL(tInt+v, tInt+v, x+v%2)
			}
			for v := range V(8) {
				a.FSUB(tFloat+v, tFloat+v, tInt+v)
			}
		}
		return
	}
	switch {
	case sub == 16 || min:
		a.LoadPairAt(tW, 32*s, scale, scale+1)
		a.FMOVQ(tX, 0, dx)
	case rung == "NEON": // beyond the reach of a load that moves on
		a.LoadPair(tW, panelHead(rung, sub, min)+256, scale, scale+1)
		a.FMOVQ(tX, 0, dx)
	default:
		a.LoadPair(tW, panelHead(rung, sub, min)+256, scale, scale+1)
		a.FMOVQP(tX, tokensBytes(rung, min), dx)
	}
	for v := range V(8) {
		a.FMUL(tInt+v, tInt+v, scale+v%2)
	}
	for v := range V(8) {
		a.FMULElem(tInt+v, tInt+v, dx, int(v/2))
	}
	for v := range V(8) {
		a.FADD(tFloat+v, tFloat+v, tInt+v)
	}
	if min {
		a.LoadPairAt(tW, at+32*s, mins, mins+1)
		a.FMOVQ(tX, sumAt(sub, s), sum)
		for v := range V(8) {
			a.FMULElem(tInt+v, mins+v%2, sum, int(v/2))
		}
		for v := range V(8) {
			a.FMULElem(tInt+v, tInt+v, dx, int(v/2))
		}
		for v := range V(8) {
			a.FSUB(tFloat+v, tFloat+v, tInt+v)
		}
	}
}

// sumAt is where the sums of sub-block s lie in a block of four tokens.
func sumAt(sub, s int) int {
	if sub == 32 {
		return 48
	}
	return 16 + 16*s
}
