package loss

// Value is the weighted loss of all positions in s, not divided by their number.
func (s Spec) Value(sums Sums, vocab int) float64 {
	return s.factor(vocab)*sums.Soft + s.Hard*sums.Hard
}
