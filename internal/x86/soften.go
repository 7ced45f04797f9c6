package x86

// Soften brings a page's scores into the softmax states of some queries, as
// ref.State's Page does before it adds values: with s the scores of query i at
// s[i·stride+from : i·stride+to],
//
//	m' = max(m[i], max s);  s = e^(s-m');  f = e^(m[i]-m')
//	sum[i] = sum[i]·f + Σ s;  o[i] = o[i]·f;  m[i] = m'
//
// m, sum: [queries]; o: [queries, dim]; to is at most 64. Lane j mod 16 of Σ takes
// position j.
func Soften(l Level, s []float32, stride, from, to int, m, sum, o []float32, dim int) bool {
	if n := len(m); dim < 1 || from < 0 || from >= to || to > 64 || stride < to || len(sum) != n || len(o) != n*dim || n > 0 && len(s) < (n-1)*stride+to {
		panic("x86: Soften: lengths differ")
	}
	if len(m) == 0 {
		return true
	}
	return softenRows(l, s, stride, from, to, m, sum, o, dim)
}
