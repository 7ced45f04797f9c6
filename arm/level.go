package arm

// Level is a rung of the ladder. Each includes the ones below; where it has no
// kernel of its own for something it uses theirs.
type Level uint8

// The rungs.
const (
	None    Level = iota // no assembly
	NEON                 // every arm64 core: Cortex-A53, A72
	DotProd              // dot products of int8, half arithmetic: Cortex-A76, A78
	I8MM                 // matrix products of int8
)

// LevelOf is the level of a kernel variant by its name; None for others and in
// builds without assembly.
func LevelOf(variant string) Level {
	if !Assembly {
		return None
	}
	switch variant {
	case "neon":
		return NEON
	case "dotprod":
		return DotProd
	case "i8mm":
		return I8MM
	}
	return None
}

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
		panic("arm: activations differ in length")
	}
}
