//go:build !noasm

package arm

import "github.com/qwq-edge/qwq/quant"

// packCall packs eight rows of blocks·32 weights.
func packCall(l Level, t quant.Type, dst *byte, rows *[8]*byte, blocks int) {
	if l == NEON {
		switch t {
		case quant.Q8_0:
			packQ8_0NEON(dst, rows, blocks)
		case quant.Q4_0:
			packQ4_0NEON(dst, rows, blocks)
		case quant.Q4_1:
			packQ4_1NEON(dst, rows, blocks)
		case quant.Q5_0:
			packQ5_0NEON(dst, rows, blocks)
		case quant.Q5_1:
			packQ5_1NEON(dst, rows, blocks)
		case quant.IQ4_NL:
			packIQ4_NLNEON(dst, rows, blocks)
		}
		return
	}
	if l == DotProd {
		switch t {
		case quant.Q8_0:
			packQ8_0DotProd(dst, rows, blocks)
		case quant.Q4_0:
			packQ4_0DotProd(dst, rows, blocks)
		case quant.Q4_1:
			packQ4_1DotProd(dst, rows, blocks)
		case quant.Q5_0:
			packQ5_0DotProd(dst, rows, blocks)
		case quant.Q5_1:
			packQ5_1DotProd(dst, rows, blocks)
		case quant.IQ4_NL:
			packIQ4_NLDotProd(dst, rows, blocks)
		}
		return
	}
	switch t {
	case quant.Q8_0:
		packQ8_0I8MM(dst, rows, blocks)
	case quant.Q4_0:
		packQ4_0I8MM(dst, rows, blocks)
	case quant.Q4_1:
		packQ4_1I8MM(dst, rows, blocks)
	case quant.Q5_0:
		packQ5_0I8MM(dst, rows, blocks)
	case quant.Q5_1:
		packQ5_1I8MM(dst, rows, blocks)
	case quant.IQ4_NL:
		packIQ4_NLI8MM(dst, rows, blocks)
	}
}

//go:noescape
func packQ8_0NEON(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ4_0NEON(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ4_1NEON(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ5_0NEON(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ5_1NEON(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packIQ4_NLNEON(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ8_0DotProd(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ4_0DotProd(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ4_1DotProd(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ5_0DotProd(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ5_1DotProd(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packIQ4_NLDotProd(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ8_0I8MM(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ4_0I8MM(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ4_1I8MM(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ5_0I8MM(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packQ5_1I8MM(dst *byte, rows *[8]*byte, blocks int)

//go:noescape
func packIQ4_NLI8MM(dst *byte, rows *[8]*byte, blocks int)
