package loss

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/internal/kernel"
)

func infonce(t *testing.T, pool *kernel.Pool, text, image []float32, width int, mask []bool, logScale, scale float64) (loss, dScale float64, dText, dImage []float32) {
	t.Helper()
	n := len(text) / width
	m := func(x []float32) kernel.F32 { return kernel.F32{Rows: n, Cols: width, Data: x} }
	dText, dImage = make([]float32, len(text)), make([]float32, len(image))
	loss, dScale, err := InfoNCE(pool, Pairs{Text: m(text), Image: m(image), DText: m(dText), DImage: m(dImage), Mask: mask}, logScale, scale)
	if err != nil {
		t.Fatal(err)
	}
	return loss, dScale, dText, dImage
}

func TestInfoNCEGolden(t *testing.T) {
	pool := newPool(t, 2, "")
	cases, arrays := goldens(t, "infonce")
	for _, g := range cases {
		text, mask := arrays[g.Case+".text"], []bool(nil)
		for _, b := range arrays[g.Case+".mask"].U8 {
			mask = append(mask, b != 0)
		}
		loss, dScale, dText, dImage := infonce(t, pool, text.F32, arrays[g.Case+".image"].F32, text.Shape[1], mask, float64(arrays[g.Case+".logit_scale"].F32[0]), 1)
		if d := math.Abs(loss - g.LossF64); !(d <= g.LossTol) {
			t.Errorf("%s: loss %.9g, want %.9g", g.Case, loss, g.LossF64)
		}
		for name, got := range map[string][]float32{"text": dText, "image": dImage, "logit_scale": {float32(dScale)}} {
			want := arrays[g.Case+".grad."+name].F32
			for i := range want {
				if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= g.GradTol) {
					t.Fatalf("%s: gradient of %s at %d: %g, want %g", g.Case, name, i, got[i], want[i])
				}
			}
		}
	}
}

// TestInfoNCE: gradients against central differences, no influence of threads, of
// rows that are masked, or of the vectors' lengths on the loss.
func TestInfoNCE(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const n, width = 7, 5
	text, image := make([]float32, n*width), make([]float32, n*width)
	for i := range text {
		text[i], image[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
	}
	mask := []bool{true, true, false, true, true, true, true}
	pool := newPool(t, 1, "")
	loss, dScale, dText, dImage := infonce(t, pool, text, image, width, mask, 1.3, 0.5)
	l3, s3, t3, i3 := infonce(t, newPool(t, 3, ""), text, image, width, mask, 1.3, 0.5)
	if loss != l3 || dScale != s3 || !slices.Equal(dText, t3) || !slices.Equal(dImage, i3) {
		t.Error("three threads give other bits")
	}
	at := func() float64 {
		l, _, _, _ := infonce(t, pool, text, image, width, mask, 1.3, 0.5)
		return l
	}
	const h = 1.0 / 1024
	for name, x := range map[string][2][]float32{"text": {text, dText}, "image": {image, dImage}} {
		for i, old := range x[0] {
			x[0][i] = old + h
			step := float64(x[0][i])
			up := at()
			x[0][i] = old - h
			step -= float64(x[0][i])
			down := at()
			x[0][i] = old
			if want := (up - down) / step; math.Abs(want-float64(x[1][i])) > 2e-6 {
				t.Errorf("%s: gradient %d is %g, want %g", name, i, x[1][i], want)
			}
		}
	}
	up, _, _, _ := infonce(t, pool, text, image, width, mask, 1.3+h, 0.5)
	down, _, _, _ := infonce(t, pool, text, image, width, mask, 1.3-h, 0.5)
	if want := (up - down) / (2 * h); math.Abs(want-dScale) > 1e-6 {
		t.Errorf("derivative by the scale %g, want %g", dScale, want)
	}
	for i := range width {
		if dText[2*width+i] != 0 || dImage[2*width+i] != 0 {
			t.Error("a masked pair has a gradient")
		}
		text[2*width+i], text[i] = 9, 3*text[i]
	}
	if l := at(); math.Abs(l-loss) > 1e-9 {
		t.Errorf("loss %.12g after what must not matter, %.12g before", l, loss)
	}
	bad := Pairs{Text: kernel.F32{Rows: 1, Cols: 2, Data: make([]float32, 2)}}
	if _, _, err := InfoNCE(pool, bad, 1, 1); err == nil {
		t.Error("pairs without images: no error")
	}
}
