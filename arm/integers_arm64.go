//go:build !noasm

package arm

import "github.com/qwq-edge/qwq/quant"

func can(t quant.Type, k int) bool {
	switch t {
	case quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.IQ4_NL:
		return k > 0
	}
	return false
}

// ScratchBytes is the scratch that Integers wants for rows of k weights.
func ScratchBytes(l Level, t quant.Type, k int) int { return 0 }

func integers(l Level, y []float32, stride int, t quant.Type, w []byte, rowBytes, rows int, a Acts, scratch []byte) {
	for i := range a.Tokens {
		gemv(l, y[i*stride:i*stride+rows], t, w, rowBytes, a.token(i))
	}
}

// token is the activations of token i.
func (a Acts) token(i int) Acts {
	n := a.Blocks
	return Acts{1, n, a.Q[32*n*i : 32*n*(i+1)], a.D[n*i : n*(i+1)], a.Sum[2*n*i : 2*n*(i+1)]}
}
