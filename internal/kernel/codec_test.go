package kernel

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

// TestCodec: every type, with a kernel or without; errors are quant's.
func TestCodec(t *testing.T) {
	kerneltest.Variants(t, Variants(), func(t *testing.T, v string) {
		c, err := NewCodec(v)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(8, 8))
		for _, typ := range types {
			const n = 768
			m := randomMatrix(t, r, typ, 1, n)
			got, want := make([]float32, n), make([]float32, n)
			if err := quant.Decode(typ, want, m.Data); err != nil {
				t.Fatal(err)
			}
			if err := c.Decode(typ, got, m.Data); err != nil {
				t.Fatal(err)
			}
			equalBits(t, typ.String(), got, want)
			if err := c.Decode(typ, got, m.Data[1:]); err == nil {
				t.Errorf("%v: a short row is decoded", typ)
			}
			row := make([]byte, len(m.Data))
			if err := c.Encode(typ, row, want); (err == nil) != typ.CanEncode() {
				t.Errorf("%v: encoded with %v", typ, err)
			}
			if typ.CanEncode() {
				plain := make([]byte, len(row))
				if err := quant.Encode(typ, plain, want); err != nil || !bytes.Equal(row, plain) {
					t.Errorf("%v: encoded to other bytes (%v)", typ, err)
				}
				if err := c.Encode(typ, row[1:], want); err == nil {
					t.Errorf("%v: encoded to a short row", typ)
				}
			}
		}
	})
	if _, err := NewCodec("no such rung"); err == nil {
		t.Error("an unknown variant passed")
	}
}
