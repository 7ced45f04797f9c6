package sample

import (
	"cmp"
	"math"
	"slices"
)

// filter fills s.cand with the tokens that survive every step, in ascending
// id order, and reports whether there is one.
func (s *Sampler) filter(logits []float32, allowed []uint64) bool {
	s.work = append(s.work[:0], logits...)
	s.adjust(s.work)
	if t := float32(s.o.Temperature); t != 1 {
		for i := range s.work {
			s.work[i] /= t
		}
	}
	if allowed != nil {
		for i := range s.work {
			if !permitted(allowed, i) {
				s.work[i] = float32(math.Inf(-1))
			}
		}
	}
	cut := float32(math.Inf(-1))
	if k := s.o.TopK; k > 0 && k < len(s.work) {
		cut = s.kth(s.work, k)
	}
	s.collect(cut)
	if len(s.cand) == 0 {
		return false
	}
	if p := s.o.TopP; p > 0 && p < 1 {
		s.topP(p)
	}
	if m := s.o.MinP; m > 0 {
		s.cand = slices.DeleteFunc(s.cand, func(c candidate) bool { return c.p < m })
	}
	return true
}

// collect lists the tokens whose score is at least cut and not -Inf or NaN,
// with p = exp(score - max). A score of +Inf takes everything.
func (s *Sampler) collect(cut float32) {
	top := float32(math.Inf(-1))
	for _, x := range s.work {
		if x > top {
			top = x
		}
	}
	s.cand = s.cand[:0]
	for i, x := range s.work {
		if !(x >= cut) || math.IsInf(float64(x), -1) {
			continue
		}
		c := candidate{id: int32(i), score: x, p: 1}
		if x != top {
			c.p = exp(float64(x) - float64(top))
		}
		s.cand = append(s.cand, c)
	}
}

// kth returns the k-th largest of x (NaN ignored; -Inf when there are fewer)
// with a min-heap of k values: one comparison for nearly every element.
func (s *Sampler) kth(x []float32, k int) float32 {
	h := s.heap[:0]
	for _, v := range x {
		switch {
		case v != v:
		case len(h) < k:
			h = append(h, v)
			for i := len(h) - 1; i > 0 && h[(i-1)/2] > h[i]; i = (i - 1) / 2 {
				h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
			}
		case v > h[0]:
			h[0] = v
			sink(h)
		}
	}
	s.heap = h
	if len(h) < k {
		return float32(math.Inf(-1))
	}
	return h[0]
}

func sink(h []float32) {
	for i := 0; ; {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1] < h[c] {
			c++
		}
		if h[i] <= h[c] {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

// bins of topP: a token falls into the bin of the exponent of its p, so the
// tokens that can be kept are found without sorting the whole vocabulary.
const bins = 128

func bin(p float64) int {
	e := 1023 - int(math.Float64bits(p)>>52) // p in (2^-e-1, 2^-e]; 0 and subnormals go last
	return min(e, bins-1)
}

// topP keeps the likeliest tokens while the mass before them is below p (the
// first always stays); among equal scores the lower id goes first. Only the
// bins up to the one in which the mass is reached are sorted.
func (s *Sampler) topP(p float64) {
	var mass [bins]float64
	var total float64
	for i := range s.cand {
		mass[bin(s.cand[i].p)] += s.cand[i].p
	}
	for _, m := range mass {
		total += m
	}
	last, sum := 0, mass[0]
	for last < bins-1 && sum < p*total*(1+1e-9) {
		last++
		sum += mass[last]
	}
	s.sorted = s.sorted[:0]
	for _, c := range s.cand {
		if bin(c.p) <= last {
			s.sorted = append(s.sorted, c)
		}
	}
	slices.SortFunc(s.sorted, func(a, b candidate) int {
		if a.score != b.score {
			return cmp.Compare(b.score, a.score)
		}
		return cmp.Compare(a.id, b.id)
	})
	edge, before := s.sorted[0], 0.0
	for _, c := range s.sorted {
		if before > 0 && before >= p*total {
			break
		}
		edge, before = c, before+c.p
	}
	s.cand = slices.DeleteFunc(s.cand, func(c candidate) bool {
		return c.score < edge.score || c.score == edge.score && c.id > edge.id
	})
}
