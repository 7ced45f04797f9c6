// Package kernel runs the operations of a transformer on the CPU: a pool of
// locked OS threads, the choice of the kernel variant, and one method per
// operation. It owns no model and no memory but its scratch; weights are used
// in place from the mapping.
//
// Every result is bit-identical for any thread count, any batch and every
// variant: threads split outputs, never sums, and arm/ref fixes the order of
// every rounding. A Pool must not be called from inside its own Parallel.
//
//	p, err := kernel.New(kernel.Options{Threads: 2})
//	defer p.Close()
//	err = p.MatMul([]kernel.F32{y}, x, []quant.Matrix{w}, kernel.Fuse{})
//
// # Kernels
//
// Packages x86 and arm export the same functions, one per operation. The first
// argument is a Level, a rung of their ladder, chosen once when the pool is
// made; internal/kernel calls them through the switches of dispatch.go, once per
// range of rows, never per block. A function gives arm/ref's bits for any
// length, or returns false and has written nothing: there is no kernel for this
// type on this rung and the caller runs arm/ref. So each function may come when
// it is ready. Slices are checked by the exported function; assembly gets whole
// blocks, reads nothing beyond them, and returns within 200 µs.
//
//	type Level uint8 // 0 none; x86: AVX2, AVX512; arm: NEON, DotProd, I8MM
//
//	// Activations of all tokens, as ref.Act.Quantize makes them, row after row.
//	type Acts struct {
//		Tokens, Blocks int // blocks of 32 per token
//		Q   []int8         // [Tokens, Blocks, 32]
//		D   []float32      // [Tokens, Blocks]
//		Sum []int16        // [Tokens, Blocks, 2]
//	} // x86 has Wide, Low and High too
//	func Widen(l Level, wide []float32, low, high []int32, sum []int16) bool // x86 only: one token's, after Quantize
//	// One token's; x is any length, q, d and sum are whole blocks. bad is the
//	// first value that is not finite, or -1.
//	func Quantize(l Level, q []int8, d []float32, sum []int16, x []float32) (bad int, ok bool)
//
//	// y[token·stride+r] = row r · token for rows adjacent rows of w, in place in
//	// the mapping. The package decides between multiplying the rows as they are
//	// and packing panels of them into scratch for all tokens; ScratchBytes is at
//	// most 1 MiB (0: none wanted).
//	func Can(l Level, t quant.Type, k int) bool // Integers has a kernel for rows of k weights
//	func ScratchBytes(l Level, t quant.Type, k int) int // arm: and tokens
//	func Integers(l Level, y []float32, stride int, t quant.Type, w []byte, rows int, a Acts, scratch []byte) bool
//	// The same for F32, F16 and BF16 rows; x: [tokens, k]. arm takes scratch too.
//	func CanFloats(l Level, t quant.Type, k int) bool // also of Scores and Weigh, t being F32 and k dim
//	func Floats(l Level, y []float32, stride int, t quant.Type, w []byte, rows int, x []float32, tokens int) bool
//	// x86 only: Floats of 32 rows or more with many tokens, packed once for all rows.
//	func StripFloats(l Level, t quant.Type, tokens, k int) int // of packed; 0: not for these
//	func PackStrips(l Level, packed, x []float32, tokens, k, lo, hi int) // quads of tokens
//	func Strips(l Level, y []float32, stride int, t quant.Type, w []byte, rows int, packed []float32, tokens, k int, scratch []byte) bool // of StripBytes(k)
//	func Dequantize(l Level, y []float32, t quant.Type, row []byte) bool // quant.Decode's bits
//	func Encode(l Level, row []byte, t quant.Type, x []float32) bool // quant.Encode's bytes
//
//	// Attention over one page, widened: q, o [queries, dim], k, v [n, dim].
//	func Scores(l Level, s []float32, stride int, q, k []float32, dim int, scale float32) bool // s[i·stride+j] = (q[i]·k[j])·scale
//	func ExpSum(l Level, s []float32, m float32) (top, sum float32, ok bool) // s[i] = e^(s[i]-top), top = max(m, s); 16 lanes i%16, ref.Tree
//	func Soften(l Level, s []float32, stride, from, to int, m, sum, o []float32, dim int) bool // x86 only: a page's ExpSum and scaling for some queries
//	func Weigh(l Level, o, p []float32, stride int, v []float32, dim int) bool // o[i][d] = FMA(p[i·stride+j], v[j][d], o[i][d]), j ascending
//
//	func RMSNorm(l Level, y, x, w []float32, eps float32) bool
//	func Rotate(l Level, x, cos, sin []float32, neox bool) bool
//	func SiLU(l Level, y, x, up []float32) bool // times up unless nil; y may be x
//	func SiLURows(l Level, y []float32, yStride int, x, up []float32, xStride, n, rows int) bool // x86 only
//	func Scale(l Level, y, x []float32, a float32) bool // y = x·a
//	func Add(l Level, y, x []float32) bool      // y += x
//	func Mul(l Level, y, x []float32) bool      // y *= x
//	func LayerNorm(l Level, y, x, w, b []float32, eps float32) bool // w and b may be nil
//	func GELU(l Level, y, x []float32, tanh bool) bool // y may be x
//
//	func PeakInt8(l Level, n int) int // runs n rounds of plain products, returns their operations
//	func PeakFP32(l Level, n int) int
//	func Read(l Level, p []byte) (sum uint64, ok bool) // of the 64-bit words of p
package kernel

