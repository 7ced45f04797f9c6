package teacher

import (
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// TestStates: the model's own for each piece alone, bit for bit, however the
// positions are asked for; Score is not changed by them.
func TestStates(t *testing.T) {
	path := story(t, "q8_0")
	e := open(t, path, Options{Layers: []int{0, 2}})
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dev, err := backend.NewCPU(backend.CPUOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m, err := model.New(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	b := batch(e)
	var want [2][]float32
	at := 0
	for _, n := range b.Docs {
		out, err := m.Run(&model.Batch{IDs: b.IDs[at : at+int(n)], Seqs: []model.Span{{N: int(n), Causal: true}}, Want: backend.AllHidden})
		if err != nil {
			t.Fatal(err)
		}
		want[0], want[1] = append(want[0], out[0].Data...), append(want[1], out[2].Data...)
		at += int(n)
	}
	var got []float32
	for _, r := range [][2]int{{0, 80}, {13, 41}, {5, 5}} {
		for i := range want {
			if got, err = e.States(t.Context(), b, r[0], r[1], i, got[:0]); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want[i][r[0]*e.Width():r[1]*e.Width()]) {
				t.Errorf("layer %d, positions %v: other bits", e.o.Layers[i], r)
			}
		}
	}
	if _, err := e.States(t.Context(), b, 0, 81, 0, nil); err == nil {
		t.Error("81 positions of 80")
	}
	if _, err := e.States(t.Context(), b, 0, 1, 2, nil); err == nil {
		t.Error("a third of two layers")
	}
	if _, err := Open(path, Options{Layers: []int{1000}}); err == nil {
		t.Error("layer 1000 was opened")
	}
}
