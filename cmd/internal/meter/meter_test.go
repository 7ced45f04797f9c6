package meter

import "testing"

func TestOf(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want Spread
	}{
		{nil, Spread{}},
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{9, 1, 2}, Spread{2, 1, 9}},
		{[]float64{4, 1, 2, 9}, Spread{3, 1, 9}},
	} {
		if got := Of(c.in); got != c.want {
			t.Errorf("Of(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestSum(t *testing.T) {
	x := make([]uint64, 29)
	want := uint64(0)
	for i := range x {
		x[i] = uint64(i * i)
		want += x[i]
	}
	if got := sum(x); got != want {
		t.Errorf("sum = %d, want %d", got, want)
	}
}

func TestBandwidth(t *testing.T) {
	for _, threads := range []int{1, 3} {
		if got := Bandwidth(threads, 1<<20, 3); got < 1e8 || got > 1e13 {
			t.Errorf("%d threads: %g bytes/s", threads, got)
		}
	}
}
