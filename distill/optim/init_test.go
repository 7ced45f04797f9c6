package optim

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/qwq-edge/qwq/convert/safetensors"
	"github.com/qwq-edge/qwq/quant"
)

// initial reads a golden's parameters before the first step.
func initial(t *testing.T, dir string, params []Param, n int) []float32 {
	f, err := safetensors.Open(filepath.Join(dir, "init.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := make([]float32, n)
	for _, p := range params {
		found := false
		for _, x := range f.Tensors() {
			if x.Name != p.Name {
				continue
			}
			data, err := io.ReadAll(io.NewSectionReader(x.R, x.Off, x.Bytes()))
			if err == nil {
				err = quant.Decode(quant.F32, w[p.Off:p.Off+p.Rows*p.Cols], data)
			}
			if err != nil {
				t.Fatal(err)
			}
			found = true
		}
		if !found {
			t.Fatalf("%s has no %s", dir, p.Name)
		}
	}
	return w
}
