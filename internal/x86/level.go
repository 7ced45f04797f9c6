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
}

// check panics on lengths that do not fit.
func (a Acts) check() {
	n := a.Tokens * a.Blocks
	if a.Tokens < 0 || a.Blocks < 0 || len(a.Q) != 32*n || len(a.D) != n || len(a.Sum) != 2*n {
		panic("x86: activations differ in length")
	}
}
