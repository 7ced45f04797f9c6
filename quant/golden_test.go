package quant_test

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/quant"
)

// goldens runs f on the copies in testdata and on the originals.
func goldens(t *testing.T, f func(t *testing.T, dir string)) {
	t.Run("testdata", func(t *testing.T) { f(t, "testdata") })
	t.Run("shared", func(t *testing.T) { f(t, testdata.Shared(t, "goldens", "quant")) })
}

var encodable = []quant.Type{quant.F16, quant.BF16, quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1}

func TestEncodeGolden(t *testing.T) {
	goldens(t, func(t *testing.T, dir string) {
		for _, name := range []string{"normal", "uniform", "outliers", "one_block", "laplace_wide", "weights_like", "adversarial"} {
			z := testdata.NPZ(t, filepath.Join(dir, name+".npz"))
			for _, typ := range encodable {
				t.Run(name+"/"+typ.String(), func(t *testing.T) { checkCase(t, z, typ) })
			}
		}
	})
}

func checkCase(t *testing.T, z map[string]*testdata.Array, typ quant.Type) {
	x, want, deq, defined := z["x"], z[typ.String()+".bytes"], z[typ.String()+".deq"], z[typ.String()+".defined"]
	rows, cols, size := x.Shape[0], x.Shape[1], want.Shape[1]
	if n, ok := typ.RowBytes(cols); !ok || n != size {
		t.Fatalf("RowBytes(%d) = %d, %v, want %d", cols, n, ok, size)
	}
	got, back := make([]byte, size), make([]float32, cols)
	checked := 0
	for r := range rows {
		if err := quant.Encode(typ, got, x.F32[r*cols:][:cols]); err != nil {
			t.Fatal(err)
		}
		if defined.U8[r] == 0 {
			continue
		}
		checked++
		ok := false
		for _, key := range []string{".bytes", ".bytes_ggml_c", ".bytes_ggml_fma"} {
			if a := z[typ.String()+key]; a != nil {
				ok = ok || bytes.Equal(got, a.U8[r*size:][:size])
			}
		}
		if !ok {
			t.Errorf("row %d: got %x, want %x", r, got, want.U8[r*size:][:size])
		}
		if err := quant.Decode(typ, back, want.U8[r*size:][:size]); err != nil {
			t.Fatal(err)
		}
		sameBits(t, fmt.Sprintf("row %d decoded", r), back, deq.F32[r*cols:][:cols])
	}
	if checked == 0 {
		t.Error("no defined row")
	}
}

// sameBits compares floats bit by bit; any NaN equals any NaN.
func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) && (got[i] == got[i] || want[i] == want[i]) {
			t.Errorf("%s: [%d] = %v (%08x), want %v (%08x)", what, i, got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
			return
		}
	}
}

func TestDecodeGolden(t *testing.T) {
	types := []quant.Type{quant.Q2_K, quant.Q3_K, quant.Q4_K, quant.Q5_K, quant.Q6_K, quant.IQ4_NL, quant.IQ4_XS, quant.TQ1_0, quant.TQ2_0,
		quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1}
	goldens(t, func(t *testing.T, dir string) {
		z := testdata.NPZ(t, filepath.Join(dir, "dequant_only.npz"))
		for _, typ := range types {
			b, want := z[typ.String()+".bytes"], z[typ.String()+".deq"]
			got := make([]float32, want.Len())
			if err := quant.Decode(typ, got, b.U8); err != nil {
				t.Fatal(err)
			}
			sameBits(t, typ.String(), got, want.F32)
		}
	})
}

func TestI8RowGolden(t *testing.T) {
	goldens(t, func(t *testing.T, dir string) {
		z := testdata.NPZ(t, filepath.Join(dir, "matmul.npz"))
		for _, m := range []string{"m0", "m1", "m2"} {
			w, q, scale := z[m+".W"], z[m+".I8ROW.q"], z[m+".I8ROW.scale"]
			cols := w.Shape[1]
			for r := range w.Shape[0] {
				got := make([]int8, cols)
				s := quant.EncodeI8Row(got, w.F32[r*cols:][:cols])
				if s != scale.F32[r] {
					t.Errorf("%s row %d: scale %v, want %v", m, r, s, scale.F32[r])
				}
				for i, g := range got {
					if byte(g) != q.U8[r*cols+i] {
						t.Fatalf("%s row %d: q[%d] = %d, want %d", m, r, i, g, int8(q.U8[r*cols+i]))
					}
				}
				back := make([]float32, cols)
				quant.DecodeI8Row(back, got, s)
				for i := range back {
					if math.Abs(float64(back[i]-w.F32[r*cols+i])) > float64(s)*0.5001 {
						t.Fatalf("%s row %d: x[%d] = %v, want %v ± %v", m, r, i, back[i], w.F32[r*cols+i], s/2)
					}
				}
			}
			x := z[m+".X"]
			got := make([]byte, z[m+".X_Q8_0"].Len())
			if err := quant.Encode(quant.Q8_0, got, x.F32); err != nil || !bytes.Equal(got, z[m+".X_Q8_0"].U8) {
				t.Errorf("%s: X as Q8_0 differs (%v)", m, err)
			}
		}
	})
}

func TestI8RowZero(t *testing.T) {
	q := []int8{1, 2, 3}
	if s := quant.EncodeI8Row(q, []float32{0, 0, 0}); s != 0 || !slices.Equal(q, []int8{0, 0, 0}) {
		t.Errorf("zeros: scale %v, q %v", s, q)
	}
}
