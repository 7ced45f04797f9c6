package gguf_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/quant"
)

func sampleLayout() gguf.Layout {
	return gguf.Layout{
		KVs: []gguf.KV{
			{Key: "general.architecture", Value: gguf.String("llama")},
			{Key: "u8", Value: gguf.Uint8(200)}, {Key: "i8", Value: gguf.Int8(-100)}, {Key: "u16", Value: gguf.Uint16(60000)}, {Key: "i16", Value: gguf.Int16(-30000)},
			{Key: "u32", Value: gguf.Uint32(4e9)}, {Key: "i32", Value: gguf.Int32(-2e9)}, {Key: "u64", Value: gguf.Uint64(1 << 63)}, {Key: "i64", Value: gguf.Int64(-1 << 60)},
			{Key: "f32", Value: gguf.Float32(0.5)}, {Key: "f64", Value: gguf.Float64(1.0 / 3)}, {Key: "yes", Value: gguf.Bool(true)}, {Key: "no", Value: gguf.Bool(false)}, {Key: "empty", Value: gguf.String("")},
			{Key: "strings", Value: gguf.Strings([]string{"a", "", "中文"})}, {Key: "ints", Value: gguf.Int32s([]int32{1, -2})}, {Key: "floats", Value: gguf.Float32s([]float32{1, -2})},
			{Key: "none", Value: gguf.Strings(nil)}, {Key: "bytes", Value: gguf.Bytes([]byte{1, 2})}, {Key: "bools", Value: gguf.Bools([]bool{true, false})}, {Key: "uints", Value: gguf.Uint32s([]uint32{1 << 31})},
		},
		Tensors: []gguf.TensorInfo{
			{Name: "a.weight", Type: quant.Q8_0, Dims: []uint64{64, 3}},
			{Name: "b.bias", Type: quant.F32, Dims: []uint64{7}},
			{Name: "c.weight", Type: quant.F16, Dims: []uint64{5, 2, 3, 1}},
		},
	}
}

