// Package meter sums up what the commands measure: the middle and the ends of a
// series.
package meter

import "slices"

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
