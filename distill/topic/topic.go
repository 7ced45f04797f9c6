// Package topic trains the tracker of a dialog's state (runtime/dialog) to say
// where a topic ends: the article's GRU and state, and a linear head on the state,
// by binary cross-entropy through all turns of a dialog. Texts and the vectors of
// their turns are the caller's.
//
//	err := topic.Init("start.gguf", 384, 1, nil)
//	err = topic.Train(ctx, "start.gguf", "tracker.gguf", topic.Options{Next: next})
package topic

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
)

// Write writes a tracker with a head as an F32 file; values gives each tensor's
// numbers. A topic ends where the head's probability is above threshold.
func Write(path string, width int, threshold float64, values func(name string) []float32) (err error) {
	m := arch.Module{Kind: arch.KindDialog, Hidden: width, Boundary: true}
	l := gguf.Layout{KVs: []gguf.KV{
		{Key: arch.KeyArch, Value: gguf.String(arch.Seed)},
		{Key: arch.KeyFileType, Value: gguf.Uint32(0)},
		{Key: arch.Key(arch.KeyKind, arch.Seed), Value: gguf.String(arch.KindDialog)},
		{Key: arch.Key(arch.KeyHidden, arch.Seed), Value: gguf.Uint32(uint32(width))},
		{Key: arch.Key(arch.KeyThreshold, arch.Seed), Value: gguf.Float32(float32(threshold))},
	}}
	for _, t := range m.Tensors() {
		i := gguf.TensorInfo{Name: t.Name, Type: quant.F32, Dims: []uint64{uint64(t.Cols), uint64(t.Rows)}}
		if t.Vector {
			i.Dims = i.Dims[:1]
		}
		l.Tensors = append(l.Tensors, i)
	}
	w, err := gguf.Create(path, l, true)
	if err != nil {
		return err
	}
	defer w.Abort()
	for i, t := range m.Tensors() {
		x := values(t.Name)
		if len(x) != t.Rows*t.Cols {
			return fmt.Errorf("topic: tensor %q: %d values, want [%d, %d]", t.Name, len(x), t.Rows, t.Cols)
		}
		b := make([]byte, 4*len(x))
		if err := quant.Encode(quant.F32, b, x); err != nil {
			return err
		}
		if err := w.WriteAt(i, 0, b); err != nil {
			return err
		}
	}
	return w.Commit()
}

// Init writes a tracker to begin with, for vectors of length 1. It already compares
// a turn with those before it: a third of the state is a fading mean m of the turns
// seen in some directions, the rest pairs of units tanh(±k·(turn - m) + c), whose
// sum is largest where the turn is as before; the head weighs that sum.
//
// The directions are those in which sample, vectors of the kind to come, varies
// most; nil: random ones.
func Init(path string, width int, seed uint64, sample [][]float32) error {
	if width < 6 {
		return fmt.Errorf("topic: width %d, want at least 6", width)
	}
	const (
		gain  = 4.0  // of the GRU's input: a unit vector's values are about 1/√width
		fade  = 0.3  // of the mean from turn to turn
		steep = 2.0  // k
		bend  = 0.8  // c
		open  = 3.0  // bias that keeps the GRU's output open
		tilt  = 0.25 // of the head
	)
	r := rand.New(rand.NewPCG(seed, 11))
	d := width
	units := d / 3
	t := map[string][]float32{
		"gru.reset.weight": noise(r, d*d, 0.01), "gru.update.weight": noise(r, d*d, 0.01), "gru.new.weight": noise(r, d*d, 0.01),
		"state.input.weight": noise(r, d*d, 0.01), "state.history.weight": noise(r, d*d, 0.01),
		"boundary.weight": noise(r, d, 0.01),
	}
	zero := func(name string, n int) []float32 {
		t[name] = make([]float32, n)
		return t[name]
	}
	zero("gru.reset.bias", d)
	zero("gru.new.bias", d)
	zero("gru.hidden.bias", 3*d)
	update, bias := zero("gru.update.bias", d), zero("state.bias", d)
	for i := range d {
		t["gru.new.weight"][i*d+i] += float32(gain * math.Sqrt(float64(d)) / 8)
		update[i] = -open
	}
	in, hist, head := t["state.input.weight"], t["state.history.weight"], t["boundary.weight"]
	for u, at := range directions(r, units, d, sample) {
		m, up, down := u, units+2*u, units+2*u+1
		for k, v := range at {
			in[m*d+k] += v * (1 - fade)
			in[up*d+k] += v * steep
			in[down*d+k] -= v * steep
		}
		hist[m*d+m] += fade
		hist[up*d+m] -= steep
		hist[down*d+m] += steep
		bias[up], bias[down] = bend, bend
		head[up] -= tilt
		head[down] -= tilt
	}
	zero("boundary.bias", 1)[0] = float32(2 * tilt * float64(units) * math.Tanh(bend) * 0.97)
	return Write(path, width, 0.5, func(name string) []float32 { return t[name] })
}

// rounds of the search for the directions.
const rounds = 8

// directions are n orthogonal unit vectors: random ones, turned towards those in
// which sample varies most by orthogonal iteration.
func directions(r *rand.Rand, n, d int, sample [][]float32) [][]float32 {
	out := make([][]float32, n)
	for i := range out {
		out[i] = noise(r, d, 1)
	}
	orthogonal(out)
	if len(sample) == 0 {
		return out
	}
	for range rounds {
		next := make([][]float32, n)
		for i := range next {
			next[i] = make([]float32, d)
		}
		for _, x := range sample {
			for i, y := range out {
				by := float32(dot(x, y))
				for k, v := range x {
					next[i][k] += by * v
				}
			}
		}
		orthogonal(next)
		out = next
	}
	return out
}

// orthogonal makes x's vectors orthogonal and of length 1, in their order.
func orthogonal(x [][]float32) {
	for i, v := range x {
		for _, y := range x[:i] {
			by := dot(v, y)
			for k, f := range y {
				v[k] -= float32(by * float64(f))
			}
		}
		by := 1 / max(math.Sqrt(dot(v, v)), 1e-30)
		for k := range v {
			v[k] = float32(float64(v[k]) * by)
		}
	}
}

func dot(a, b []float32) (sum float64) {
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}

func noise(r *rand.Rand, n int, scale float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * scale)
	}
	return x
}
