package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/internal/npy"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/engine/session"
)

// TestRun goes from the article's checkpoints to arrays by the commands alone.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	command := func(args ...string) error {
		a := app()
		var out bytes.Buffer
		a.Writer, a.ErrWriter = &out, &out
		return a.Run(append([]string{"qwq-convert"}, args...))
	}
	for _, c := range []struct {
		name, file, want string
		in               map[string]string // array of the golden to NAME=
	}{
		{"moe_d64", "model.pt", "y", map[string]string{"x": ""}},
		{"moe_d64", "model_legacy.bin", "y", map[string]string{"x": "x="}},
		{"block_d128", "model.safetensors", "y", map[string]string{"x": ""}},
		{"multimodal_full", "model.pt", "sim", map[string]string{"image": "image=", "text_feat": "text_feat="}},
		{"qwq_d32", "model.pt", "", nil},
	} {
		from := testdata.Shared(t, "goldens", "seed", c.name)
		gguf, out := filepath.Join(dir, "m.gguf"), filepath.Join(dir, "y.npy")
		if err := command("quantize", "--arch", "qwq-seed", "--config", from+"/info.json", "--type", "f32", "--force", "-o", gguf, from+"/"+c.file); err != nil {
			t.Fatal(err)
		}
		arrays := testdata.NPZ(t, from+"/expected.npz")
		want := arrays[c.want]
		args := []string{"run", "-o", out}
		for k, name := range c.in {
			path := filepath.Join(dir, k+".npy")
			var b bytes.Buffer
			if err := npy.Write(&b, &npy.Array{Shape: arrays[k].Shape, F32: arrays[k].F32}); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, "--input", name+path)
		}
		if c.want == "" {
			whole(t, gguf, command, arrays)
			continue
		}
		if err := command(append(args, gguf)...); err != nil {
			t.Fatal(err)
		}
		y, err := npy.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		near(t, c.name, y.F32, want.F32)
		if _, err := engine.Open(gguf, engine.Options{}); err == nil || !strings.Contains(err.Error(), "qwq-convert run") {
			t.Errorf("%s as a language model: %v", c.name, err)
		}
		if err := command(append(args, "--input", "z="+out+"x", gguf)...); err == nil {
			t.Errorf("%s: an input more passed", c.name)
		}
	}
}

func near(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	for i, v := range got {
		if d := math.Abs(float64(v) - float64(want[i])); !(d < 1e-5) {
			t.Fatalf("%s: value %d is %v, want %v", name, i, v, want[i])
		}
	}
}

// whole runs logits, hidden states and the pooled vector of the whole model on the
// first sequence of its golden; it must not write.
func whole(t *testing.T, gguf string, command func(...string) error, arrays map[string]*testdata.Array) {
	t.Helper()
	out := filepath.Join(filepath.Dir(gguf), "w.npy")
	text := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(arrays["ids"].I64[:9])), ","), "[]")
	for what, want := range map[string][]float32{"logits": arrays["logits"].F32[:9*512], "hidden": nil, "pooled": nil} {
		if err := command("logits", "--ids", text, "--output", what, "-o", out, gguf); err != nil {
			t.Fatal(err)
		}
		y, err := npy.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		last := arrays["hidden"].F32[24*9*2*32:] // [9, 2, 32]
		switch what {
		case "hidden":
			for i := range 9 {
				want = append(want, last[i*2*32:i*2*32+32]...)
			}
		case "pooled":
			want = make([]float32, 32)
			for i := range 9 {
				for k := range want {
					want[k] += last[i*2*32+k] / 9
				}
			}
		}
		near(t, what, y.F32, want)
	}
	m, err := engine.Open(gguf, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.NewSeq(engine.Request{IDs: []int32{1}}); !errors.Is(err, engine.ErrEncoder) {
		t.Errorf("a bidirectional model wrote: %v", err)
	}
	if _, err := session.New(m, session.Options{}); !errors.Is(err, engine.ErrEncoder) {
		t.Errorf("a bidirectional model talks: %v", err)
	}
	if err := command("logits", "--ids", strings.Repeat("1,", 64)+"1", "-o", out, gguf); err == nil || !strings.Contains(err.Error(), "64") {
		t.Errorf("an input longer than the stored positions: %v", err)
	}
}
