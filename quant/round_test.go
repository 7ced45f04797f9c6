package quant

import (
	"math"
	"testing"
)

// TestRoundAway compares every float32 from 0.25 to 128, both signs, with
// math.Round; below 0.25 the sum stays below 0.75 and truncates to 0.
func TestRoundAway(t *testing.T) {
	step := uint32(1)
	if testing.Short() {
		step = 7
	}
	for u := math.Float32bits(0.25); u <= math.Float32bits(128); u += step {
		x := math.Float32frombits(u)
		var want int32
		if f := x - float32(int32(x)); f >= 0.5 {
			want = int32(x) + 1
		} else {
			want = int32(x)
		}
		if got := roundAway(x, 1); got != want {
			t.Fatalf("%v rounds to %d, want %d", x, got, want)
		}
		if got := roundAway(-x, 1); got != -want {
			t.Fatalf("%v rounds to %d, want %d", -x, got, -want)
		}
	}
	for n := range 128 { // the ties and their neighbours, against the library
		for _, x := range []float32{float32(n) + 0.5, math.Nextafter32(float32(n)+0.5, 0), math.Nextafter32(float32(n)+0.5, 200)} {
			if got, want := roundAway(x, 1), int32(math.Round(float64(x))); got != want {
				t.Errorf("%v rounds to %d, want %d", x, got, want)
			}
		}
	}
	for _, x := range []float32{0, math.Float32frombits(1), 1e-30, 0.1, 0.2499999} {
		if got := roundAway(x, 1); got != 0 {
			t.Errorf("%v rounds to %d, want 0", x, got)
		}
	}
}
