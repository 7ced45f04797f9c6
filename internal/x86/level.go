package x86

// Level is a rung of the ladder. Each includes the ones below; where it has no
// kernel of its own for something it uses theirs.
type Level uint8

// The rungs.
const (
	None   Level = iota // no assembly
	AVX2                // with FMA and F16C
	AVX512              // F, BW, VL, DQ and VNNI
)

// Acts are the quantized activations of some tokens as ref.Act.Quantize makes
// them, row after row.
type Acts struct {
	Tokens, Blocks int       // tokens; blocks of 32 per token
	Q              []int8    // [Tokens, Blocks, 32]
	D              []float32 // [Tokens, Blocks]
	Sum            []int16   // [Tokens, Blocks, 2]

	// What AVX-512 reads beside Sum, and nothing on other levels; all [Tokens, Blocks].
	Wide      []float32 // the sum of a block
	Low, High []int32   // minus the sums of its halves
}

// check panics on lengths that do not fit.
func (a Acts) check(l Level) {
	n := a.Tokens * a.Blocks
	if a.Tokens < 0 || a.Blocks < 0 || len(a.Q) != 32*n || len(a.D) != n || len(a.Sum) != 2*n {
		panic("x86: activations differ in length")
	}
	if l >= AVX512 && (len(a.Wide) != n || len(a.Low) != n || len(a.High) != n) {
		panic("x86: activations lack the sums that Widen makes")
	}
}
