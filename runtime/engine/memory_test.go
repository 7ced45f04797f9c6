package engine

import "testing"

func TestFitContext(t *testing.T) {
	for _, c := range []struct {
		trained int
		per     int64
		avail   uint64
		want    int
	}{
		{32768, 12288, 8 << 30, 32768},
		{131072, 262144, 8 << 30, 16384},
		{131072, 262144, 1 << 20, 512},
		{256, 262144, 1 << 20, 256},
		{2048, 1000, 2000 * 1030, 1024},
	} {
		if got := fitContext(c.trained, c.per, c.avail); got != c.want {
			t.Errorf("fitContext(%d, %d, %d) = %d, want %d", c.trained, c.per, c.avail, got, c.want)
		}
	}
}
