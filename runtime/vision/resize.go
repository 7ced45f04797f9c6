package vision

import "image"

// Details that are easy to get wrong, each seen as a level of difference:
//   - the filter widens with the reduction (antialiasing), its support is 2·scale;
//   - weights are divided by their sum in float64, then rounded half away from
//     zero to integers of 22 fractional bits;
//   - columns come first, and their result is rounded to 8 bits before the rows
//     (Pillow 13 takes rows first where rounding of the size makes that cheaper, which
//     moves some pixels by a level; 11 and 12 do what is done here);
//   - a direction whose length does not change is not filtered at all;
//   - no product may be fused into an addition, hence the conversions.

// fraction is the number of fractional bits of a weight: 8 bits of the pixel
// and 2 of head room stay under 32.
const fraction = 32 - 8 - 2

// taps are the weights of one output pixel for the inputs from lo on.
type taps struct {
	lo int
	k  []int32
}

// Resize gives the pixels of window of src scaled to w x h by the bicubic filter
// with a = -0.5, as Pillow's BICUBIC does. Window must lie inside w x h; only it
// is computed.
func Resize(src *RGB, w, h int, window image.Rectangle) *RGB {
	cols := allTaps(src.W, w, window.Min.X, window.Max.X)
	rows := allTaps(src.H, h, window.Min.Y, window.Max.Y)
	if len(cols) == 0 || len(rows) == 0 {
		return &RGB{}
	}
	top, last := rows[0].lo, rows[len(rows)-1]
	mid := &RGB{W: len(cols), H: last.lo + len(last.k) - top}
	mid.Pix = make([]byte, 3*mid.W*mid.H)
	for y := range mid.H {
		line := src.Pix[3*src.W*(y+top):]
		for x, t := range cols {
			filter(mid.Pix[3*(y*mid.W+x):], line[3*t.lo:], 3, t.k)
		}
	}
	out := &RGB{W: len(cols), H: len(rows), Pix: make([]byte, 3*len(cols)*len(rows))}
	for y, t := range rows {
		for x := range out.W {
			filter(out.Pix[3*(y*out.W+x):], mid.Pix[3*((t.lo-top)*mid.W+x):], 3*mid.W, t.k)
		}
	}
	return out
}

// filter writes clip(round(Σ k[i]·src[i·stride])) for three channels.
func filter(dst, src []byte, stride int, k []int32) {
	const half = 1 << (fraction - 1)
	r, g, b := int32(half), int32(half), int32(half)
	for i, c := range k {
		p := src[i*stride : i*stride+3 : i*stride+3]
		r += int32(p[0]) * c
		g += int32(p[1]) * c
		b += int32(p[2]) * c
	}
	dst[0], dst[1], dst[2] = clip(r>>fraction), clip(g>>fraction), clip(b>>fraction)
}

func clip(v int32) byte { return byte(max(0, min(255, v))) }

// allTaps are the weights for outputs [from, to) when n inputs become m.
func allTaps(n, m, from, to int) []taps {
	out := make([]taps, 0, to-from)
	for i := from; i < to; i++ {
		if n == m {
			out = append(out, taps{i, []int32{1 << fraction}})
			continue
		}
		out = append(out, tapsOf(n, i, float64(n)/float64(m)))
	}
	return out
}

func tapsOf(n, i int, scale float64) taps {
	wide := max(scale, 1)
	support := float64(2 * wide)
	centre := float64((float64(i) + 0.5) * scale)
	inv := 1 / wide
	lo := max(0, int(centre-support+0.5))
	hi := min(n, int(centre+support+0.5))
	w := make([]float64, hi-lo)
	sum := 0.0
	for j := range w {
		w[j] = bicubic(float64((float64(j+lo) - centre + 0.5) * inv))
		sum += w[j]
	}
	k := make([]int32, len(w))
	for j, v := range w {
		if sum != 0 {
			v /= sum
		}
		if v = float64(v * (1 << fraction)); v < 0 {
			k[j] = int32(v - 0.5)
		} else {
			k[j] = int32(v + 0.5)
		}
	}
	return taps{lo, k}
}

// bicubic is Keys' kernel with a = -0.5 (Cubic Convolution Interpolation, 1981).
func bicubic(x float64) float64 {
	const a = -0.5
	x = max(x, -x)
	switch {
	case x < 1:
		return float64(float64((float64((a+2)*x)-(a+3))*x)*x) + 1
	case x < 2:
		return float64((float64((float64((x-5)*x)+8)*x) - 4) * a)
	}
	return 0
}