import "github.com/qwq-edge/qwq/quant"

// F32 is a row-major float32 matrix: Data holds Rows*Cols values, contiguous.
type F32 struct {
	Rows, Cols int
	Data       []float32
}

// Row views data as a matrix of one row.
func Row(data []float32) F32 { return F32{Rows: 1, Cols: len(data), Data: data} }

// At returns row i as a slice of the matrix.
func (m F32) At(i int) []float32 { return m.Data[i*m.Cols : (i+1)*m.Cols : (i+1)*m.Cols] }

// Options configures a Pool; the zero value works.
type Options struct {
	// Threads is the number of threads that compute, the caller's included;
	// 0 means one per CPU.
	Threads int
	// Variant names the kernels to use: generic, neon, dotprod, i8mm, avx2 or
	// avx512. Empty means QWQ_KERNEL from the environment, or where that is
	// empty the best that this machine runs.
	Variant string
}

// Act is an activation function.
type Act int

// The activation functions.
const (
	None      Act = iota // y = x
	SiLU                 // y = x / (1 + exp(-x))
	GELU                 // y = x · Φ(x), Φ the normal distribution (the erf form)
	GELUTanh             // y = x / (1 + exp(-2·sqrt(2/π)·(x + 0.044715·x³)))
	QuickGELU            // y = x / (1 + exp(-1.702·x))
	ReLU                 // y = max(x, 0)
	Sigmoid              // y = 1 / (1 + exp(-x))
	Tanh                 // y = tanh(x)
)

// Fuse says what MatMul does besides multiplying; the zero value is nothing.
type Fuse struct {
	// Bias is added to the outputs of the matrix with the same index; the
	// slice or any entry may be nil. Bias[i] has w[i].Rows values.
	Bias [][]float32
	// GateUp set to an activation makes MatMul take exactly two matrices of
	// one shape, gate and up, and write y[0] = act(x·gateᵀ) * (x·upᵀ).
	GateUp Act
	// Precise keeps the activations in float32 for quantized weights too: the
	// weights are dequantized row by row. For evaluation; slow.
	Precise bool
	// Acts is what RMSNormActs returned for x, or 0. It changes no result.
	Acts uint64
}

// KVPages is one sequence's paged keys and values in one layer. A page holds
// 64 positions: for each KV head the 64 key rows, then the 64 value rows.
type KVPages struct {
	Type       quant.Type // F32, F16 or Q8_0
	Heads, Dim int        // KV heads; head dimension of K and V
	Table      [][]byte   // the layer's page store, by page id
	Pages      []int32    // this sequence's page ids; entry i holds positions 64i to 64i+63
	Start, N   int        // absolute position of the first row of this call; number of rows
	Causal     bool       // row i sees positions up to Start+i; else all up to Start+N-1
}

// Mask describes the attention of a layer.
type Mask struct {
	Scale  float32 // factor on q·k, usually 1/sqrt(dim)
	Window int     // a row sees this many positions up to its own; 0 means all
	QHeads int     // query heads, a multiple of the KV heads
}
