package gguf_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/quant"
)

// A file is written under a temporary name and appears when it is complete.
func ExampleCreate() {
	dir, err := os.MkdirTemp("", "gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tiny.gguf")

	w, err := gguf.Create(path, gguf.Layout{
		KVs:     []gguf.KV{{Key: "general.architecture", Value: gguf.String("llama")}},
		Tensors: []gguf.TensorInfo{{Name: "output.weight", Type: quant.Q8_0, Dims: []uint64{32, 1}}},
	}, false)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = w.Abort() }() // does nothing after Commit
	row := make([]float32, 32)
	row[3] = 1.27
	block := make([]byte, 34)
	if err := quant.Encode(quant.Q8_0, block, row); err != nil {
		log.Fatal(err)
	}
	if err := w.WriteAt(0, 0, block); err != nil {
		log.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		log.Fatal(err)
	}

	f, err := gguf.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	m, err := f.Tensor("output.weight").Matrix()
	if err != nil {
		log.Fatal(err)
	}
	if err := m.DecodeRow(row, 0); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %v [%d, %d], row[3] = %.3f\n", f.Arch(), m.Type, m.Rows, m.Cols, row[3])
	// Output: llama: Q8_0 [1, 32], row[3] = 1.270
}
