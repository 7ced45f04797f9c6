//go:build !noasm

package x86

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// gemmArgs is what a kernel reads. A panel of a is kept as [rows][k] or as
// [k][rows], whichever needs no transposition: the kernel broadcasts its values
// one by one.
type gemmArgs struct {
	a      unsafe.Pointer
	ai, ak uintptr // bytes in a from row to row and from k to k
	b      unsafe.Pointer
	k      int // steps: values, or pairs of bfloat16
	c      unsafe.Pointer
	ldc    uintptr // bytes
	add    int     // not 0: the sums are added to c
}

//go:noescape
func sgemmAVX512(a *gemmArgs)

//go:noescape
func sgemmAVX2(a *gemmArgs)

//go:noescape
func bf16gemmAVX512(a *gemmArgs)

//go:noescape
func packColumnsAVX512(dst *uint32, dstStride uintptr, src *uint32, srcStride uintptr, k int, mask uint32)

//go:noescape
func packRowsAVX512(dst *uint32, dstStride uintptr, src *uint32, srcStride uintptr, k int)

//go:noescape
func roundRowAVX512(dst *uint32, src *float32, n int)

//go:noescape
func pairColumnsAVX512(dst *uint32, dstStride uintptr, src *float32, srcStride uintptr, pairs int, mask uint32)

//go:noescape
func packPanelsAVX512(dst *uint32, panel uintptr, src *uint32, srcStride uintptr, k int)

//go:noescape
func pairPanelsAVX512(dst *uint32, panel uintptr, src *float32, srcStride uintptr, pairs int)

// gemmScratch holds the packed operands of one block along k, as bits of float32
// or pairs of bfloat16. What lies beyond the tile is never stored.
type gemmScratch struct {
	b    [GemmBlock * GemmCols]uint32 // panels of 32 (AVX2: 16) columns: [panel][k][column]
	a    [4 * 12 * GemmBlock]uint32   // panels of 12 (AVX2: 6) rows, see packA
	rows [16 * GemmBlock]uint32       // rows of pairs on their way to b
	edge [12 * 32]float32             // a result that sticks out of c
}

func gemmScratchBytes(l Level) int {
	if l < AVX2 {
		return 0
	}
	return int(unsafe.Sizeof(gemmScratch{}))
}

func gemmBF16(l Level) bool { return l >= AVX512 && cpu.X86.HasAVX512BF16 }

// gemmRun is one call: the tile, its scratch, and the form of the panels.
type gemmRun struct {
	*GemmTile
	s      *gemmScratch
	l      Level
	mr, nr int  // rows and columns of the kernel
	pairs  bool // values are packed as pairs of bfloat16
}

func gemmTile(l Level, t GemmTile, scratch []byte) bool {
	if l < AVX2 {
		return false
	}
	g := gemmRun{GemmTile: &t, s: (*gemmScratch)(unsafe.Pointer(&scratch[0])), l: l, mr: 6, nr: 16, pairs: t.BF16 && gemmBF16(l)}
	if l >= AVX512 {
		g.mr, g.nr = 12, 32
	}
	for k := 0; k < t.K; k += GemmBlock {
		g.block(k, min(GemmBlock, t.K-k))
	}
	return true
}

// block adds n steps along k from k on to c.
func (g *gemmRun) block(k, n int) {
	steps := n
	if g.pairs {
		steps = (n + 1) / 2
	}
	g.packB(k, n)
	arg := gemmArgs{k: steps}
	arg.ai, arg.ak = uintptr(4*steps), 4
	if g.TA {
		arg.ai, arg.ak = 4, uintptr(4*g.mr)
	}
	add := 0
	if k > 0 || g.Add {
		add = 1
	}
	for i := 0; i < g.M; i += g.mr {
		rows := min(g.mr, g.M-i)
		arg.a = unsafe.Pointer(&g.packA(i, rows, k, n, steps)[0])
		for j := 0; j < g.N; j += g.nr {
			cols := min(g.nr, g.N-j)
			arg.b = unsafe.Pointer(&g.s.b[j*steps])
			if rows == g.mr && cols == g.nr {
				arg.c, arg.ldc, arg.add = unsafe.Pointer(&g.C[i*g.LDC+j]), uintptr(4*g.LDC), add
				g.kernel(&arg)
				continue
			}
			arg.c, arg.ldc, arg.add = unsafe.Pointer(&g.s.edge), uintptr(4*g.nr), 0
			g.kernel(&arg)
			for r := range rows {
				dst := g.C[(i+r)*g.LDC+j:][:cols]
				for x, v := range g.s.edge[r*g.nr:][:cols] {
					if add != 0 {
						v += dst[x]
					}
					dst[x] = v
				}
			}
		}
	}
}

func (g *gemmRun) kernel(a *gemmArgs) {
	switch {
	case g.pairs:
		bf16gemmAVX512(a)
	case g.l >= AVX512:
		sgemmAVX512(a)
	default:
		sgemmAVX2(a)
	}
}

// packA packs n values along k of the rows from i on and returns their panel.
// Where the rows are columns in memory, four panels are packed at a time, because
// every step along k is another page or at least another cache line.
func (g *gemmRun) packA(i, rows, k, n, steps int) []uint32 {
	size := g.mr * steps
	if !g.TA {
		dst := g.s.a[:size]
		for r := range rows {
			g.row(dst[r*steps:][:steps], g.A[(i+r)*g.LDA+k:][:n])
		}
		g.fetch(i+g.mr, k, n)
		return dst
	}
	four := 4 * g.mr
	first := i - i%four
	if g.l < AVX512 || first+four > g.M || g.BF16 && !g.pairs {
		dst := g.s.a[:size]
		g.columns(dst, g.mr, g.A[k*g.LDA+i:], g.LDA, n, rows)
		return dst
	}
	if i == first {
		g.panels(g.s.a[:4*size], size, g.A[k*g.LDA+i:], n)
	}
	return g.s.a[i%four*steps:][:size]
}

