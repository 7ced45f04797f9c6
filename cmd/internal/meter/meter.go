// Package meter measures what the commands report beside a model's speed: how
// fast this machine reads memory, and the middle and the ends of a series of
// measurements.
package meter

import (
	"slices"
	"sync"
	"time"
)

// Spread is a series of measurements in short.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Of sums up a series; the median of an even number of values is the mean of
// the middle two. An empty series gives zeros.
func Of(x []float64) Spread {
	if len(x) == 0 {
		return Spread{}
	}
	s := slices.Sorted(slices.Values(x))
	n := len(s)
	return Spread{(s[(n-1)/2] + s[n/2]) / 2, s[0], s[n-1]}
}

// Bandwidth is the rate in bytes per second at which threads goroutines read
// a buffer of size bytes in plain Go, each its own part: the best of rounds.
// The buffer should be many times the last cache; it is freed on return.
func Bandwidth(threads, size, rounds int) float64 {
	words := make([]uint64, size/8/threads*threads)
	part := len(words) / threads
	best := 0.0
	for i := range words { // touch every page: an untouched one reads the zero page
		words[i] = uint64(i)
	}
	sums := make([]uint64, threads)
	for range rounds {
		var wg sync.WaitGroup
		start := time.Now()
		for t := range threads {
			wg.Go(func() { sums[t] += sum(words[t*part : (t+1)*part]) })
		}
		wg.Wait()
		best = max(best, float64(8*len(words))/time.Since(start).Seconds())
	}
	return best
}

// sum adds 8 words per turn into separate sums, so that the loads, not the
// additions, are what takes the time.
func sum(x []uint64) uint64 {
	var a, b, c, d, e, f, g, h uint64
	for len(x) >= 8 {
		y := x[:8:8]
		a += y[0]
		b += y[1]
		c += y[2]
		d += y[3]
		e += y[4]
		f += y[5]
		g += y[6]
		h += y[7]
		x = x[8:]
	}
	for _, v := range x {
		a += v
	}
	return a + b + c + d + e + f + g + h
}
