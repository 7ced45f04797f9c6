package seed

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/internal/npy"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/backend"
)

func open(t *testing.T, name, typ string, o backend.CPUOptions) *Module {
	t.Helper()
	dir := testdata.Shared(t, "goldens", "seed", name)
	out := filepath.Join(t.TempDir(), "m.gguf")
	if _, err := convert.Quantize(context.Background(), convert.Options{Source: dir + "/model.safetensors", Config: dir + "/info.json", Arch: "qwq-seed", Out: out, Type: typ}); err != nil {
		t.Fatal(err)
	}
	m, err := Open(out, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func golden(t *testing.T, name string) (arrays map[string]*npy.Array, tolerance float64) {
	t.Helper()
	dir := testdata.Shared(t, "goldens", "seed", name)
	b, err := os.ReadFile(dir + "/info.json")
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Tolerance float64 `json:"tolerance_max_abs"`
	}
	if err := json.Unmarshal(b, &e); err != nil || e.Tolerance == 0 {
		t.Fatal(e, err)
	}
	arrays = map[string]*npy.Array{}
	for k, a := range testdata.NPZ(t, dir+"/expected.npz") {
		arrays[k] = &npy.Array{Shape: a.Shape, F32: a.F32, I64: a.I64}
	}
	return arrays, e.Tolerance
}

// cases are all modules of goldens/seed; the limits of the quantized ones are what
// was measured, and some room.
//
//	max |difference|     F16      Q8_0    Q4_0
//	dialog_d64           1.2e-4   0.0036  0.034
//	dialog_d32_b1        1.1e-4   0.0033  0.033
//	multimodal_feat512   1.3e-4   0.0022  0.020
//	multimodal_full      8.6e-5   0.0015  0.028
//
// Of the others the table is in runtime/model.
var cases = []struct {
	name          string
	in            []string // arrays of the golden; the first is unnamed where it is the only one
	f16, q80, q40 float64
}{
	{"block_d64_ff2048", []string{"x"}, 0.001, 0.02, 0.2},
	{"moe_d64", []string{"x"}, 0.001, 0.02, 0.2},
	{"dialog_d64", []string{"inputs"}, 0.001, 0.01, 0.1},
	{"dialog_d32_b1", []string{"inputs"}, 0.001, 0.01, 0.1},
	{"multimodal_feat512", []string{"text_feat", "image_feat"}, 0.001, 0.01, 0.1},
	{"multimodal_full", []string{"ids", "image"}, 0.001, 0.01, 0.1},
	{"multimodal_full", []string{"text_feat", "image_feat"}, 0.001, 0.01, 0.1},
	{"multimodal_full", []string{"text_feat", "image"}, 0.001, 0.01, 0.1},
	{"qwq_d32", []string{"ids"}, 0.01, 2, 6},
}

// want is the golden output.
func want(arrays map[string]*npy.Array) *npy.Array {
	for _, k := range []string{"y", "sim", "logits"} {
		if a := arrays[k]; a != nil {
			return a
		}
	}
	y := &npy.Array{Shape: arrays["inputs"].Shape}
	for i := range y.Shape[0] {
		y.F32 = append(y.F32, arrays["state"+string(rune('0'+i))].F32...)
	}
	return y
}

func TestGoldens(t *testing.T) {
	for _, c := range cases {
		arrays, tol := golden(t, c.name)
		want := want(arrays)
		for _, typ := range []struct {
			name  string
			limit float64
		}{{"f32", tol}, {"f16", c.f16}, {"q8_0", c.q80}, {"q4_0", c.q40}} {
			m := open(t, c.name, typ.name, backend.CPUOptions{Threads: 2})
			in := map[string]*npy.Array{}
			for _, k := range c.in {
				name := k
				if len(c.in) == 1 {
					name = ""
				}
				in[name] = arrays[k]
			}
			y, err := m.Run(in)
			if err != nil {
				t.Fatalf("%s %s: %v", c.name, typ.name, err)
			}
			if !slices.Equal(y.Shape, want.Shape) || len(y.F32) != len(want.F32) {
				t.Fatalf("%s: shape %v with %d values, want %v", c.name, y.Shape, len(y.F32), want.Shape)
			}
			worst := 0.0
			for i, v := range y.F32 {
				if d := math.Abs(float64(v) - float64(want.F32[i])); !(d <= worst) {
					worst = d
				}
			}
			if !(worst <= typ.limit) {
				t.Errorf("%s %v %s: off by %.3g, at most %.3g", c.name, c.in, typ.name, worst, typ.limit)
			}
			t.Logf("%s %v %s: off by %.2g", c.name, c.in, typ.name, worst)
		}
	}
}

func TestRefuses(t *testing.T) {
	f := func(shape ...int) *npy.Array {
		n := 1
		for _, d := range shape {
			n *= d
		}
		return &npy.Array{Shape: shape, F32: make([]float32, n)}
	}
	i := func(v ...int64) *npy.Array { return &npy.Array{Shape: []int{1, len(v)}, I64: v} }
	nan := f(1, 64)
	nan.F32[3] = float32(math.NaN())
	for label, c := range map[string]struct {
		name string
		in   map[string]*npy.Array
		want string
	}{
		"no input":      {"moe_d64", nil, "0 of the inputs x"},
		"name":          {"moe_d64", map[string]*npy.Array{"y": f(1, 64)}, `input "y": a moe takes x`},
		"rank":          {"moe_d64", map[string]*npy.Array{"x": f(1, 1, 64)}, "shape [1 1 64]"},
		"width":         {"block_d128", map[string]*npy.Array{"x": f(2, 1, 64)}, "want [-1 -1 128]"},
		"empty":         {"block_d128", map[string]*npy.Array{"x": f(0, 1, 128)}, "shape [0 1 128]"},
		"integers":      {"moe_d64", map[string]*npy.Array{"x": {Shape: []int{1, 64}, I64: make([]int64, 64)}}, "want floats"},
		"nan":           {"moe_d64", map[string]*npy.Array{"x": nan}, "element 3 is NaN"},
		"turns":         {"dialog_d64", map[string]*npy.Array{"x": f(2, 64)}, "shape [2 64]"},
		"two texts":     {"multimodal_full", map[string]*npy.Array{"ids": i(1), "text_feat": f(1, 64), "image_feat": f(1, 64)}, "2 of the inputs text_feat, ids"},
		"unnamed":       {"multimodal_full", map[string]*npy.Array{"": f(1, 64)}, `input ""`},
		"no encoder":    {"multimodal_feat512", map[string]*npy.Array{"ids": i(1), "image_feat": f(1, 512)}, `input "ids"`},
		"id":            {"multimodal_full", map[string]*npy.Array{"ids": i(512), "image_feat": f(1, 64)}, "id 512 is not in 0 to 511"},
		"batches":       {"multimodal_full", map[string]*npy.Array{"ids": i(5), "image": f(2, 3, 16, 16)}, "1 texts and 2 images"},
		"image size":    {"multimodal_full", map[string]*npy.Array{"ids": i(5), "image": f(1, 3, 16, 12)}, "shape [1 3 16 12], want [-1 3 16 16]"},
		"float ids":     {"qwq_d32", map[string]*npy.Array{"ids": f(1, 3)}, "want integers"},
		"negative id":   {"qwq_d32", map[string]*npy.Array{"ids": i(3, -1)}, "id -1 at [0, 1]"},
		"id too large":  {"qwq_d32", map[string]*npy.Array{"ids": i(3, 512)}, "id 512 at row 1"},
		"longer than P": {"qwq_d32", map[string]*npy.Array{"ids": i(make([]int64, 65)...)}, "has 65 positions, the model has 64"},
	} {
		m := open(t, c.name, "f32", backend.CPUOptions{Threads: 1})
		if _, err := m.Run(c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", label, err, c.want)
		}
	}
	demo := filepath.Join(testdata.Root(t), "internal", "demo", "tinystories-int8.gguf")
	if _, err := Open(demo, backend.CPUOptions{Threads: 1}); err == nil || !strings.Contains(err.Error(), "only qwq-seed") {
		t.Errorf("a decoder: %v", err)
	}
	if _, err := Open(t.TempDir()+"/none", backend.CPUOptions{}); err == nil {
		t.Error("no file, no error")
	}
}

// TestHistory: two runs of some turns each, the second from the first's last
// state, give the bits of one run.
func TestHistory(t *testing.T) {
	m := open(t, "dialog_d64", "q8_0", backend.CPUOptions{Threads: 2})
	arrays, _ := golden(t, "dialog_d64")
	x := arrays["inputs"]
	whole, _, err := m.track.Run(x.F32, 4, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 3 * 64
	a, _, err := m.track.Run(x.F32[:n], 1, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, boundary, err := m.track.Run(x.F32[n:], 3, 3, a)
	if err != nil || boundary != nil {
		t.Fatal(boundary, err)
	}
	if !slices.Equal(append(a, b...), whole) {
		t.Error("other bits than in one run")
	}
	if _, _, err := m.track.Run(x.F32, 4, 3, a[:5]); err == nil {
		t.Error("a short history passed")
	}
}
