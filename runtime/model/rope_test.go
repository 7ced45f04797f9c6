package model

import (
	"math"
	"testing"

	"github.com/qwq-edge/qwq/gguf/arch"
)

// TestYaRN holds values of transformers' _compute_yarn_parameters, written
// down in float64, for Qwen2.5's recommended setting.
func TestYaRN(t *testing.T) {
	freqs, scale := ropeFreqs(arch.Rope{Theta: 1e6, Scaling: "yarn", Factor: 4, OrigContext: 32768, AttnFactor: 1, ExtFactor: 1, BetaFast: 32, BetaSlow: 1}, 128, nil)
	for i, want := range map[int]float64{0: 1.0, 1: 0.8058421877614819, 20: 0.01333521432163324, 24: 0.005375321490790102, 30: 0.0010643609812470017, 36: 0.00017984115587395423, 40: 4.445698525097307e-05, 47: 9.810474396211341e-06, 63: 3.102344401879299e-07} {
		if math.Abs(freqs[i]-want) > 1e-12*want {
			t.Errorf("pair %d: %v, want %v", i, freqs[i], want)
		}
	}
	if want := float32(0.1*math.Log(4) + 1); scale != want {
		t.Errorf("scale %v, want %v", scale, want)
	}
	plain, one := ropeFreqs(arch.Rope{Theta: 1e6, Scaling: "none"}, 128, nil)
	if one != 1 || math.Abs(plain[1]-math.Pow(1e6, -2.0/128)) > 1e-15 {
		t.Errorf("unscaled: %v times %v", plain[1], one)
	}
	linear, _ := ropeFreqs(arch.Rope{Theta: 1e6, Scaling: "linear", Factor: 8}, 128, nil)
	div, _ := ropeFreqs(arch.Rope{Theta: 1e6, Scaling: "none"}, 4, []float32{1, 8})
	if linear[5] != plain[5]/8 || math.Abs(div[1]-1e-3/8) > 1e-18 {
		t.Errorf("linear %v, divided %v", linear[5], div[1])
	}
	off, _ := ropeFreqs(arch.Rope{Theta: 1e6, Scaling: "yarn", Factor: 4, OrigContext: 32768, AttnFactor: 1, BetaFast: 32, BetaSlow: 1}, 128, nil)
	if off[0] != plain[0]/4 {
		t.Errorf("yarn without extrapolation: %v, want %v", off[0], plain[0]/4)
	}
}
