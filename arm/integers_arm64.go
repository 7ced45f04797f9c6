//go:build !noasm

package arm

import "github.com/qwq-edge/qwq/quant"

func can(t quant.Type, k int) bool {
	switch t {
	case quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.IQ4_NL:
		return k > 0
	case quant.Q4_K, quant.Q5_K, quant.Q6_K, quant.Q2_K, quant.Q3_K:
		return k > 0 && k%256 == 0
	}
	return false
}

// Scratch: panels are packed into about half a MiB, which a second-level cache
// holds, and never more than one.
const (
	scratchGoal = 512 << 10
	scratchMost = 1 << 20

	// inPlace is the most tokens that are multiplied with the rows in the mapping.
	inPlace = 2

	// packedMost is the longest row that is packed: eight of them times four tokens
	// are one call into assembly, under 200 µs on a Cortex-A53.
	packedMost = 24 << 10
)

// ScratchBytes is the scratch that Integers and Floats want for rows of k weights
// and so many tokens: four tokens and some panels, or eight rows; 0 where only rows
// in place are multiplied.
func ScratchBytes(l Level, t quant.Type, k, tokens int) int {
	if tokens <= inPlace {
		return 0
	}
	if CanFloats(l, t, k) {
		return floatScratch(t, k)
	}
	if !Can(l, t, k) || k > packedMost {
		return 0
	}
	p := packedOf(t)
	x, panel := p.tokens(l)*(k/32), p.panel(l)*(k/32)
	if x+panel > scratchMost {
		return 0
	}
	return x + panel*min(64, max(1, (scratchGoal-x)/panel))
}

func integers(l Level, y []float32, stride int, t quant.Type, w []byte, rowBytes, rows int, a *Acts, scratch []byte) {
	if a.Tokens == 1 {
		gemv(l, y[:rows], t, w, rowBytes, a)
		return
	}
	if a.Tokens > inPlace && rows > 2 && len(scratch) > 0 {
		// a single token beyond whole fours is cheaper in place
		n := a.Tokens
		if n%4 == 1 {
			n--
		}
		gemm(l, y, stride, t, w, rowBytes, rows, a, n, scratch)
		if n < a.Tokens {
			last := a.token(n)
			gemv(l, y[n*stride:n*stride+rows], t, w, rowBytes, &last)
		}
		return
	}
	for i := range a.Tokens {
		x := a.token(i)
		gemv(l, y[i*stride:i*stride+rows], t, w, rowBytes, &x)
	}
}

// token is the activations of token i.
func (a *Acts) token(i int) Acts {
	n := a.Blocks
	return Acts{1, n, a.Q[32*n*i : 32*n*(i+1)], a.D[n*i : n*(i+1)], a.Sum[2*n*i : 2*n*(i+1)]}
}
