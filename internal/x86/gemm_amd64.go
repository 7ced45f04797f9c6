//go:build !noasm

package x86

import (
	"unsafe"

	"github.com/qwq-edge/qwq/quant"
)

// panelRows is the number of rows that are packed together.
const panelRows = 32

// tile is what the tile's assembly reads: a packed panel of 32 rows and the
// activations of the first token; AVX2 takes it in two halves and has kinds of its own.
type tile struct {
	codes              unsafe.Pointer // [k/4][32][4]
	scales, mins       unsafe.Pointer // [sub-block][32]
	q, d, sum          unsafe.Pointer
	qStride, dStride   uintptr // bytes from token to token; of sum as of d
	y                  unsafe.Pointer
	yStride            uintptr
	blocks             int
	resume             int            // not 0: the sums begin with what the output holds
	kind               int            // 0 sub-blocks of 32, 1 with mins, 2 of 16, 3 with mins
	highs              unsafe.Pointer // AVX-512's sums of second halves
	shift              uint32         // AVX-512's: the bias is 1 shifted by that
	bias0, bias1       uint32         // two int16 that multiply the sums of 16: of a block, or its first and second sub-block
	rows0, rows1, _, _ uint16         // AVX-512's masks of the rows in the output
	mask               unsafe.Pointer // AVX2's: 16 int32
	acc                unsafe.Pointer // AVX2's: 512 bytes for sums
}

// fetch asks for cache lines ahead of their use; p may lie beyond what is mapped.
func fetch(p uintptr, lines int)

//go:noescape
func transpose8AVX2(dst *byte, src *byte, n int, flip uint32)

//go:noescape
func tile4AVX2(a *tile)

//go:noescape
func tile2AVX2(a *tile)

//go:noescape
func tile1AVX2(a *tile)

//go:noescape
func transpose16AVX512(dst *byte, dstStride int, src *byte, n int)

//go:noescape
func tile6AVX512(a *tile)

//go:noescape
func tile4AVX512(a *tile)

//go:noescape
func tile2AVX512(a *tile)

//go:noescape
func tile1AVX512(a *tile)

// panelBytes is the size of a packed panel: codes, scales, mins, each to the end
// of the last chunk.
func panelBytes(f format, k int) int {
	codes, scales := panelParts(f, k)
	return codes + 2*scales
}

func panelParts(f format, k int) (codes, scales int) {
	chunks := (k + f.chunk - 1) / f.chunk
	return chunks * f.chunk * panelRows, chunks * 16 * panelRows * 4
}

// pack packs k codes of each of n rows of row bytes from w into panel. For AVX2
// codes of 8 bits become signed.
func pack(level Level, panel []byte, codes, scales int, l *lines, t quant.Type, f format, w []byte, row, n, k int) {
	flip := uint32(0)
	if f.bias == 128 {
		flip = 0x80808080
	}
	for at := 0; at < k; at += f.chunk {
		blocks := min(f.chunk, k-at) / t.Block()
		for half := 0; half < n; half += 16 {
			l[0].unpack(t, &w[half*row+at/t.Block()*t.BlockBytes()], row, min(16, n-half), blocks)
			codes16, scales16 := &panel[at*panelRows+half*4], &panel[codes+at/f.chunk*16*panelRows*4+half*4]
			l.transpose(level, codes16, &l[0].q[0], blocks*t.Block(), flip)
			l.transpose(level, scales16, (*byte)(unsafe.Pointer(&l[0].scale)), 64, 0)
			if f.min {
				l.transpose(level, (*byte)(unsafe.Add(unsafe.Pointer(scales16), scales)), (*byte)(unsafe.Pointer(&l[0].min)), 64, 0)
			}
		}
	}
}

// transpose brings n bytes of the 16 rows at src, which is in l, into a panel.
func (l *lines) transpose(level Level, dst, src *byte, n int, flip uint32) {
	if level >= AVX512 {
		transpose16AVX512(dst, panelRows*4, src, (n+63)/64)
		return
	}
	transpose8AVX2(dst, src, n/32, flip)
	const half = 8
	src = (*byte)(unsafe.Add(unsafe.Pointer(src), half*unsafe.Sizeof(line{})))
	transpose8AVX2((*byte)(unsafe.Add(unsafe.Pointer(dst), half*4)), src, n/32, flip)
}

// panelStep is the number of codes of a row that are packed at a time: so many
// that a panel stays in the second level cache for all tokens, or for few tokens
// in the first.
func panelStep(k, tokens int) int {
	if tokens <= 4 {
		return min(k, 512)
	}
	return min(k, 8192)
}

