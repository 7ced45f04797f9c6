package tape

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// TestEncoderGradients: the gradients of what BERT and CLIP's towers pool by some values
// of every parameter, against central differences of the same graphs in float64.
func TestEncoderGradients(t *testing.T) {
	files := map[string]*gguf.File{}
	for _, name := range []string{"clip-tiny", "bert-tiny"} {
		path := filepath.Join(t.TempDir(), name+".gguf")
		if _, err := convert.Quantize(t.Context(), convert.Options{Source: testdata.Shared(t, "goldens", "models", name, "checkpoint"), Out: path, Type: "f32"}); err != nil {
			t.Fatal(err)
		}
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[name] = f
	}
	pool, err := kernel.New(kernel.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	r := rand.New(rand.NewPCG(5, 6))
	pixels := randoms(r, 2*5*768)
	for i := range 768 { // the class has no pixels
		pixels[i], pixels[5*768+i] = 0, 0
	}
	for name, c := range map[string]struct {
		file  string
		open  func(*gguf.File, backend.Device) (*model.Model, error)
		batch func() *model.Batch
	}{
		"bert": {"bert-tiny", model.New, func() *model.Batch {
			return &model.Batch{IDs: []int32{2, 99, 40, 3, 2, 7, 3}, Segments: []int32{0, 0, 1, 1, 0, 0, 0}, Seqs: []model.Span{{N: 4}, {N: 3}}, Want: backend.Pooled}
		}},
		"text": {"clip-tiny", model.New, func() *model.Batch {
			return &model.Batch{IDs: []int32{1024, 3, 99, 1025, 1024, 7, 1025, 5}, Seqs: []model.Span{{N: 4}, {N: 4}}, Want: backend.Pooled}
		}},
		"image": {"clip-tiny", model.NewVision, func() *model.Batch {
			return &model.Batch{Embeds: backend.Tensor{Rows: 10, Cols: 768, Data: pixels}, Seqs: []model.Span{{N: 5}, {N: 5}}, Want: backend.Pooled}
		}},
	} {
		for _, recompute := range []bool{false, true} {
			dev, ora := New(pool, Options{Recompute: recompute}), &oracle{embeds: wide(pixels)}
			m, err := c.open(files[c.file], dev)
			if err != nil {
				t.Fatal(err)
			}
			om, err := c.open(files[c.file], ora)
			if err != nil {
				t.Fatal(err)
			}
			out, err := m.Run(c.batch())
			if err != nil {
				t.Fatal(err)
			}
			coef := randoms(r, len(out[0].Data))
			in, key, err := om.Bind(c.batch())
			if err != nil {
				t.Fatal(err)
			}
			loss := func() float64 {
				y, err := ora.Step(key, in, func(o backend.Ops) ([]backend.Tensor, error) { return om.Forward(o, in) })
				if err != nil {
					t.Fatal(err)
				}
				sum := 0.0
				for i, v := range ora.num(y[0]) {
					sum += v * float64(coef[i])
				}
				return sum
			}
			dy, err := dev.Grad(out[0])
			if err != nil {
				t.Fatal(err)
			}
			for i, k := range coef {
				dy[i] += k
			}
			p, err := dev.Params()
			if err != nil {
				t.Fatal(err)
			}
			grad := make([]float32, len(p.Flat))
			if err := dev.Backward(grad); err != nil {
				t.Fatal(err)
			}
			if len(p.Table) != len(ora.w) {
				t.Fatalf("%d parameters, %d in float64", len(p.Table), len(ora.w))
			}
			worst := 0.0
			for i, e := range p.Table {
				got, size := p.Of(grad, i), 1e-2 // of the keys' biases it is 0
				for _, v := range got {
					size = max(size, math.Abs(float64(v)))
				}
				for range 3 {
					k := r.IntN(len(got))
					if strings.HasSuffix(e.Name, "token_embd.weight") {
						k = 64*99 + k%64 // a row that is used
					}
					const h = 1e-5
					x := &ora.w[i].x[k]
					old := *x
					*x = old + h
					up := loss()
					*x = old - h
					down := loss()
					*x = old
					d := math.Abs((up-down)/(2*h)-float64(got[k])) / size
					if worst = max(worst, d); !(d < 1e-4) {
						t.Errorf("%s: %s: gradient %d is %g, want %g", name, e.Name, k, got[k], (up-down)/(2*h))
					}
				}
			}
			t.Logf("%s: %d parameters off by %.1e of their largest gradient", name, len(p.Table), worst)
			if recompute {
				continue
			}
			if d := dev.ops.mem.used; d != 0 {
				t.Errorf("%s: %d floats still in use", name, d)
			}
		}
	}
}
