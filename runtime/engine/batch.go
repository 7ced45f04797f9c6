package engine

import "github.com/qwq-edge/qwq/internal/cpu"

// The number of prompt tokens of one step, where the caller does not say.
const (
	minBatch = 64
	maxBatch = 512
)

// promptBatch is the largest power of two of tokens, 64 to 512, whose widest
// activations, [tokens, ffn] in float32, fill at most a quarter of the last cache:
// the more tokens, the less often the weights are read and packed. Results do not
// depend on it.
func promptBatch(c cpu.Info, ffn int) int {
	n := maxBatch
	for n > minBatch && 4*n*ffn > max(c.L2, c.L3)/4 {
		n /= 2
	}
	return n
}

func hostBatch(ffn int) int { return promptBatch(cpu.Detect(), ffn) }
