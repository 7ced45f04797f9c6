package engine

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// TestTruncatedWhileRunning: the file shrinks under two running generations. Each
// step fails with an error that says so, and neither the process nor another
// model is hurt; when the file is whole again the same sequences go on where they
// were, with the ids that they would have had.
func TestTruncatedWhileRunning(t *testing.T) {
	needFaultAddress(t)
	for _, v := range kernel.Variants() {
		for _, threads := range []int{1, 3} {
			t.Run(v, func(t *testing.T) { truncateWhileRunning(t, Options{Kernel: v, Threads: threads}) })
		}
	}
}

func truncateWhileRunning(t *testing.T, o Options) {
	path := modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Layers: 3, Hidden: 256, FFN: 512, HeadDim: 64, Vocab: 600, Tokenizer: true, Tied: true})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	spare := filepath.Join(t.TempDir(), "spare.gguf")
	if err := os.WriteFile(spare, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	r := Request{IDs: []int32{1, 5, 9}, MaxTokens: 40, IgnoreEOS: true}
	want, _, _ := collect(t, load(t, spare, o), r)

	m, bystander := load(t, path, o), load(t, spare, o)
	var seqs []*Seq
	for range 2 {
		s, err := m.NewSeq(r)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Release()
		seqs = append(seqs, s)
	}
	step := func(seqs ...*Seq) error { return m.Step(context.Background(), seqs) }
	for range 10 {
		if err := step(seqs...); err != nil {
			t.Fatal(err)
		}
	}
	// In the middle of the weights: the embedding is there, later layers are not.
	if err := os.Truncate(path, int64(len(whole)/2)); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		held := len(seqs[0].IDs())
		for _, err := range []error{step(seqs...), step(seqs[i%2])} {
			if err == nil || !strings.Contains(err.Error(), "cannot be read") || !strings.Contains(err.Error(), "truncated") {
				t.Fatalf("step on a truncated file: %v", err)
			}
		}
		if len(seqs[0].IDs()) != held || seqs[0].Finish() != "" {
			t.Fatalf("a failed step moved the sequence from %d to %d ids, finish %q", held, len(seqs[0].IDs()), seqs[0].Finish())
		}
		for tok, err := range m.Generate(context.Background(), r) {
			if err == nil {
				t.Fatalf("a new request on a truncated file: token %d", tok.ID)
			}
		}
	}
	if got, _, _ := collect(t, bystander, r); !slices.Equal(got, want) {
		t.Error("the other model's ids changed")
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(whole, 0); err != nil { // grows it again: the mapping is of this very file
		t.Fatal(err)
	}
	for seqs[0].Finish() == "" || seqs[1].Finish() == "" {
		if err := step(seqs...); err != nil {
			t.Fatal("after the file is whole again: ", err)
		}
	}
	for i, s := range seqs {
		if got := s.IDs()[s.Prompt():]; !slices.Equal(got, want) {
			t.Errorf("sequence %d after the fault: %v, want %v", i, got, want)
		}
	}
}
