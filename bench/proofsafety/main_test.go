package main

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

const shared = "../../../shared/data"

// TestReproducible: the classifier that is shipped is the one that make train-safety
// makes, to the byte. Other CPUs round the exponential otherwise.
func TestReproducible(t *testing.T) {
	if _, err := os.Stat(filepath.Join(shared, "toxicity")); err != nil || runtime.GOARCH != "amd64" {
		t.Skip("needs amd64 and the data:", err)
	}
	var s settings
	s.flags(flag.NewFlagSet("", flag.ContinueOnError))
	s.data, s.write = shared, filepath.Join(t.TempDir(), "toxicity.gguf")
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../runtime/safety/toxicity.gguf")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(s.write)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("training makes another file (%d bytes) than runtime/safety/toxicity.gguf (%d): make train-safety", len(got), len(want))
	}
}

// TestObfuscations: there are twenty, each changes a word, and the same random numbers
// give the same change.
func TestObfuscations(t *testing.T) {
	if len(obfuscations) != 20 {
		t.Errorf("%d obfuscations", len(obfuscations))
	}
	for _, o := range obfuscations {
		all := func(string) bool { return true }
		a, changed := disguise(rand.New(rand.NewPCG(1, 2)), "a rotten banana", o, all)
		b, _ := disguise(rand.New(rand.NewPCG(1, 2)), "a rotten banana", o, all)
		if !changed || a != b {
			t.Errorf("%s: %q, %q", o.name, a, b)
		}
	}
}
