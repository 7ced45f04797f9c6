//go:build !noasm

package arm

import "github.com/qwq-edge/qwq/quant"

// packCall packs eight rows of blocks·32 weights.
func packCall(l Level, t quant.Type, dst *byte, rows *[8]*byte, blocks int) {
	if t.Block() == 256 {
		packKCall(l, t, dst, rows, blocks)
		return
	}
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

func packKCall(l Level, t quant.Type, dst *byte, rows *[8]*byte, blocks int) {
	var tmp [320]byte
	if l == NEON {
		switch t {
		case quant.Q4_K:
			packQ4_KNEON(dst, rows, blocks/8, &tmp)
		case quant.Q5_K:
			packQ5_KNEON(dst, rows, blocks/8, &tmp)
		case quant.Q6_K:
			packQ6_KNEON(dst, rows, blocks/8, &tmp)
		case quant.Q2_K:
			packQ2_KNEON(dst, rows, blocks/8, &tmp)
		case quant.Q3_K:
			packQ3_KNEON(dst, rows, blocks/8, &tmp)
		}
		return
	}
	if l == DotProd {
		switch t {
		case quant.Q4_K:
			packQ4_KDotProd(dst, rows, blocks/8, &tmp)
		case quant.Q5_K:
			packQ5_KDotProd(dst, rows, blocks/8, &tmp)
		case quant.Q6_K:
			packQ6_KDotProd(dst, rows, blocks/8, &tmp)
		case quant.Q2_K:
			packQ2_KDotProd(dst, rows, blocks/8, &tmp)
		case quant.Q3_K:
			packQ3_KDotProd(dst, rows, blocks/8, &tmp)
		}
		return
	}
	switch t {
	case quant.Q4_K:
		packQ4_KI8MM(dst, rows, blocks/8, &tmp)
	case quant.Q5_K:
		packQ5_KI8MM(dst, rows, blocks/8, &tmp)
	case quant.Q6_K:
		packQ6_KI8MM(dst, rows, blocks/8, &tmp)
	case quant.Q2_K:
		packQ2_KI8MM(dst, rows, blocks/8, &tmp)
	case quant.Q3_K:
		packQ3_KI8MM(dst, rows, blocks/8, &tmp)
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

//go:noescape
func packQ4_KNEON(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ5_KNEON(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ6_KNEON(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ2_KNEON(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ3_KNEON(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ4_KDotProd(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ5_KDotProd(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ6_KDotProd(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ2_KDotProd(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ3_KDotProd(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ4_KI8MM(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ5_KI8MM(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ6_KI8MM(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ2_KI8MM(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)

//go:noescape
func packQ3_KI8MM(dst *byte, rows *[8]*byte, blocks int, tmp *[320]byte)
