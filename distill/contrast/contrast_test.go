package contrast

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/distill/export"
	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/vision"
)

func open(t *testing.T, threads int, o Options) *Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clip.gguf")
	if _, err := convert.Quantize(t.Context(), convert.Options{Source: testdata.Shared(t, "goldens", "models", "clip-tiny", "checkpoint"), Out: path, Type: "f32"}); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	pool, err := kernel.New(kernel.Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	m, err := Open(f, pool, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// colours are pictures of one colour and what they are called.
var colours = []struct {
	name string
	rgb  [3]byte
}{
	{"red", [3]byte{220, 20, 20}}, {"green", [3]byte{20, 200, 20}}, {"blue", [3]byte{20, 20, 220}}, {"white", [3]byte{240, 240, 240}},
}

func picture(rgb [3]byte, r *rand.Rand) *vision.RGB {
	p := &vision.RGB{W: 64, H: 64, Pix: make([]byte, 3*64*64)}
	for i := range p.Pix {
		p.Pix[i] = byte(max(0, min(255, int(rgb[i%3])+r.IntN(21)-10)))
	}
	return p
}

func batch(t *testing.T, r *rand.Rand) *Batch {
	t.Helper()
	pre := vision.Preprocess{Short: 64, Crop: 64, Rescale: 1.0 / 255, Mean: [3]float32{0.48145466, 0.4578275, 0.40821073}, Std: [3]float32{0.26862954, 0.26130258, 0.27577711}}
	b := &Batch{Texts: [][]int32{{1024, 331, 1025}, {1024, 7, 600, 1025}, {1024, 44, 1025}, {1024, 900, 12, 13, 1025}}}
	for g := range 2 {
		var pairs []Pair
		for c := range colours {
			x, err := pre.Apply(picture(colours[c].rgb, r))
			if err != nil {
				t.Fatal(err)
			}
			b.Images = append(b.Images, x...)
			pairs = append(pairs, Pair{c, 4*g + c})
		}
		b.Groups = append(b.Groups, pairs)
	}
	return b
}

// TestGrad: the gradient against differences of the loss along random directions,
// the same for images in parts, with the layers run again, and for any threads.
func TestGrad(t *testing.T) {
	m := open(t, 2, Options{})
	b := batch(t, rand.New(rand.NewPCG(1, 1)))
	p := m.Params()
	grad := make([]float32, len(p.Flat))
	loss, err := m.Grad(b, grad)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{"parts": {Part: 3}, "recompute": {Tape: tape.Options{Recompute: true}}} {
		other, g := open(t, 1, o), make([]float32, len(grad))
		l, err := other.Grad(b, g)
		if err != nil {
			t.Fatal(err)
		}
		off, size := 0.0, 0.0
		for i := range g {
			off, size = max(off, math.Abs(float64(g[i])-float64(grad[i]))), max(size, math.Abs(float64(g[i])))
		}
		if math.Abs(l-loss) > 1e-6 || off > 1e-5*size {
			t.Errorf("%s: loss %.9g, want %.9g; gradients off by %.2g of %.2g", name, l, loss, off, size)
		}
	}
	at, start, unused := rand.New(rand.NewPCG(2, 2)), slices.Clone(p.Flat), make([]float32, len(grad))
	for i, e := range p.Table {
		// Along the gradient of one parameter the loss changes by the square of its length; keys' biases have none.
		g, sq := p.Of(grad, i), 0.0
		for _, f := range g {
			sq += float64(f) * float64(f)
		}
		if strings.HasSuffix(e.Name, "attn_k.bias") || at.IntN(4) > 0 && e.Name != logitScale {
			continue
		}
		h := 2e-3 / math.Sqrt(sq)
		var side [2]float64
		for k, sign := range []float64{1, -1} {
			w := p.Of(p.Flat, i)
			for j := range w {
				w[j] = float32(float64(w[j]) + sign*h*float64(g[j]))
			}
			if side[k], err = m.Grad(b, unused); err != nil {
				t.Fatal(err)
			}
			copy(p.Flat, start)
		}
		if got := (side[0] - side[1]) / (2 * h); math.Abs(got-sq) > 0.02*sq+1e-6 {
			t.Errorf("%s: the loss changes by %.4g along the gradient, want %.4g", e.Name, got, sq)
		}
	}
	for name, bad := range map[string]*Batch{
		"text twice":  {Texts: b.Texts, Images: b.Images, Groups: [][]Pair{{{0, 0}, {0, 1}}}},
		"image twice": {Texts: b.Texts, Images: b.Images, Groups: [][]Pair{{{0, 1}, {1, 1}}}},
		"one pair":    {Texts: b.Texts, Images: b.Images, Groups: [][]Pair{{{0, 1}}}},
		"no text":     {Texts: [][]int32{{}, {1}}, Images: b.Images, Groups: [][]Pair{{{0, 0}, {1, 1}}}},
		"pixels":      {Texts: b.Texts, Images: b.Images[1:], Groups: b.Groups},
		"image":       {Texts: b.Texts, Images: b.Images, Groups: [][]Pair{{{0, 8}, {1, 1}}}},
	} {
		if _, err := m.Grad(bad, grad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestTrain: a model that has learned four colours knows them in a file, through the
// engine, in pictures that it has not seen.
func TestTrain(t *testing.T) {
	m := open(t, 2, Options{})
	const steps = 25
	tr, err := m.Trainer(Training{Schedule: optim.Schedule{Peak: 2e-3, Steps: steps}, Adam: optim.Options{Decay: 0.01, Decoupled: true}, Clip: 1})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "trained.gguf")
	tok, err := engine.New(m.base, engine.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer tok.Close()
	r, first, last := rand.New(rand.NewPCG(1, 1)), 0.0, 0.0
	var names []string
	var ids [][]int32
	for _, c := range colours {
		id, _, err := tok.EmbedIDs(c.name)
		if err != nil {
			t.Fatal(err)
		}
		names, ids = append(names, c.name), append(ids, id)
	}
	for i := range steps {
		b := batch(t, r)
		b.Texts = ids
		if last, err = tr.Step(b); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = last
		}
	}
	if !(last < first/4) || tr.Steps() != steps {
		t.Errorf("loss %.3f after %d steps, %.3f at first", last, tr.Steps(), first)
	}
	w, err := m.Weights()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.GGUF(t.Context(), path, export.Options{}); err != nil {
		t.Fatal(err)
	}
	folder, again := filepath.Join(t.TempDir(), "hf"), filepath.Join(t.TempDir(), "again.gguf")
	if err := w.HF(t.Context(), folder, export.Options{Tokenizer: testdata.Shared(t, "goldens", "models", "clip-tiny", "checkpoint")}); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Quantize(t.Context(), convert.Options{Source: folder, Out: again, Type: "f32"}); err != nil {
		t.Fatal(err)
	}
	same(t, path, again)
	e, err := engine.Open(path, engine.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	labels, err := e.Labels(t.Context(), names, nil)
	if err != nil {
		t.Fatal(err)
	}
	var pictures []*vision.RGB
	for _, c := range colours {
		pictures = append(pictures, picture(c.rgb, rand.New(rand.NewPCG(9, 9))))
	}
	p, err := labels.Classify(t.Context(), pictures)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range p {
		if !(x[i] > 0.5) {
			t.Errorf("%s: probabilities %.3f", names[i], x)
		}
	}
}

// same compares the tensors and the towers' keys of two files.
func same(t *testing.T, a, b string) {
	t.Helper()
	f, err := gguf.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := gguf.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if len(f.Tensors()) != len(g.Tensors()) {
		t.Errorf("%d tensors and %d", len(f.Tensors()), len(g.Tensors()))
	}
	for _, x := range f.Tensors() {
		p, err := x.Data()
		if err != nil {
			t.Fatal(err)
		}
		q, err := g.Tensor(x.Name).Data()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(x.Dims, g.Tensor(x.Name).Dims) || !slices.Equal(p, q) {
			t.Errorf("%s differs", x.Name)
		}
	}
	for _, kv := range f.KVs() {
		if v, ok := g.Get(kv.Key); strings.HasPrefix(kv.Key, "clip.") && (!ok || v.String() != kv.Value.String()) {
			t.Errorf("%s is %v and %v", kv.Key, kv.Value, v)
		}
	}
}
