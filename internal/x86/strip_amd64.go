//go:build !noasm

package x86

import (
	"unsafe"

	"github.com/qwq-edge/qwq/quant"
)

// strip is what the assembly of a tile reads.
type strip struct {
	w       unsafe.Pointer // 32 rows, packed
	x       unsafe.Pointer // first quad of tokens, packed
	xStride uintptr        // bytes from quad to quad
	stack   unsafe.Pointer // [4] sums
	y       unsafe.Pointer
	yStride uintptr
	steps   int // of a lane
	tokens  int // of the last quad
}

//go:noescape
func strip3AVX512(a *strip)

//go:noescape
func strip2AVX512(a *strip)

//go:noescape
func strip1AVX512(a *strip)

//go:noescape
func stripRowsF32AVX512(dst *float32, lane int, src *byte, stride, steps int)

//go:noescape
func stripRowsF16AVX512(dst *float32, lane int, src *byte, stride, steps int)

//go:noescape
func stripRowsBF16AVX512(dst *float32, lane int, src *byte, stride, steps int)

//go:noescape
func stripTokensAVX512(dst *float32, lane int, src *float32, stride, steps int)

//go:noescape
func stripAVX2(a *strip)

// The packing of AVX2 moves 8 of the 16 values of each step, of 8 rows or 4 tokens.

//go:noescape
func stripRowsF32AVX2(dst *float32, lane int, src *byte, stride, steps int)

//go:noescape
func stripRowsF16AVX2(dst *float32, lane int, src *byte, stride, steps int)

//go:noescape
func stripRowsBF16AVX2(dst *float32, lane int, src *byte, stride, steps int)

//go:noescape
func stripTokensAVX2(dst *float32, lane int, src *float32, stride, steps int)

const (
	stripTokens  = 32       // fewer are not worth the packing of rows
	stripStack   = 4 * 1536 // bytes of the stack of sums
	stripColumns = (1<<20 - stripStack) / (4 * StripRows) &^ 15
)

func stripSteps(k int) int { return (k + 15) / 16 }

func stripFloats(l Level, t quant.Type, tokens, k int) int {
	if !canFloats(l, t, k) || tokens < stripTokens || k < 16 || k > stripColumns {
		return 0
	}
	return (tokens + 3) / 4 * 64 * stripSteps(k)
}

func stripScratch(k int) int { return stripStack + 64*StripRows*stripSteps(k) }

func packStrips(l Level, dst, x []float32, tokens, k, lo, hi int) {
	steps := stripSteps(k)
	for quad := lo; quad < hi; quad++ {
		to := dst[quad*64*steps:]
		if n := tokens - 4*quad; n >= 4 {
			stripQuad(l, to, steps, x[4*quad*k:], k, k/16)
		} else {
			for i := range 4 {
				stripToken(to, x[min(4*quad+i, tokens)*k:min(4*quad+i+1, tokens)*k], i, steps)
			}
			continue
		}
		if k%16 != 0 {
			var tail [4][16]float32
			for i := range tail {
				copy(tail[i][:], x[(4*quad+i)*k+k&^15:(4*quad+i+1)*k])
			}
			stripQuad(l, to[4*(steps-1):], steps, unsafe.Slice(&tail[0][0], 64), 16, 1)
		}
	}
}

// stripQuad packs n steps of 4 tokens, k values apart, into a quad of steps.
func stripQuad(l Level, to []float32, steps int, x []float32, k, n int) {
	if l >= AVX512 {
		stripTokensAVX512(&to[0], 16*steps, &x[0], 4*k, n)
		return
	}
	stripTokensAVX2(&to[0], 16*steps, &x[0], 4*k, n)
	stripTokensAVX2(&to[4*steps], 16*steps, &x[8], 4*k, n) // lane 8's place is 1
}

// reverse4 is the place of a lane: its four bits reversed.
var reverse4 = [16]int{0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15}

// stripToken packs x, and zeros beyond its end, as token i of a quad.
func stripToken(to, x []float32, i, steps int) {
	for j := range 16 * steps {
		v := float32(0)
		if j < len(x) {
			v = x[j]
		}
		to[(reverse4[j%16]*steps+j/16)*4+i] = v
	}
}