// panels packs the columns of four panels of op(a), size long each.
func (g *gemmRun) panels(dst []uint32, size int, src []float32, n int) {
	panel, from := uintptr(4*size), uintptr(4*g.LDA)
	if !g.pairs {
		packPanelsAVX512(&dst[0], panel, bits(src), from, n)
		return
	}
	if n > 1 {
		pairPanelsAVX512(&dst[0], panel, &src[0], from, n/2)
	}
	if n%2 == 1 {
		for p := range 4 {
			g.columns(dst[p*size+n/2*g.mr:], g.mr, src[(n-1)*g.LDA+p*g.mr:], g.LDA, 1, g.mr)
		}
	}
}

// fetch asks for the rows of op(a) from i on, while those before are in use.
func (g *gemmRun) fetch(i, k, n int) {
	for r := i; r < min(i+g.mr, g.M); r++ {
		fetch(uintptr(unsafe.Pointer(&g.A[r*g.LDA+k])), (n+15)/16)
	}
}

// packB packs n values along k of all columns, panel after panel. The rows of an
// operand in memory order are read a few at a time for all panels.
func (g *gemmRun) packB(k, n int) {
	steps := n
	if g.pairs {
		steps = (n + 1) / 2
	}
	for j := 0; j < g.N; j += g.nr {
		cols := min(g.nr, g.N-j)
		dst := g.s.b[j*steps:]
		if !g.TB {
			g.columns(dst, g.nr, g.B[k*g.LDB+j:], g.LDB, n, cols)
			continue
		}
		for c := 0; c < cols; c += 16 {
			g.transpose(dst[c:], g.B[(j+c)*g.LDB+k:], n, min(16, cols-c), steps)
		}
	}
}

// columns packs cols columns of n rows as dst[step][column], width columns wide.
func (g *gemmRun) columns(dst []uint32, width int, src []float32, ld, n, cols int) {
	to, from, mask := uintptr(4*width), uintptr(4*ld), uint32(1<<cols-1)
	switch {
	case g.pairs:
		if n > 1 {
			pairColumnsAVX512(&dst[0], to, &src[0], from, n/2, mask)
		}
		if n%2 == 1 {
			for c, v := range src[(n-1)*ld:][:cols] {
				var pair [8]uint32
				roundRowAVX512(&pair[0], &v, 1)
				dst[n/2*width+c] = pair[0]
			}
		}
	case g.l >= AVX512:
		packColumnsAVX512(&dst[0], to, bits(src), from, n, mask)
		g.round(dst, n*width)
	default:
		for k := range n {
			copy(dst[k*width:][:cols], unsafe.Slice(bits(src[k*ld:]), cols))
		}
		g.round(dst, n*width)
	}
}

// row packs values along k.
func (g *gemmRun) row(dst []uint32, src []float32) {
	if !g.pairs {
		copy(dst, unsafe.Slice(bits(src), len(src)))
		g.round(dst, len(src))
		return
	}
	if n := len(src) &^ 15; n > 0 {
		roundRowAVX512(&dst[0], &src[0], n)
		dst, src = dst[n/2:], src[n:]
	}
	if len(src) > 0 {
		var pairs [8]uint32
		roundRowAVX512(&pairs[0], &src[0], len(src))
		copy(dst, pairs[:])
	}
}

// transpose packs up to 16 rows of n values along k as dst[step][row], nr wide.
func (g *gemmRun) transpose(dst []uint32, src []float32, n, rows, steps int) {
	from, ld := bits(src), g.LDB
	if g.pairs {
		ld = GemmBlock
		for r := range rows {
			g.row(g.s.rows[r*ld:][:steps], src[r*g.LDB:][:n])
		}
		from = &g.s.rows[0]
	}
	if g.l >= AVX512 && rows == 16 {
		// Whole steps of 16; the rest would write beyond the panel.
		whole := steps &^ 15
		if whole > 0 {
			packRowsAVX512(&dst[0], uintptr(4*g.nr), from, uintptr(4*ld), whole)
		}
		if whole < steps {
			g.scalar(dst[whole*g.nr:], (*uint32)(unsafe.Add(unsafe.Pointer(from), 4*whole)), ld, steps-whole, rows)
		}
	} else {
		g.scalar(dst, from, ld, steps, rows)
	}
	if !g.pairs && g.BF16 {
		for k := range steps {
			g.round(dst[k*g.nr:], rows)
		}
	}
}

// scalar is transpose of what the assembly does not take.
func (g *gemmRun) scalar(dst []uint32, src *uint32, ld, steps, rows int) {
	for r := range rows {
		row := unsafe.Slice((*uint32)(unsafe.Add(unsafe.Pointer(src), 4*r*ld)), steps)
		for k, v := range row {
			dst[k*g.nr+r] = v
		}
	}
}

// round rounds packed float32 to bfloat16, where the tile wants that.
func (g *gemmRun) round(x []uint32, n int) {
	if !g.BF16 {
		return
	}
	for i, u := range x[:n] {
		if u&^(1<<31) > 0x7f800000 {
			x[i] = u | 1<<22
			continue
		}
		x[i] = (u + 0x7fff + u>>16&1) &^ 0xffff
	}
}

// bits views float32 as their bits; x is not empty.
func bits(x []float32) *uint32 { return (*uint32)(unsafe.Pointer(&x[0])) }
