package demo

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/internal/testdata"
)

var update = flag.Bool("update", false, "write the embedded model anew")

// TestModel quantizes the checkpoint again: the embedded copy must be what
// this version of the converter makes of it.
func TestModel(t *testing.T) {
	out := filepath.Join(t.TempDir(), "m.gguf")
	if *update {
		out = "tinystories-int8.gguf"
	}
	src := filepath.Join(testdata.Root(t), "testdata", "tinystories-student")
	if _, err := convert.Quantize(t.Context(), convert.Options{Source: src, Out: out, Type: "int8", Force: true}); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !*update && !bytes.Equal(Model(), want) {
		t.Errorf("the embedded model (%d bytes) is not the int8 copy of %s (%d bytes); make it anew with go test ./internal/demo -update", len(Model()), src, len(want))
	}
}
