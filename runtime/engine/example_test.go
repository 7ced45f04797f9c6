package engine_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/sample"
)

func Example() {
	path := tinyModel()
	defer os.RemoveAll(filepath.Dir(path))
	m, err := engine.Open(path, engine.Options{Threads: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	r := engine.Request{IDs: []int32{3}, MaxTokens: 5, Sampling: sample.Options{Temperature: 0}}
	for t, err := range m.Generate(context.Background(), r) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(t.ID, " ", t.Finish)
	}
	// Output: 4 5 6 7 0 length
}

// Two sequences share every step; each gets what it would get alone.
func ExampleModel_Step() {
	path := tinyModel()
	defer os.RemoveAll(filepath.Dir(path))
	m, err := engine.Open(path, engine.Options{Threads: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	var seqs []*engine.Seq
	for _, prompt := range [][]int32{{1}, {4, 5, 6}} {
		s, err := m.NewSeq(engine.Request{IDs: prompt, MaxTokens: 3})
		if err != nil {
			log.Fatal(err)
		}
		defer s.Release()
		seqs = append(seqs, s)
	}
	for seqs[0].Finish() == "" || seqs[1].Finish() == "" {
		if err := m.Step(context.Background(), seqs); err != nil {
			log.Fatal(err)
		}
	}
	for _, s := range seqs {
		fmt.Println(s.IDs())
	}
	// Output:
	// [1 2 3 4]
	// [4 5 6 7 0 1]
}

// tinyModel writes a model of eight tokens without layers that do anything: id
// i is followed by i+1.
func tinyModel() string {
	const n = 8
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	u := func(key string, v uint32) gguf.KV { return gguf.KV{Key: arch.Key(key, "llama"), Value: gguf.Uint32(v)} }
	l := gguf.Layout{KVs: []gguf.KV{
		{Key: arch.KeyArch, Value: gguf.String("llama")},
		u(arch.KeyLayers, 1), u(arch.KeyHidden, n), u(arch.KeyFFN, n), u(arch.KeyHeads, 1), u(arch.KeyContext, 64),
		{Key: arch.Key(arch.KeyEps, "llama"), Value: gguf.Float32(1e-5)},
	}}
	a, _ := arch.Lookup("llama")
	for _, t := range a.Expand(arch.Dims{Layers: 1}) {
		if t.Optional && t.Name != "output.weight" {
			continue
		}
		dims := []uint64{n, n}
		if t.Vector {
			dims = dims[:1]
		}
		l.Tensors = append(l.Tensors, gguf.TensorInfo{Name: t.Name, Type: quant.F32, Dims: dims})
	}
	path := filepath.Join(dir, "tiny.gguf")
	w, err := gguf.Create(path, l, false)
	if err != nil {
		log.Fatal(err)
	}
	for i, t := range l.Tensors {
		x := make([]float32, n)
		if len(t.Dims) == 2 {
			x = make([]float32, n*n)
		}
		for k := range n {
			switch t.Name {
			case "token_embd.weight":
				x[k*n+k] = 1 // row k: the unit vector k
			case "output.weight":
				x[(k+1)%n*n+k] = 1 // the unit vector k gives k+1
			case "output_norm.weight":
				x[k] = 1
			}
		}
		b := make([]byte, 4*len(x))
		if err := quant.Encode(quant.F32, b, x); err != nil {
			log.Fatal(err)
		}
		if err := w.WriteAt(i, 0, b); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		log.Fatal(err)
	}
	return path
}
