package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/internal/testdata"
)

var update = flag.Bool("update", false, "rewrite testdata/bits")

// bitsPrompt is longer than the largest prompt chunk; bitsTokens follow it.
const bitsPrompt, bitsTokens = 520, 1000

// goldenIDs is what a file of testdata/bits holds.
type goldenIDs struct {
	IDs      []int32 `json:"ids"`
	Logprobs string  `json:"logprobs"` // SHA-256
}

// bitsCase is a way to compute the same thing.
type bitsCase struct {
	variant string
	threads int
	mixed   bool // with three other sequences that read and write meanwhile
	chunk   int  // of the prompt
}

func (c bitsCase) String() string {
	how := "alone"
	if c.mixed {
		how = "mixed"
	}
	return fmt.Sprintf("%s/threads=%d/%s/chunk=%d", c.variant, c.threads, how, c.chunk)
}

// bitsFiles returns the files by name. Those of the small model, of one layer
// and one KV head, are for the whole product where an emulator runs it.
func bitsFiles(t *testing.T) (names []string, path func(t *testing.T, name string) string) {
	story := filepath.Join(testdata.Root(t), "testdata", "tinystories-qwen2")
	names = []string{"small-q8_0", "small-q4_0", "small-q4_k_m"}
	if os.Getenv("QWQ_FULL") != "small" {
		names = append(names, "q8_0", "q4_0", "q4_k_m")
	}
	return names, func(t *testing.T, name string) string {
		typ, small := strings.CutPrefix(name, "small-")
		source := story
		if small {
			source = filepath.Join("testdata", "bits", "small-q4_k_m.gguf")
		}
		if typ == "q4_k_m" {
			return filepath.Join("testdata", "bits", name+".gguf")
		}
		return quantized(t, source, typ)
	}
}

// TestBits is the promise of a thousand tokens: greedy ids and log-probabilities
// are the same on every rung, with 1, 2 and 3 threads, alone or in a mixed batch
// of 4, for prompts read by 1, 64 and 512, and equal to the files of testdata/bits
// on every architecture. The product of all these is sampled; QWQ_FULL=1 runs all
// of it, QWQ_FULL=small all of it with the small model alone (make proof-bits).
func TestBits(t *testing.T) {
	kerneltest.Require(t, kernel.Variants())
	names, file := bitsFiles(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			path := file(t, name)
			golden := filepath.Join("testdata", "bits", name+".json")
			if *update {
				got := runBits(t, path, bitsCase{"generic", 1, false, 1}, bitsTokens)
				b, err := json.Marshal(got)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, append(b, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			var want goldenIDs
			if err := json.Unmarshal(b, &want); err != nil || len(want.IDs) != bitsTokens || len(want.Logprobs) != 64 {
				t.Fatalf("%s: %d ids, %v", golden, len(want.IDs), err)
			}
			for _, c := range bitsCases() {
				t.Run(c.String(), func(t *testing.T) { checkBits(t, path, c, want) })
			}
		})
	}
}

func checkBits(t *testing.T, path string, c bitsCase, want goldenIDs) {
	n := bitsTokens
	if testing.Short() {
		n = 100
	}
	got := runBits(t, path, c, n)
	for i := range got.IDs {
		if got.IDs[i] != want.IDs[i] {
			t.Fatalf("token %d is %d, want %d", i, got.IDs[i], want.IDs[i])
		}
	}
	if len(got.IDs) != n || n == bitsTokens && got.Logprobs != want.Logprobs {
		t.Fatalf("%d tokens, log-probabilities %s, want %s", len(got.IDs), got.Logprobs, want.Logprobs)
	}
}

// bitsCases is the product, or a few of it: every rung once or twice, and every
// thread count, batch and chunk. Where an emulator runs, the best rung alone.
func bitsCases() (list []bitsCase) {
	variants := kernel.Variants()
	if os.Getenv("QWQ_FULL") != "" {
		for _, v := range variants {
			for threads := 1; threads <= 3; threads++ {
				for _, chunk := range []int{1, 64, 512} {
					list = append(list, bitsCase{v, threads, false, chunk}, bitsCase{v, threads, true, chunk})
				}
			}
		}
		return list
	}
	if only := os.Getenv("QWQ_KERNEL"); only != "" {
		variants = []string{only}
	} else if runtime.GOARCH == "arm64" {
		variants = variants[len(variants)-1:]
	}
	for i, v := range variants {
		if v == "generic" {
			if !testing.Short() || len(variants) == 1 { // it is slow
				list = append(list, bitsCase{v, 2, false, 64})
			}
			continue
		}
		k := i % 3
		list = append(list, bitsCase{v, 1 + k, false, []int{1, 64, 512}[k]})
		if testing.Short() {
			continue
		}
		list = append(list, bitsCase{v, 3 - k, true, []int{512, 1, 64}[k]})
	}
	return list
}

// bitsIDs is a prompt of n ids.
func bitsIDs(n, salt, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32((i*i*7 + i*13 + salt*101 + 5) % vocab)
	}
	return ids
}

func runBits(t *testing.T, path string, c bitsCase, n int) goldenIDs {
	t.Helper()
	m := load(t, path, Options{Kernel: c.variant, Threads: c.threads, Batch: c.chunk, Context: bitsPrompt + bitsTokens, KV: "f16"})
	seq := func(prompt, salt, n int) *Seq {
		s, err := m.NewSeq(Request{IDs: bitsIDs(prompt, salt, m.Vocabulary()), MaxTokens: n, IgnoreEOS: true, Logprobs: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Release)
		return s
	}
	seqs := []*Seq{seq(bitsPrompt, 0, n)}
	if c.mixed { // before, beside and after: one begins again whenever it ends
		seqs = []*Seq{seq(3, 1, 40), seq(200, 2, 300), seqs[0], seq(700, 3, 25)}
	}
	main := seqs[len(seqs)/2]
	hash := sha256.New()
	for round := 4; main.Finish() == ""; {
		if err := m.Step(context.Background(), seqs); err != nil {
			t.Fatal(err)
		}
		for _, tok := range main.Tokens() {
			var b [4]byte
			binary.LittleEndian.PutUint32(b[:], math.Float32bits(tok.Logprob))
			hash.Write(b[:])
		}
		for i, s := range seqs {
			if s != main && s.Finish() != "" {
				s.Release()
				seqs[i] = seq(1+round*37%100, round, 30+round*7%90)
				round++
			}
		}
	}
	ids := slices.Clone(main.IDs()[main.Prompt():])
	for _, s := range seqs {
		s.Release()
	}
	if !strings.Contains(m.Info().KV.String(), "F16") {
		t.Errorf("KV cache of %v", m.Info().KV)
	}
	return goldenIDs{ids, hex.EncodeToString(hash.Sum(nil))}
}