func gemm(level Level, y []float32, stride int, t quant.Type, f format, w []byte, rows int, a Acts, scratch []byte) {
	k, row := a.Blocks*32, len(w)/rows
	step := panelStep(k, a.Tokens)
	l := (*lines)(unsafe.Pointer(&scratch[0]))
	panel := scratch[unsafe.Sizeof(*l):]
	codes, scales := panelParts(f, step)
	arg := tile{
		codes: unsafe.Pointer(&panel[0]), scales: unsafe.Pointer(&panel[codes]), mins: unsafe.Pointer(&panel[codes+scales]),
		qStride: uintptr(k), dStride: uintptr(4 * a.Blocks), yStride: uintptr(4 * stride),
	}
	bias := uint32(uint16(-f.bias))
	if f.sub == 32 {
		arg.bias0 = bias | bias<<16
	} else {
		arg.kind = 2
		arg.bias0, arg.bias1 = bias, bias<<16
		arg.shift = uint32(f.bits - 1)
	}
	if f.min {
		arg.kind++
	}
	if level < AVX512 {
		arg.kind, arg.acc = f.kindAVX2(), unsafe.Pointer(&l[0].q) // l's is free while tiles run
	}
	for r := 0; r < rows; r += panelRows {
		n := min(panelRows, rows-r)
		mask := uint32(1<<n - 1)
		arg.rows0, arg.rows1 = uint16(mask), uint16(mask>>16)
		// The next panel's rows, here or in the caller's next range, are asked for
		// in step with the work.
		next, ahead := uintptr(unsafe.Pointer(unsafe.SliceData(w)))+uintptr((r+panelRows)*row), 0
		for at := 0; at < k; at += step {
			part := min(step, k-at)
			pack(level, panel, codes, scales, l, t, f, w[r*row+at/t.Block()*t.BlockBytes():], row, n, part)
			arg.blocks, arg.resume = part/32, at
			for tok := 0; tok < a.Tokens; {
				block := tok*a.Blocks + at/32
				arg.q, arg.d = unsafe.Pointer(&a.Q[32*block]), unsafe.Pointer(&a.D[block])
				arg.sum, arg.highs = a.sums(level, arg.kind, block)
				arg.y = unsafe.Pointer(&y[tok*stride+r])
				tok += arg.run(level, n, a.Tokens-tok)
				if lines := panelRows*row*(at*a.Tokens+part*tok)/(k*a.Tokens)/64 - ahead; lines > 0 {
					fetch(next+uintptr(64*ahead), lines)
					ahead += lines
				}
			}
		}
	}
}

// sums are what a kind of tile reads of the sums of tokens, from a block on.
func (a Acts) sums(level Level, kind, block int) (sum, highs unsafe.Pointer) {
	switch {
	case level < AVX512 || kind == 0:
		return unsafe.Pointer(&a.Sum[2*block]), nil
	case kind == 1:
		return unsafe.Pointer(&a.Wide[block]), nil
	}
	return unsafe.Pointer(&a.Low[block]), unsafe.Pointer(&a.High[block])
}

// run multiplies a panel of n rows with some of the tokens left and returns how many.
func (a *tile) run(level Level, n, left int) int {
	switch {
	case level < AVX512:
		return a.halves(n, left)
	case left >= 6:
		tile6AVX512(a)
		return 6
	case left >= 4:
		tile4AVX512(a)
		return 4
	case left >= 2:
		tile2AVX512(a)
		return 2
	default:
		tile1AVX512(a)
		return 1
	}
}

// rowMask selects rows: 16 from entry 16-n on for n of them.
var rowMask = [32]int32{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}

// halves runs AVX2's tile on the two halves of a panel of n rows and returns the
// number of tokens.
func (t *tile) halves(n, tokens int) int {
	a := *t
	for ; ; n -= 16 {
		a.mask = unsafe.Pointer(&rowMask[16-min(n, 16)])
		switch {
		case tokens >= 4:
			tile4AVX2(&a)
		case tokens >= 2:
			tile2AVX2(&a)
		default:
			tile1AVX2(&a)
		}
		if n <= 16 {
			break
		}
		a.codes, a.scales, a.mins, a.y = unsafe.Add(a.codes, 64), unsafe.Add(a.scales, 64), unsafe.Add(a.mins, 64), unsafe.Add(a.y, 64)
	}
	switch {
	case tokens >= 4:
		return 4
	case tokens >= 2:
		return 2
	}
	return 1
}

// kindAVX2 is the tile's kind: by how many products of a code fit 16 bits.
func (f format) kindAVX2() int {
	kind := 0
	switch {
	case f.bits == 8:
		return 7
	case f.sub == 16 && f.bits == 6:
		return 6
	case f.sub == 16:
		kind = 4
	case f.bits == 5:
		kind = 2
	}
	if f.min {
		kind++
	}
	return kind
}
