//go:build !noasm

package arm

import "github.com/qwq-edge/qwq/quant"

// The bytes of a block of 8 rows in a panel and of four packed tokens.
const (
	panelCodes  = 256
	tokensCodes = 128
)

// packed says how a type's panels look.
type packed struct {
	sub  int  // weights per scale
	min  bool // each scale with a min
	wide bool // codes of more than 6 bits
}

func packedOf(t quant.Type) packed {
	switch t {
	case quant.Q8_0, quant.IQ4_NL:
		return packed{32, false, true}
	case quant.Q4_1, quant.Q5_1, quant.Q4_K, quant.Q5_K:
		return packed{32, true, false}
	case quant.Q2_K:
		return packed{16, true, false}
	case quant.Q3_K, quant.Q6_K:
		return packed{16, false, false}
	}
	return packed{32, false, false}
}

// panel and tokens are the bytes of a block of 32: of 8 rows, of 4 tokens.
func (p packed) panel(l Level) int {
	n := 32 * (32 / p.sub)
	if p.min {
		n *= 2
	}
	if l == I8MM {
		n *= 2
	}
	return n + panelCodes
}

func (p packed) tokens(l Level) int {
	n := 16
	if p.min {
		n = 64
	}
	switch l {
	case I8MM:
		return 2*n + tokensCodes
	case NEON:
		return n + 4*tokensCodes
	}
	return n + tokensCodes
}

// callWeights bounds the products of one call into assembly, which cannot be
// preempted: well under 200 µs on a Cortex-A53.
const callWeights = 1 << 18

// gemm multiplies the first tokens of a by panels. Rows are packed once for all tokens, as many as the
// scratch holds, tokens once for all those rows, four at a time. Rows and tokens
// that are missing in a panel are the last one again.
func gemm(l Level, y []float32, stride int, t quant.Type, w []byte, rowBytes, rows int, a *Acts, tokens int, scratch []byte) {
	p := packedOf(t)
	xBytes, panelBytes := p.tokens(l)*a.Blocks, p.panel(l)*a.Blocks
	x, panels := scratch[:xBytes], scratch[xBytes:]
	most := len(panels) / panelBytes
	step := max(1, callWeights/(32*32*a.Blocks))
	for row := 0; row < rows; row += 8 * most {
		n := min(8*most, rows-row)
		for i := 0; i < n; i += 8 {
			var list [8]*byte
			for j := range list {
				list[j] = &w[(row+min(i+j, n-1))*rowBytes]
			}
			packCall(l, t, &panels[i/8*panelBytes], &list, a.Blocks)
		}
		for i := 0; i < tokens; i += 4 {
			last := min(3, tokens-1-i)
			tokensCall(l, p.min, &x[0], a, i, last)
			whole := n / 8
			if last < 3 {
				whole = 0
			}
			for j := 0; j < whole; j += step {
				tileCall(l, p, &y[i*stride+row+8*j], stride, &panels[j*panelBytes], &x[0], a.Blocks, min(step, whole-j))
			}
			for j := whole; j < (n+7)/8; j++ {
				var out [32]float32
				tileCall(l, p, &out[0], 8, &panels[j*panelBytes], &x[0], a.Blocks, 1)
				for k := 0; k <= last; k++ {
					copy(y[(i+k)*stride+row+8*j:(i+k)*stride+row+n], out[8*k:8*k+8])
				}
			}
		}
	}
}

func tokensCall(l Level, min bool, dst *byte, a *Acts, i, last int) {
	n := a.Blocks
	q, d, sum := &a.Q[32*n*i], &a.D[n*i], &a.Sum[2*n*i]
	t1, t2, t3 := 1, 2, 3
	if last < 3 {
		t3 = last
	}
	if last < 2 {
		t2 = last
	}
	if last < 1 {
		t1 = last
	}
	switch {
	case l == NEON && min:
		tokensMinNEON(dst, q, d, sum, n, t1, t2, t3)
	case l == NEON:
		tokensNEON(dst, q, d, sum, n, t1, t2, t3)
	case l == DotProd && min:
		tokensMinDotProd(dst, q, d, sum, n, t1, t2, t3)
	case l == DotProd:
		tokensDotProd(dst, q, d, sum, n, t1, t2, t3)
	case min:
		tokensMinI8MM(dst, q, d, sum, n, t1, t2, t3)
	default:
		tokensI8MM(dst, q, d, sum, n, t1, t2, t3)
	}
}