// fill writes random bytes to every tensor in pieces, from several goroutines,
// and returns what each should hold.
func fill(t testing.TB, w *gguf.Writer, l gguf.Layout, seed uint64) [][]byte {
	var want [][]byte
	var wg sync.WaitGroup
	rng := rand.New(rand.NewPCG(seed, 1))
	for i, x := range l.Tensors {
		n, _ := x.Type.RowBytes(int(x.Dims[0]))
		for _, d := range x.Dims[1:] {
			n *= int(d)
		}
		b := make([]byte, n)
		for j := range b {
			b[j] = byte(rng.Uint32())
		}
		want = append(want, b)
		for lo := 0; lo < n; lo += 17 {
			hi := min(n, lo+17)
			wg.Go(func() {
				if err := w.WriteAt(i, int64(lo), b[lo:hi]); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	return want
}

func write(t testing.TB, path string, l gguf.Layout, seed uint64) [][]byte {
	t.Helper()
	w, err := gguf.Create(path, l, true)
	if err != nil {
		t.Fatal(err)
	}
	want := fill(t, w, l, seed)
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil { // no-op
		t.Fatal(err)
	}
	return want
}

// check compares a file with the layout and the bytes written.
func check(t testing.TB, f *gguf.File, l gguf.Layout, want [][]byte) {
	t.Helper()
	for i, kv := range l.KVs {
		if got := f.KVs()[i]; got.Key != kv.Key || !got.Value.Equal(kv.Value) {
			t.Errorf("key %d: got %q %v, want %q %v", i, got.Key, got.Value, kv.Key, kv.Value)
		}
	}
	if len(f.Tensors()) != len(l.Tensors) {
		t.Fatalf("%d tensors, want %d", len(f.Tensors()), len(l.Tensors))
	}
	for i, x := range l.Tensors {
		got := f.Tensors()[i]
		data, err := got.Data()
		if err != nil || got.Name != x.Name || got.Type != x.Type || !bytes.Equal(data, want[i]) {
			t.Errorf("tensor %d: got %+v, %d bytes, want %+v, %d (%v)", i, got, len(data), x, len(want[i]), err)
		}
		if got.Offset%f.Alignment() != 0 {
			t.Errorf("tensor %d at %d", i, got.Offset)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, align := range []uint32{0, 32, 64, 4096} {
		path := filepath.Join(t.TempDir(), "m.gguf")
		l := sampleLayout()
		l.Alignment = align
		want := write(t, path, l, 1)
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		check(t, f, l, want)
		if align == 0 && f.Alignment() != 64 || align != 0 && f.Alignment() != uint64(align) {
			t.Errorf("alignment %d, want %d", f.Alignment(), align)
		}
		if f.FileSize()%f.Alignment() != 0 {
			t.Errorf("%d bytes are no multiple of %d", f.FileSize(), f.Alignment())
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		first, _ := os.ReadFile(path)
		write(t, path, l, 1)
		if second, _ := os.ReadFile(path); !bytes.Equal(first, second) {
			t.Error("the same layout and data gave other bytes")
		}
	}
}

func TestRoundTripRandom(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		types := []quant.Type{quant.F32, quant.F16, quant.Q8_0, quant.Q4_K, quant.I8, quant.NVFP4}
		l := gguf.Layout{Alignment: 1 << rapid.IntRange(0, 8).Draw(rt, "alignment")}
		for i, s := range rapid.SliceOfN(rapid.String(), 0, 8).Draw(rt, "strings") {
			l.KVs = append(l.KVs, gguf.KV{Key: "k" + string(rune('a'+i)), Value: gguf.Strings([]string{s, s})})
		}
		for i := range rapid.IntRange(0, 6).Draw(rt, "tensors") {
			typ := rapid.SampledFrom(types).Draw(rt, "type")
			dims := []uint64{uint64(typ.Block() * rapid.IntRange(1, 3).Draw(rt, "blocks"))}
			for range rapid.IntRange(0, 3).Draw(rt, "more dimensions") {
				dims = append(dims, uint64(rapid.IntRange(1, 3).Draw(rt, "dimension")))
			}
			l.Tensors = append(l.Tensors, gguf.TensorInfo{Name: "t" + string(rune('a'+i)), Type: typ, Dims: dims})
		}
		path := filepath.Join(dir, "m.gguf")
		want := write(t, path, l, 3)
		b, err := os.ReadFile(path)
		if err != nil {
			rt.Fatal(err)
		}
		f, err := gguf.Parse(b)
		if err != nil {
			rt.Fatal(err)
		}
		check(t, f, l, want)
	})
}

func TestCreateRefuses(t *testing.T) {
	f32 := func(name string, dims ...uint64) gguf.TensorInfo {
		return gguf.TensorInfo{Name: name, Type: quant.F32, Dims: dims}
	}
	kv := func(k string) gguf.KV { return gguf.KV{Key: k, Value: gguf.Bool(true)} }
	for _, c := range []struct {
		name string
		l    gguf.Layout
		says string
	}{
		{"alignment", gguf.Layout{Alignment: 48}, "alignment 48"},
		{"alignment key differs", gguf.Layout{KVs: []gguf.KV{{Key: "general.alignment", Value: gguf.Uint32(32)}}}, "the alignment is 64"},
		{"duplicate key", gguf.Layout{KVs: []gguf.KV{kv("a"), kv("a")}}, `key "a": duplicate`},
		{"empty key", gguf.Layout{KVs: []gguf.KV{kv("")}}, "key of 0 bytes"},
		{"no value", gguf.Layout{KVs: []gguf.KV{{Key: "a"}}}, "no value"},
		{"duplicate tensor", gguf.Layout{Tensors: []gguf.TensorInfo{f32("a", 1), f32("a", 1)}}, `tensor "a": duplicate`},
		{"no name", gguf.Layout{Tensors: []gguf.TensorInfo{f32("", 1)}}, "name of 0 bytes"},
		{"long name", gguf.Layout{Tensors: []gguf.TensorInfo{f32(strings.Repeat("x", 64), 1)}}, "name of 64 bytes"},
		{"no dimension", gguf.Layout{Tensors: []gguf.TensorInfo{f32("a")}}, "0 dimensions"},
		{"5 dimensions", gguf.Layout{Tensors: []gguf.TensorInfo{f32("a", 1, 1, 1, 1, 1)}}, "5 dimensions"},
		{"dimension 0", gguf.Layout{Tensors: []gguf.TensorInfo{f32("a", 1, 0)}}, "dimension of 0"},
		{"block", gguf.Layout{Tensors: []gguf.TensorInfo{{Name: "a", Type: quant.Q8_0, Dims: []uint64{33}}}}, "no multiple"},
		{"type", gguf.Layout{Tensors: []gguf.TensorInfo{{Name: "a", Type: 99, Dims: []uint64{32}}}}, "unknown tensor type 99"},
		{"overflow", gguf.Layout{Tensors: []gguf.TensorInfo{f32("a", 1<<40, 1<<40)}}, "overflows"},
		{"exabytes", gguf.Layout{Tensors: []gguf.TensorInfo{f32("a", 1<<59)}}, "bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			w, err := gguf.Create(filepath.Join(dir, "m.gguf"), c.l, false)
			if err == nil {
				_ = w.Abort()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want %q", err, c.says)
			}
			empty(t, dir)
		})
	}
}

// empty fails if the folder holds anything.
func empty(t *testing.T, dir string) {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil || len(es) != 0 {
		t.Errorf("%v left in the folder (%v)", es, err)
	}
}

func TestExists(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.gguf")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := gguf.Create(path, sampleLayout(), false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want ErrExist", err)
	}
	if _, err := gguf.Create(dir, sampleLayout(), true); err == nil || !strings.Contains(err.Error(), "it is a folder") {
		t.Errorf("a folder: got %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w, err := gguf.Create(path, sampleLayout(), false)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, w, sampleLayout(), 1)
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil { // appears while writing
		t.Fatal(err)
	}
	if err := w.Commit(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want ErrExist", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Errorf("the file is now %d bytes", len(b))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	empty(t, dir)
}

func TestCommitIncomplete(t *testing.T) {
	l := sampleLayout()
	for _, c := range []struct {
		name  string
		write func(w *gguf.Writer) error
		says  string
	}{
		{"nothing", func(*gguf.Writer) error { return nil }, `tensor "a.weight": 0 of 204 bytes`},
		{"a gap", func(w *gguf.Writer) error {
			return errors.Join(w.WriteAt(0, 0, make([]byte, 100)), w.WriteAt(0, 101, make([]byte, 103)))
		}, `tensor "a.weight": 203 of 204 bytes`},
		{"twice the same", func(w *gguf.Writer) error {
			return errors.Join(w.WriteAt(0, 0, make([]byte, 102)), w.WriteAt(0, 0, make([]byte, 102)))
		}, `tensor "a.weight": 102 of 204 bytes`},
		{"all but the last", func(w *gguf.Writer) error {
			return errors.Join(w.WriteAt(0, 0, make([]byte, 204)), w.WriteAt(1, 0, make([]byte, 28)), w.WriteAt(2, 0, make([]byte, 59)))
		}, `tensor "c.weight": 59 of 60 bytes`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			w, err := gguf.Create(filepath.Join(dir, "m.gguf"), l, false)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.write(w); err != nil {
				t.Fatal(err)
			}
			if err := w.Commit(); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			empty(t, dir)
			if err := errors.Join(w.Abort(), w.Abort()); err != nil {
				t.Error(err)
			}
			if err := w.Commit(); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("a second Commit: %v", err)
			}
		})
	}
}

func TestWriteBounds(t *testing.T) {
	dir := t.TempDir()
	w, err := gguf.Create(filepath.Join(dir, "m.gguf"), sampleLayout(), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tensor int
		off    int64
		n      int
	}{{-1, 0, 1}, {3, 0, 1}, {0, -1, 1}, {0, 205, 0}, {0, 204, 1}, {0, 0, 205}, {0, 1<<63 - 1, 8}} {
		if err := w.WriteAt(c.tensor, c.off, make([]byte, c.n)); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteAt(0, 0, make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Abort: %v", err)
	}
	empty(t, dir)
}

func TestCreateMissingFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	_, err := gguf.Create(filepath.Join(dir, "m.gguf"), sampleLayout(), false)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "folder "+dir+": ") || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("got %v, want ErrNotExist that names the folder", err)
	}
}

func TestLongName(t *testing.T) {
	write(t, filepath.Join(t.TempDir(), strings.Repeat("n", 250)+".gguf"), sampleLayout(), 1)
}
