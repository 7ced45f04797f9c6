package optim

import "github.com/qwq-edge/qwq/internal/kernel"

// EMA moves avg towards w: avg += (1-decay)·(w-avg).
func EMA(p *kernel.Pool, avg, w []float32, decay float64) {
	if len(avg) != len(w) {
		panic("optim: average and parameters differ in length")
	}
	c := float32(1 - decay)
	p.Parallel(len(w), 1<<14, func(_, lo, hi int) {
		a, w := avg[lo:hi], w[lo:hi]
		for i, v := range w {
			a[i] += float32((v - a[i]) * c)
		}
	})
}
