package tape

import (
	"math"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/runtime/model"
)

// TestFP16: under a loss scale the gradient is float32's, but for rounding to 11
// bits; without one it loses what is below 6e-8; with too large a one it is not
// finite, where float32's is.
func TestFP16(t *testing.T) {
	f, b := open(t, graphs["qwen2"]), text(320, 70, 7)
	scaled := func(p Precision, threads int, scale float64) (grad []float32) {
		dev := New(newPool(t, threads), Options{Precision: p, Recompute: threads > 1})
		m, err := model.New(f, dev)
		if err != nil {
			t.Fatal(err)
		}
		params, err := dev.Params()
		if err != nil {
			t.Fatal(err)
		}
		grad = make([]float32, len(params.Flat))
		out, err := m.Run(b)
		loss := 0.0
		if err == nil {
			err = dev.Head(out[0], 50, m.Head, func(lo, hi int, logits []float32) error {
				err := crossEntropy(b.IDs, 320, &loss)(lo, hi, logits)
				for i := range logits {
					logits[i] *= float32(scale)
				}
				return err
			}, grad)
		}
		if err == nil {
			err = dev.Backward(grad)
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range grad {
			grad[i] /= float32(scale)
		}
		return grad
	}
	off := func(x, y []float32) float64 { // relative distance
		d, n := 0.0, 0.0
		for i := range x {
			d, n = d+math.Pow(float64(x[i]-y[i]), 2), n+math.Pow(float64(y[i]), 2)
		}
		return math.Sqrt(d / n)
	}
	want := scaled(FP32, 2, 1)
	got := scaled(FP16, 1, 1024)
	if d := off(got, want); !(d > 1e-6 && d < 1e-2) {
		t.Errorf("with a loss scale the gradient is off by %v of its length", d)
	}
	for threads := 2; threads <= 3; threads++ {
		if !slices.Equal(scaled(FP16, threads, 1024), got) {
			t.Errorf("%d threads and recompute: other bits", threads)
		}
	}
	if d := off(scaled(FP16, 2, 1e-4), want); !(d > 0.1) {
		t.Errorf("with a loss scale of 1e-4 the gradient is off by %v only", d)
	}
	if d := off(scaled(FP32, 2, 1e9), want); !(d < 1e-5) {
		t.Errorf("float32 with a loss scale of 1e9: off by %v", d)
	}
	if d := off(scaled(FP16, 2, 1e9), want); !math.IsNaN(d) && !math.IsInf(d, 0) {
		t.Errorf("float16 with a loss scale of 1e9: off by %v, want an overflow", d)
	}
}
