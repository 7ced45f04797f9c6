package model

import (
	"math"

	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// newRope computes the frequencies of the pairs, θ^(-2i/rot), scaled:
//
//	linear: all divided by the factor (Chen et al. 2023)
//	factors (rope_freqs.weight; llama3): each divided by its own
//	yarn: interpolated and extrapolated ones mixed by a ramp over the pairs,
//	and sine and cosine times 0.1·ln(factor)+1 (Peng et al. 2023, as
//	transformers and llama.cpp compute it)
func newRope(h arch.Hyper, factors []float32) *backend.Rope {
	freqs, scale := ropeFreqs(h.Rope, h.Rot, factors)
	return backend.NewRope(freqs, scale, h.Arch.NeoX)
}

func ropeFreqs(r arch.Rope, rot int, factors []float32) (freqs []float64, scale float32) {
	freqs = kernel.InvFreqs(r.Theta, rot)
	for i := range factors {
		freqs[i] /= float64(factors[i])
	}
	switch r.Scaling {
	case "linear":
		for i := range freqs {
			freqs[i] /= r.Factor
		}
	case "yarn":
		return freqs, float32(yarn(r, freqs))
	}
	return freqs, 1
}

// yarn scales freqs in place and returns the factor on sine and cosine.
func yarn(r arch.Rope, freqs []float64) float64 {
	lo, hi := rampBounds(r, 2*len(freqs))
	for i, f := range freqs {
		ramp := min(max((float64(i)-lo)/(hi-lo), 0), 1) // 0: keep, 1: divide by the factor
		keep := float64((1 - ramp) * r.ExtFactor)
		freqs[i] = float64(f/r.Factor*(1-keep)) + float64(f*keep)
	}
	if r.Factor <= 1 || r.ExtFactor == 0 {
		return r.AttnFactor
	}
	return r.AttnFactor * (float64(0.1*math.Log(r.Factor)) + 1)
}

// rampBounds are the pairs that turn BetaFast and BetaSlow times within the
// original context.
func rampBounds(r arch.Rope, rot int) (lo, hi float64) {
	pair := func(turns float64) float64 {
		return float64(rot) * math.Log(float64(r.OrigContext)/(turns*2*math.Pi)) / (2 * math.Log(r.Theta))
	}
	lo = min(max(math.Floor(pair(r.BetaFast)), 0), float64(rot-1))
	hi = min(math.Ceil(pair(r.BetaSlow)), float64(rot-1))
	if !(hi-lo > 0.001) {
		hi = lo + 0.001
	}
	return lo, hi
}