// packRows packs the 32 rows of row bytes at w into panel.
func packRows(l Level, panel []float32, t quant.Type, w []byte, row, k int) {
	steps := stripSteps(k)
	for half := 0; half < StripRows; half += 16 {
		stripRows(l, t, panel[half:], steps, w[half*row:], row, k/16)
		if k%16 == 0 {
			continue
		}
		var tail [16][64]byte
		last := k / 16 * 16 * row / k
		for i := range tail {
			copy(tail[i][:], w[(half+i)*row+last:(half+i+1)*row])
		}
		stripRows(l, t, panel[half+32*(steps-1):], steps, unsafe.Slice(&tail[0][0], 16*64), 64, 1)
	}
}

// stripRows packs n steps of 16 rows, row bytes apart, into a panel of steps.
func stripRows(l Level, t quant.Type, panel []float32, steps int, w []byte, row, n int) {
	lane := 128 * steps
	if l >= AVX512 {
		switch t {
		case quant.F32:
			stripRowsF32AVX512(&panel[0], lane, &w[0], row, n)
		case quant.F16:
			stripRowsF16AVX512(&panel[0], lane, &w[0], row, n)
		default:
			stripRowsBF16AVX512(&panel[0], lane, &w[0], row, n)
		}
		return
	}
	for i := range 4 { // 8 rows, 8 lanes; lane 8's place is 1
		r, c := i/2*8, i%2*8
		dst := &panel[r+c/8*32*steps]
		switch t {
		case quant.F32:
			stripRowsF32AVX2(dst, lane, &w[r*row+4*c], row, n)
		case quant.F16:
			stripRowsF16AVX2(dst, lane, &w[r*row+2*c], row, n)
		default:
			stripRowsBF16AVX2(dst, lane, &w[r*row+2*c], row, n)
		}
	}
}

func strips(l Level, y []float32, stride int, t quant.Type, w []byte, rows int, packed []float32, tokens, k int, scratch []byte) bool {
	if len(scratch) < stripScratch(k) || uintptr(unsafe.Pointer(unsafe.SliceData(scratch)))%64 != 0 {
		panic("x86: Strips: scratch too small or not aligned")
	}
	row, steps, quads := len(w)/rows, stripSteps(k), (tokens+3)/4
	panel := unsafe.Slice((*float32)(unsafe.Pointer(&scratch[stripStack])), 16*StripRows*steps)
	a := strip{
		w: unsafe.Pointer(&panel[0]), xStride: uintptr(256 * steps), stack: unsafe.Pointer(&scratch[0]),
		yStride: uintptr(4 * stride), steps: steps,
	}
	for r := 0; r < rows; r += StripRows {
		r := min(r, rows-StripRows) // the last panel overlaps the one before it
		packRows(l, panel, t, w[r*row:], row, k)
		next, ahead := uintptr(unsafe.Pointer(unsafe.SliceData(w)))+uintptr((r+StripRows)*row), 0
		for q := 0; q < quads; {
			a.x, a.y = unsafe.Pointer(&packed[q*64*steps]), unsafe.Pointer(&y[4*q*stride+r])
			q += a.run(l, quads-q, tokens-4*q)
			if lines := StripRows*row*min(4*q, tokens)/tokens/64 - ahead; lines > 0 {
				fetch(next+uintptr(64*ahead), lines)
				ahead += lines
			}
		}
	}
	return true
}

// run multiplies a panel with some of the quads left and returns how many.
func (a *strip) run(l Level, quads, tokens int) int {
	if l < AVX512 {
		b := *a
		b.tokens = min(tokens, 4)
		stripAVX2(&b)
		b.w, b.y = unsafe.Add(b.w, 64), unsafe.Add(b.y, 64)
		stripAVX2(&b)
		return 1
	}
	n := min(quads, 3)
	if quads == 4 {
		n = 2
	}
	a.tokens = min(tokens-4*(n-1), 4)
	switch n {
	case 3:
		strip3AVX512(a)
	case 2:
		strip2AVX512(a)
	default:
		strip1AVX512(a)
	}
	return n
}
