package cache

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/qwq-edge/qwq/distill"
)

// Summary turns rows of logits into what a cache holds. Its numbers do not
// depend on the machine: exponentials are our own, sums run in float64 over
// ascending ids. It is for one goroutine at a time.
type Summary struct {
	k, samples int
	temps      []float64
	heap       []entry // the k largest so far, the smallest first
}

type entry struct {
	z  float32
	id int32
}

// after orders entries: a larger logit first, then the lower id.
func (a entry) before(b entry) bool { return a.z > b.z || a.z == b.z && a.id < b.id }

// NewSummary makes a Summary for a cache with header h.
func NewSummary(h *Header) *Summary { return &Summary{k: h.K, samples: h.Samples, temps: h.Temps} }

// Row fills position i of dst, which Reserve has sized. z: [vocabulary]. rng is
// used for samples only.
func (s *Summary) Row(z []float32, dst *distill.Targets, i int, rng *rand.Rand) error {
	if err := s.largest(z); err != nil {
		return err
	}
	m := s.heap[0].z
	n := dst.N
	sum := sumExp(z, m, 1)
	logZ := float64(m) + math.Log(sum)
	rest := 1.0
	for j, e := range s.heap {
		l := float64(e.z) - logZ
		dst.IDs[i*s.k+j], dst.LogP[i*s.k+j] = e.id, float32(l)
		rest -= math.Exp(l)
	}
	dst.Tail[i] = float32(max(rest, 0))
	for t, temp := range s.temps {
		st := sum
		if temp != 1 {
			st = sumExp(z, m, float32(1/temp))
			dst.LogZ[t*n+i] = float32(math.Log(st) + (float64(m)-logZ)/temp) // z normalised so that log Z at 1 is 0
		} else {
			dst.LogZ[t*n+i] = 0
		}
		if s.samples > 0 {
			at := (t*n + i) * s.samples
			draw(z, m, float32(1/temp), st, dst.Samples[at:at+s.samples], rng)
		}
	}
	return nil
}

// largest leaves the k largest logits in heap, best first.
func (s *Summary) largest(z []float32) error {
	h := s.heap[:0]
	for id, v := range z {
		if v-v != 0 {
			return fmt.Errorf("cache: logit of id %d is %g", id, v)
		}
		e := entry{v, int32(id)}
		if len(h) < s.k {
			h = append(h, e)
			if len(h) == s.k {
				for i := s.k/2 - 1; i >= 0; i-- {
					sink(h, i)
				}
			}
			continue
		}
		if v > h[0].z { // an equal one has the higher id
			h[0] = e
			sink(h, 0)
		}
	}
	s.heap = h
	slices.SortFunc(h, func(a, b entry) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	return nil
}

// sink restores the heap below i: no entry is before its parent's children.
func sink(h []entry, i int) {
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c].before(h[c+1]) {
			c++
		}
		if !h[i].before(h[c]) {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

// sumExp is Σ e^((z-m)·s) over ascending ids, in four sums of every fourth.
func sumExp(z []float32, m, s float32) float64 {
	var a, b, c, d float64
	for ; len(z) >= 4; z = z[4:] {
		a += float64(exp((z[0] - m) * s))
		b += float64(exp((z[1] - m) * s))
		c += float64(exp((z[2] - m) * s))
		d += float64(exp((z[3] - m) * s))
	}
	for _, v := range z {
		a += float64(exp((v - m) * s))
	}
	return a + b + (c + d)
}

// draw takes samples from e^((z-m)·s)/sum by walking the cumulative sum past
// sorted uniform numbers. The draws are exchangeable, so order means nothing.
func draw(z []float32, m, s float32, sum float64, dst []int32, rng *rand.Rand) {
	u := make([]float64, len(dst))
	for i := range u {
		u[i] = rng.Float64() * sum
	}
	slices.Sort(u)
	acc, next, last := 0.0, 0, int32(0)
	for id, v := range z {
		e := float64(exp((v - m) * s))
		if e == 0 {
			continue
		}
		last = int32(id)
		for acc += e; next < len(u) && u[next] < acc; next++ {
			dst[next] = last
		}
		if next == len(u) {
			return
		}
	}
	for ; next < len(u); next++ { // rounding left a little beyond the end
		dst[next] = last
	}
}

// exp is e^x for x ≤ 0 within 2 units in the last place, 0 below -87. Products
// are rounded before they are added: Go would fuse them on arm64.
func exp(x float32) float32 {
	if x < -87 {
		return 0
	}
	const (
		log2e = 1.44269504088896340736
		hi    = 0.693359375
		lo    = -2.12194440e-4
	)
	k := float32(int32(float32(x*log2e) - 0.5))
	r := x - float32(k*hi)
	r -= float32(k * lo)
	p := float32(float32(1.9875691500e-4)*r) + 1.3981999507e-3
	p = float32(p*r) + 8.3334519073e-3
	p = float32(p*r) + 4.1665795894e-2
	p = float32(p*r) + 1.6666665459e-1
	p = float32(p*r) + 5.0000001201e-1
	p = float32(float32(p*r)*r) + r + 1
	return p * math.Float32frombits(uint32(int32(k)+127)<<23)
}
