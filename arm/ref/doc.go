// Package ref is the specification of every CPU kernel, in plain Go without
// build tags: assembly of any rung must give its bits. It must never depend on
// the machine: no fused product and sum (float32(a*b)+c, float64(a*b)+c), no
// math function that has assembly anywhere, no order that depends on threads.
//
// # Quantized rows
//
// A weight row is codes with one scale, and for some types one min, per
// sub-block of 16 or 32 (Row). Activations are blocks of 32 int8 with a float32
// d = absmax/127 and the sums of each 16 (Act). With every operation rounded to
// float32, one output is
//
//	acc = 0
//	for each sub-block, k ascending:           dx = d of the block of 32 it lies in
//	    acc = acc + float32(Σ q·x)·Scale·dx     left to right; Σ is an exact int32
//	    acc = acc - float32(Σ x)·Min·dx         only for types with a min
//
// The scale of a K type is the product d·sc rounded once, its min dmin·m
// likewise. Q4_1 and Q5_1 add their m: their Min is -m.
//
//	type                  sub  code            Scale        Min
//	Q8_0                  32   int8            d            -
//	Q4_0 Q5_0             32   q-8, q-16       d            -
//	Q4_1 Q5_1             32   q               d            -m
//	IQ4_NL                32   table[q]        d            -
//	Q8_K                  32   int8            d            -
//	Q2_K                  16   q               d·sc         dmin·m
//	Q3_K                  16   q-4             d·(sc-32)    -
//	Q4_K Q5_K             32   q               d·sc         dmin·m
//	Q6_K                  16   q-32            d·sc         -
//	IQ4_XS                32   table[q]        d·(ls-32)    -
//
// # Float rows and q·k
//
// F32, F16 and BF16 rows (and any row in precise mode) are widened to float32,
// activations stay float32. Lane l of 16 holds Σ over k = l mod 16, ascending,
// each step one fused multiply-add rounded once; the tail is padded with zeros.
// The lanes are then added in a fixed tree: l with l+8, l+4, l+2, l+1.
//
// # The rest
//
// Attention, softmax, norms, activation functions and rotary tables are
// described where they are defined.
package ref
