package topic

import (
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// talk is dialogs about random directions with noise; a new one begins with a
// chance of a quarter.
func talk(r *rand.Rand, turns, dialogs, width int) Batch {
	b := Batch{X: make([]float32, turns*dialogs*width), Boundary: make([]bool, turns*dialogs), Turns: turns, Dialogs: dialogs}
	for i := range dialogs {
		var about []float32
		for t := range turns {
			if t == 0 || r.IntN(4) == 0 {
				b.Boundary[t*dialogs+i] = true
				about = noise(r, width, 1)
			}
			x, sum := b.X[(t*dialogs+i)*width:][:width], 0.0
			for k, v := range noise(r, width, 0.8) {
				x[k] = about[k] + v
				sum += float64(x[k]) * float64(x[k])
			}
			for k := range x {
				x[k] /= float32(math.Sqrt(sum))
			}
		}
	}
	return b
}

// f1 is that of the boundaries where the score is above the threshold that is best.
func f1(b Batch, score func(turn, dialog int) float64) float64 {
	best := 0.0
	for _, th := range thresholds(b, score) {
		tp, all, said := 0.0, 0.0, 0.0
		for t := 1; t < b.Turns; t++ {
			for i := range b.Dialogs {
				is, says := b.Boundary[t*b.Dialogs+i], score(t, i) > th
				if is {
					all++
				}
				if says {
					said++
				}
				if is && says {
					tp++
				}
			}
		}
		best = max(best, 2*tp/(all+said))
	}
	return best
}

func thresholds(b Batch, score func(turn, dialog int) float64) (th []float64) {
	for t := 1; t < b.Turns; t++ {
		th = append(th, score(t, t%b.Dialogs))
	}
	return th
}

// TestTrain: Init already finds boundaries of dialogs about random directions, but
// its probabilities are off: training lowers the loss and keeps F1.
func TestTrain(t *testing.T) {
	const width = 48
	dir := t.TempDir()
	from, to := filepath.Join(dir, "a.gguf"), filepath.Join(dir, "b.gguf")
	if err := Init(from, width, 1, nil); err != nil {
		t.Fatal(err)
	}
	var first, last float64
	r := rand.New(rand.NewPCG(1, 2))
	err := Train(context.Background(), from, to, Options{
		Next: func(int) Batch { return talk(r, 12, 32, width) }, Steps: 150, LR: 0.003, Threads: 2, Threshold: 0.4,
		Progress: func(step int, loss float64) {
			if step < 5 {
				first += loss / 5
			}
			if step >= 145 {
				last += loss / 5
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	dev, err := backend.NewCPU(backend.CPUOptions{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	b := talk(rand.New(rand.NewPCG(9, 9)), 12, 200, width)
	var found []float64
	for _, path := range []string{from, to} {
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		m, err := model.NewTracker(f, dev)
		if err != nil {
			t.Fatal(err)
		}
		if th := m.Module().Threshold; path == to && math.Abs(th-0.4) > 1e-6 {
			t.Errorf("threshold %v", th)
		}
		_, logits, err := m.Run(b.X, 12, 200, nil)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, f1(b, func(turn, i int) float64 { return float64(logits[turn*200+i]) }))
	}
	t.Logf("loss %.3f to %.3f; F1 %.3f to %.3f", first, last, found[0], found[1])
	if !(last < 0.8*first) || !(found[1] > 0.8) {
		t.Errorf("loss %.3f to %.3f; F1 %.3f to %.3f", first, last, found[0], found[1])
	}
}

// TestGradient: along random directions of each parameter, against differences of
// the loss.
func TestGradient(t *testing.T) {
	from := filepath.Join(t.TempDir(), "a.gguf")
	if err := Init(from, 12, 3, nil); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	pool, err := kernel.New(kernel.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	dev := tape.New(pool, tape.Options{})
	m, err := model.NewTracker(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	p, err := dev.Params()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(4, 5))
	b := talk(r, 6, 8, 12)
	grad := make([]float32, len(p.Flat))
	if _, err := Gradient(dev, m, b, grad); err != nil {
		t.Fatal(err)
	}
	scratch := make([]float32, len(p.Flat))
	for i, e := range p.Table {
		x := p.Of(p.Flat, i)
		old, dir, want := append([]float32(nil), x...), noise(r, len(x), 1), 0.0
		for k, g := range p.Of(grad, i) {
			want += float64(g) * float64(dir[k])
		}
		var side [2]float64
		h := float32(0.02 / math.Sqrt(float64(len(x))))
		for s, step := range []float32{h, -h} {
			for k := range x {
				x[k] = old[k] + step*dir[k]
			}
			if side[s], err = Gradient(dev, m, b, scratch); err != nil {
				t.Fatal(err)
			}
		}
		copy(x, old)
		if got := (side[0] - side[1]) / float64(2*h); !(math.Abs(got-want) < 2e-3*(1+math.Abs(want))) {
			t.Errorf("%s: derivative %v, want %v", e.Name, want, got)
		}
	}
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.gguf")
	if err := Init(path, 5, 1, nil); err == nil {
		t.Error("a width of 5 passed")
	}
	if err := Write(path, 8, 0.5, func(string) []float32 { return make([]float32, 3) }); err == nil || !strings.Contains(err.Error(), "3 values") {
		t.Errorf("short tensors: %v", err)
	}
	if err := Train(context.Background(), path, path, Options{}); err == nil {
		t.Error("no file, no error")
	}
	if err := Init(path, 8, 1, nil); err != nil {
		t.Fatal(err)
	}
	err := Train(context.Background(), path, filepath.Join(dir, "b.gguf"), Options{Steps: 1, Next: func(int) Batch { return Batch{Turns: 1, Dialogs: 1, X: make([]float32, 8), Boundary: make([]bool, 1)} }})
	if err == nil || !strings.Contains(err.Error(), "two turns") {
		t.Errorf("one turn: %v", err)
	}
}
