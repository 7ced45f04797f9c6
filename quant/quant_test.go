package quant_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/quant"
)

func TestTypes(t *testing.T) {
	known := 0
	for typ := quant.Type(0); typ < 64; typ++ {
		if !typ.Known() {
			if typ.Block() != 0 || typ.BlockBytes() != 0 || typ.CanEncode() || typ.CanDecode() {
				t.Errorf("%v has sizes but is unknown", typ)
			}
			if want := fmt.Sprintf("type(%d)", uint32(typ)); typ.String() != want {
				t.Errorf("String = %q, want %q", typ.String(), want)
			}
			continue
		}
		known++
		if back, err := quant.ParseType(typ.String()); err != nil || back != typ {
			t.Errorf("ParseType(%q) = %v, %v", typ.String(), back, err)
		}
		if n, ok := typ.RowBytes(3 * typ.Block()); !ok || n != 3*typ.BlockBytes() {
			t.Errorf("%v: 3 blocks take %d, %v, want %d", typ, n, ok, 3*typ.BlockBytes())
		}
		if _, ok := typ.RowBytes(typ.Block() + 1); ok != (typ.Block() == 1) {
			t.Errorf("%v: a row of a block and one weight: %v", typ, ok)
		}
	}
	if known != 34 {
		t.Errorf("%d types are known, want 34", known)
	}
	if quant.Type(math.MaxUint32).Known() {
		t.Error("type 2^32-1 is known")
	}
}

func TestParseType(t *testing.T) {
	for s, want := range map[string]quant.Type{"q8_0": quant.Q8_0, "INT8": quant.Q8_0, "fp16": quant.F16, "q4_k": quant.Q4_K, "Q4_K": quant.Q4_K, "iq4_nl": quant.IQ4_NL, "bf16": quant.BF16} {
		if got, err := quant.ParseType(s); err != nil || got != want {
			t.Errorf("ParseType(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "q4_k_m", "int4", "type(3)"} {
		if got, err := quant.ParseType(s); err == nil {
			t.Errorf("ParseType(%q) = %v, want an error", s, got)
		}
	}
}

func TestRowBytesBounds(t *testing.T) {
	for _, c := range []struct {
		t    quant.Type
		cols int
	}{{quant.F64, math.MaxInt}, {quant.F32, -4}, {quant.Q8_0, 31}, {quant.Type(4), 32}, {quant.Q8_0, -32}} {
		if n, ok := c.t.RowBytes(c.cols); ok {
			t.Errorf("%v: RowBytes(%d) = %d, want none", c.t, c.cols, n)
		}
	}
}

func TestErrors(t *testing.T) {
	if err := quant.Encode(quant.Q4_K, make([]byte, 144), make([]float32, 256)); err == nil {
		t.Error("Q4_K encoded")
	}
	if err := quant.Decode(quant.IQ1_S, make([]float32, 256), make([]byte, 50)); err == nil {
		t.Error("IQ1_S decoded")
	}
	if err := quant.Encode(quant.Q8_0, make([]byte, 34), make([]float32, 31)); err == nil {
		t.Error("31 values encoded")
	}
	if err := quant.Encode(quant.Q8_0, make([]byte, 33), make([]float32, 32)); err == nil {
		t.Error("encoded into 33 bytes")
	}
	if err := quant.Decode(quant.Q8_0, make([]float32, 32), make([]byte, 35)); err == nil {
		t.Error("decoded 35 bytes")
	}
}

// TestNonFinite: any bits must encode, to the same bytes on every machine, and
// any bytes decode.
func TestNonFinite(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	rng := rand.New(rand.NewPCG(1, 2))
	for _, typ := range append([]quant.Type{quant.F32}, encodable...) {
		for _, v := range []float32{inf, -inf, nan, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, 1e-38} {
			x := make([]float32, 64)
			for i := range x {
				x[i] = rng.Float32() - 0.5
			}
			x[3], x[40] = v, -v
			n, _ := typ.RowBytes(64)
			b := make([]byte, n)
			if err := quant.Encode(typ, b, x); err != nil {
				t.Fatal(err)
			}
			if err := quant.Decode(typ, x, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	for typ := quant.Type(0); typ < 64; typ++ {
		if !typ.CanDecode() {
			continue
		}
		b, x := make([]byte, 4*typ.BlockBytes()), make([]float32, 4*typ.Block())
		for range 100 {
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			if err := quant.Decode(typ, x, b); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestFirstNonFinite(t *testing.T) {
	for n := range 40 {
		x := make([]float32, n)
		for i := range x {
			x[i] = math.MaxFloat32 * float32(1-2*(i&1))
		}
		if got := quant.FirstNonFinite(x); got != -1 {
			t.Fatalf("%d finite values: %d", n, got)
		}
		for i := range x {
			for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
				old := x[i]
				x[i] = bad
				if got := quant.FirstNonFinite(x); got != i {
					t.Fatalf("%v at %d of %d: got %d", bad, i, n, got)
				}
				x[i] = old
			}
		}
	}
}

func TestMatrix(t *testing.T) {
	data := make([]byte, 3*68)
	data[68] = 7
	m, err := quant.NewMatrix(quant.Q8_0, 3, 64, data)
	if err != nil || m.RowBytes() != 68 || len(m.Row(2)) != 68 || cap(m.Row(1)) != 68 || m.Row(1)[0] != 7 {
		t.Errorf("got %+v, %v", m, err)
	}
	if err := m.DecodeRow(make([]float32, 64), 2); err != nil {
		t.Error(err)
	}
	if err := m.DecodeRow(make([]float32, 64), 3); err == nil {
		t.Error("row 3 of 3 decoded")
	}
	for _, c := range []struct {
		t          quant.Type
		rows, cols int
		n          int
	}{{quant.Q8_0, 3, 64, 203}, {quant.Q8_0, 3, 63, 204}, {quant.Type(77), 1, 1, 4}, {quant.F32, -1, 4, 0}, {quant.F64, math.MaxInt, math.MaxInt, 0}, {quant.F32, 5, 0, 4}, {quant.F32, math.MaxInt, 1 << 20, 8}} {
		if _, err := quant.NewMatrix(c.t, c.rows, c.cols, make([]byte, c.n)); err == nil {
			t.Errorf("NewMatrix(%v, %d, %d, %d bytes): no error", c.t, c.rows, c.cols, c.n)
		}
	}
}

// FuzzCodecs checks that no input panics, and that encoding decoded values and
// decoding again is stable in size.
func FuzzCodecs(f *testing.F) {
	f.Add(uint32(quant.Q8_0), []byte("0123456789012345678901234567890123"))
	f.Add(uint32(quant.Q4_K), make([]byte, 144))
	f.Fuzz(func(t *testing.T, typ uint32, b []byte) {
		ty := quant.Type(typ)
		if !ty.CanDecode() {
			return
		}
		blocks := len(b) / ty.BlockBytes()
		x := make([]float32, blocks*ty.Block())
		if err := quant.Decode(ty, x, b[:blocks*ty.BlockBytes()]); err != nil {
			t.Fatal(err)
		}
		for _, enc := range encodable {
			n, ok := enc.RowBytes(len(x))
			if !ok {
				continue
			}
			if err := quant.Encode(enc, make([]byte, n), x); err != nil {
				t.Fatal(err)
			}
		}
	})
}
