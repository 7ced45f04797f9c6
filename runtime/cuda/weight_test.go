package cuda

import (
	"bytes"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
)

var _ backend.Weight = (*Weight)(nil)

// TestLoader: what is in device memory are the file's bytes, in chunks of the size
// that was asked for, small matrices together, large ones by whole rows.
func TestLoader(t *testing.T) {
	f := newFake(t)
	infos, _ := f.Driver().Devices()
	g, err := f.Driver().Open(infos[0])
	if err != nil {
		t.Fatal(err)
	}
	l, err := g.NewLoader()
	if err != nil {
		t.Fatal(err)
	}
	l.chunk = 4096
	l.staging = l.staging[:200:200] // uneven pieces
	for _, c := range []struct {
		name       string
		typ        quant.Type
		rows, cols int
		parts      int
	}{
		{"small", quant.F32, 1, 40, 1}, {"small too", quant.F32, 3, 40, 1}, {"half", quant.F16, 20, 100, 1},
		{"large", quant.Q8_0, 300, 64, 5}, {"whole", quant.F32, 16, 64, 1}, {"none", quant.F32, 0, 64, 0},
	} {
		row, _ := c.typ.RowBytes(c.cols)
		data := make([]byte, c.rows*row)
		for i := range data {
			data[i] = byte(i*i + i>>8 + len(c.name))
		}
		w, err := l.Weight(c.name, quant.Matrix{Type: c.typ, Rows: c.rows, Cols: c.cols, Data: data})
		if c.rows == 0 {
			if err == nil && len(w.parts) != 0 {
				t.Error("an empty matrix has parts")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		next := 0
		for _, p := range w.parts {
			if p.first != next || p.at%alignment != 0 {
				t.Errorf("%s: part at row %d of address %#x, want row %d", c.name, p.first, p.at, next)
			}
			next += p.rows
			got = append(got, f.within(p.at, uint64(p.rows*row))...)
		}
		if !bytes.Equal(got, data) || len(w.parts) != c.parts {
			t.Errorf("%s: %d parts (want %d), bytes equal: %v", c.name, len(w.parts), c.parts, bytes.Equal(got, data))
		}
		if r, n := w.Shape(); r != c.rows || n != c.cols || w.Name() != c.name {
			t.Errorf("%s: [%d, %d]", w.Name(), r, n)
		}
	}
	for _, b := range f.mem {
		if len(b) > 4096 {
			t.Errorf("a chunk of %d bytes", len(b))
		}
	}
	if _, err := l.Weight("long", quant.Matrix{Type: quant.F32, Rows: 1, Cols: 2048, Data: make([]byte, 8192)}); err == nil || !strings.Contains(err.Error(), `"long": a row of 8192 bytes`) {
		t.Error(err)
	}
	if _, err := l.Weight("short", quant.Matrix{Type: quant.F32, Rows: 2, Cols: 64, Data: make([]byte, 8)}); err == nil {
		t.Error("a matrix without its bytes is taken")
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	f.leaks()
}

// TestLoaderFull: a device that fills up in the middle is an error that names the
// tensor, and everything is given back.
func TestLoaderFull(t *testing.T) {
	f := newFake(t)
	f.total = 10000
	infos, _ := f.Driver().Devices()
	g, err := f.Driver().Open(infos[0])
	if err != nil {
		t.Fatal(err)
	}
	l, err := g.NewLoader()
	if err != nil {
		t.Fatal(err)
	}
	l.chunk = 4096
	_, err = l.Weight("blk.0.ffn_up.weight", quant.Matrix{Type: quant.F32, Rows: 64, Cols: 64, Data: make([]byte, 64*256)})
	if err == nil || !strings.Contains(err.Error(), "blk.0.ffn_up.weight") || !strings.Contains(err.Error(), "out of device memory") {
		t.Error(err)
	}
	for _, closing := range []func() error{l.Close, l.Close, g.Close} {
		if err := closing(); err != nil {
			t.Error(err)
		}
	}
	f.leaks()
}
