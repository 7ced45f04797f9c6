package quant_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"path/filepath"
	"testing"

	"github.com/x448/float16"

	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/quant"
)

func TestHalfEdges(t *testing.T) {
	goldens(t, func(t *testing.T, dir string) {
		z := testdata.NPZ(t, filepath.Join(dir, "half_edges.npz"))
		for i, x := range z["x"].F32 {
			if h, b := quant.FloatToHalf(x), quant.FloatToBF16(x); h != z["f16_bits"].U16[i] || b != z["bf16_bits"].U16[i] {
				t.Errorf("%v: half %04x, bf16 %04x, want %04x, %04x", x, h, b, z["f16_bits"].U16[i], z["bf16_bits"].U16[i])
			}
			if h, b := quant.HalfToFloat(z["f16_bits"].U16[i]), quant.BF16ToFloat(z["bf16_bits"].U16[i]); h != z["f16_back"].F32[i] || b != z["bf16_back"].F32[i] {
				t.Errorf("%v: back %v, %v, want %v, %v", x, h, b, z["f16_back"].F32[i], z["bf16_back"].F32[i])
			}
		}
	})
}

// TestHalfTable compares all 65,536 halves with the reference's table.
func TestHalfTable(t *testing.T) {
	const want = "385ff5fe69182797cda5f1827e20cf423f4416bc9246f27d0eec27cac9039259"
	var b []byte
	for h := range 1 << 16 {
		u := math.Float32bits(quant.HalfToFloat(uint16(h)))
		if u&0x7fffffff > 0x7f800000 {
			u = 0x7fc00000
		} else if back := quant.FloatToHalf(math.Float32frombits(u)); back != uint16(h) {
			t.Fatalf("half %04x comes back as %04x", h, back)
		}
		b = binary.LittleEndian.AppendUint32(b, u)
	}
	sum := sha256.Sum256(b)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("sha256 of the table %s, want %s", got, want)
	}
}

func TestNaN(t *testing.T) {
	for _, u := range []uint32{0x7f800001, 0x7fffffff, 0xff800001, 0x7fc00000} {
		x := math.Float32frombits(u)
		if h := quant.HalfToFloat(quant.FloatToHalf(x)); h == h {
			t.Errorf("%08x: half %v, want NaN", u, h)
		}
		if b := quant.BF16ToFloat(quant.FloatToBF16(x)); b == b {
			t.Errorf("%08x: bf16 %v, want NaN", u, b)
		}
	}
}

// TestFloatToHalf compares with the library at the edges of every exponent and
// on a sweep of all float32.
func TestFloatToHalf(t *testing.T) {
	check := func(u uint32) {
		x := math.Float32frombits(u)
		if got, want := quant.FloatToHalf(x), float16.Fromfloat32(x).Bits(); got != want {
			t.Fatalf("%v (%08x): half %04x, want %04x", x, u, got, want)
		}
	}
	for u := uint32(0); u < 0xffffffff-997; u += 997 {
		check(u)
	}
	for e := range uint32(512) {
		for m := range uint32(1 << 11) {
			check(e<<23 | m<<12)
			check(e<<23 | m<<12 | 1)
			check(e<<23 | m<<12 | 0xfff)
		}
	}
}
