// Package loss computes what a student is trained to make small and, in the same
// pass, the gradient: over rows of logits in place, so that a head can be run and
// differentiated in chunks of tokens, and over hidden states. It does no input or
// output and keeps no graph; every gradient is a closed form.
//
// With p the teacher's and q the student's distribution at temperature T, the loss
// of a scored position is
//
//	Soft·T²·D(p, q) + Hard·(-log softmax(z)[next])
//
// and all is divided by the number of scored positions of the whole accumulated
// batch, which the caller passes as scale = 1/N: a mean per micro-batch would
// weigh positions by the length of their neighbours. For every divergence that is
// a sum of f(p_v, q_v) the gradient is
//
//	dD/dz_v = q_v·(g_v - Σ_u q_u·g_u)/T,  g = df/dq
//
// A result depends on its row alone; sums are added row after row in float64, so
// neither chunks nor threads change a bit.
//
//	l, err := loss.New(pool, loss.Spec{Soft: 0.9, Hard: 0.1, Temperature: 2})
//	err = l.Rows(logits, targets, next, 1/float64(scored), &sums) // logits now hold the gradient
package loss
