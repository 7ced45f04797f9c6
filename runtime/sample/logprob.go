package sample

import "math"

// logprobs fills c.Logprob and c.Top: the log softmax of the raw logits.
func (s *Sampler) logprobs(logits []float32, c *Choice) {
	top := float32(math.Inf(-1))
	for _, x := range logits {
		if x > top {
			top = x
		}
	}
	var sum float64
	for _, x := range logits {
		if x == x {
			sum += exp(float64(x) - float64(top))
		}
	}
	norm := float64(top) + ln(sum)
	c.Logprob = float32(float64(logits[c.ID]) - norm)
	s.top = s.top[:0]
	n := min(s.o.Logprobs, MaxLogprobs)
	for i, x := range logits {
		if n <= 0 || x != x || len(s.top) == n && x <= s.top[n-1].Logprob {
			continue
		}
		if len(s.top) < n {
			s.top = append(s.top, Alternative{})
		}
		j := len(s.top) - 1 // insertion keeps the list descending, earlier ids first
		for ; j > 0 && s.top[j-1].Logprob < x; j-- {
			s.top[j] = s.top[j-1]
		}
		s.top[j] = Alternative{int32(i), x}
	}
	for i := range s.top {
		s.top[i].Logprob = float32(float64(s.top[i].Logprob) - norm)
	}
	c.Top = s.top
}