func tileCall(l Level, p packed, dst *float32, stride int, w, x *byte, blocks, panels int) {
	if l == NEON {
		switch {
		case p.wide:
			tile32WideNEON(dst, stride, w, x, blocks, panels)
		case p.sub == 16 && p.min:
			tile16MinNEON(dst, stride, w, x, blocks, panels)
		case p.sub == 16:
			tile16NEON(dst, stride, w, x, blocks, panels)
		case p.min:
			tile32MinNEON(dst, stride, w, x, blocks, panels)
		default:
			tile32NEON(dst, stride, w, x, blocks, panels)
		}
		return
	}
	if l == DotProd {
		switch {
		case p.sub == 16 && p.min:
			tile16MinDotProd(dst, stride, w, x, blocks, panels)
		case p.sub == 16:
			tile16DotProd(dst, stride, w, x, blocks, panels)
		case p.min:
			tile32MinDotProd(dst, stride, w, x, blocks, panels)
		default:
			tile32DotProd(dst, stride, w, x, blocks, panels)
		}
		return
	}
	switch {
	case p.sub == 16 && p.min:
		tile16MinI8MM(dst, stride, w, x, blocks, panels)
	case p.sub == 16:
		tile16I8MM(dst, stride, w, x, blocks, panels)
	case p.min:
		tile32MinI8MM(dst, stride, w, x, blocks, panels)
	default:
		tile32I8MM(dst, stride, w, x, blocks, panels)
	}
}

//go:noescape
func tokensNEON(dst *byte, q *int8, d *float32, sum *int16, blocks, t1, t2, t3 int)

//go:noescape
func tokensMinNEON(dst *byte, q *int8, d *float32, sum *int16, blocks, t1, t2, t3 int)

//go:noescape
func tokensDotProd(dst *byte, q *int8, d *float32, sum *int16, blocks, t1, t2, t3 int)

//go:noescape
func tokensMinDotProd(dst *byte, q *int8, d *float32, sum *int16, blocks, t1, t2, t3 int)

//go:noescape
func tokensI8MM(dst *byte, q *int8, d *float32, sum *int16, blocks, t1, t2, t3 int)

//go:noescape
func tokensMinI8MM(dst *byte, q *int8, d *float32, sum *int16, blocks, t1, t2, t3 int)

//go:noescape
func tile32WideNEON(dst *float32, stride int, w, x *byte, blocks, panels int)

//go:noescape
func tile32NEON(dst *float32, stride int, w, x *byte, blocks, panels int)

//go:noescape
func tile32MinNEON(dst *float32, stride int, w, x *byte, blocks, panels int)

//go:noescape
func tile16NEON(dst *float32, stride int, w, x *byte, blocks, panels int)

//go:noescape
func tile16MinNEON(dst *float32, stride int, w, x *byte, blocks, panels int)

//go:noescape
func tile32DotProd(dst *float32, stride int, w, x *byte, blocks, panels int)

//go:noescape
func tile32MinDotProd(dst *float32, stride int, w, x *byte, blocks, panels int)

//go:noescape
func tile16DotProd(dst *float32, stride int, w, x *byte, blocks, panels int)

//go:noescape
func tile16MinDotProd(dst *float32, stride int, w, x *byte, blocks, panels int)

//go:noescape
func tile32I8MM(dst *float32, stride int, w, x *byte, blocks, panels int)

//go:noescape
func tile32MinI8MM(dst *float32, stride int, w, x *byte, blocks, panels int)

//go:noescape
func tile16I8MM(dst *float32, stride int, w, x *byte, blocks, panels int)

//go:noescape
func tile16MinI8MM(dst *float32, stride int, w, x *byte, blocks, panels int)
