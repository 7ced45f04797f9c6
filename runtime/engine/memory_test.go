package engine

import "testing"

func TestParseAvailable(t *testing.T) {
	for _, c := range []struct {
		in   string
		want uint64
		ok   bool
	}{
		{"MemTotal:  8 kB\nMemAvailable:    4096 kB\n", 4 << 20, true},
		{"MemAvailable: 1 kB", 1024, true},
		{"MemAvailable: x kB\n", 0, false},
		{"MemAvailable: 99999999999999999999 kB\n", 0, false},
		{"MemAvailable: 5\n", 0, false},
		{"", 0, false},
	} {
		if got, ok := parseAvailable([]byte(c.in)); ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %d %v, want %d %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

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
