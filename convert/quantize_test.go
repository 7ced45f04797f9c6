package convert

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
)

// run quantizes src and returns the file's bytes; the folder must hold nothing
// else afterwards.
func run(t testing.TB, o Options) ([]byte, *Report) {
	t.Helper()
	o.Out = filepath.Join(t.TempDir(), "out.gguf")
	r, err := Quantize(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(o.Out)
	if err != nil {
		t.Fatal(err)
	}
	if e, _ := os.ReadDir(filepath.Dir(o.Out)); len(e) != 1 {
		t.Errorf("%d entries beside the output, want none", len(e)-1)
	}
	if int64(len(b)) != r.OutBytes {
		t.Errorf("report says %d bytes, file has %d", r.OutBytes, len(b))
	}
	return b, r
}

// expected is tensor n of the file that c should become: rows permuted, encoded
// one by one.
func expected(t *testing.T, c *ckpt, n arch.Named, typ quant.Type) []byte {
	t.Helper()
	m := c.tensors[n.HFName]
	rows, cols := 1, m.shape[0]
	if len(m.shape) == 2 {
		rows, cols = m.shape[0], m.shape[1]
	}
	rb, _ := typ.RowBytes(cols)
	out := make([]byte, rows*rb)
	for r := range rows {
		s := r
		if n.Permute { // head of 16: pair i is rows i and i+8
			h, i := r/16*16, r%16
			s = h + i/2
			if i%2 == 1 {
				s += 8
			}
		}
		if err := quant.Encode(typ, out[r*rb:(r+1)*rb], m.v[s*cols:(s+1)*cols]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestTypes compares every tensor with quant.Encode row by row, for every
// type and every source element type.
func TestTypes(t *testing.T) {
	c := tinyLlama(100)
	for _, dtype := range []string{"F64", "F32", "F16", "BF16"} {
		dir := c.write(t, dtype)
		for _, typ := range Types() {
			want, err := quant.ParseType(typ)
			if err != nil {
				t.Fatal(err)
			}
			if want.Block() > 32 {
				continue
			}
			b, r := run(t, Options{Source: dir, Type: typ})
			f, err := gguf.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			h, err := arch.ReadHyper(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Arch.CheckFile(f, h); err != nil {
				t.Error(err)
			}
			if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "no tokenizer") {
				t.Errorf("warnings %q, want one about the tokenizer", r.Warnings)
			}
			for _, ft := range f.Tensors() {
				n, _ := h.Arch.Find(ft.Name)
				w := want
				if n.Vector {
					w = quant.F32
				}
				if ft.Type != w {
					t.Errorf("%s from %s to %s: type %v, want %v", ft.Name, dtype, typ, ft.Type, w)
					continue
				}
				got, err := ft.Data()
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, expected(t, c, n, w)) {
					t.Errorf("%s from %s to %s differs from quant.Encode", ft.Name, dtype, typ)
				}
			}
		}
	}
}

// TestSameBytes: threads, memory limits, shards, containers and compression
// change nothing.
func TestSameBytes(t *testing.T) {
	c := tinyLlama(9000) // an embedding of 576,000 weights: several chunks
	dir := c.write(t, "BF16")
	for _, typ := range []string{"q8_0", "bf16"} {
		want, _ := run(t, Options{Source: dir, Type: typ, Threads: 1})
		for _, threads := range []int{2, 5} {
			for _, limit := range []int64{MinMemory, 64 << 20} {
				got, _ := run(t, Options{Source: dir, Type: typ, Threads: threads, MaxMemory: limit})
				if !bytes.Equal(got, want) {
					t.Errorf("%s with %d threads and %d bytes differs", typ, threads, limit)
				}
			}
		}
		if got, r := run(t, Options{Source: c.shards(t, "BF16"), Type: typ}); !bytes.Equal(got, want) || r.Source != "safetensors" {
			t.Errorf("%s from shards differs", typ)
		}
		for name, transposed := range map[string]func(string) bool{
			"plain":      func(string) bool { return false },
			"transposed": func(string) bool { return true },
		} {
			for _, method := range []uint16{zip.Store, zip.Deflate} {
				d := filepath.Join(t.TempDir(), "tiny-llama")
				c.put(t, d, "config.json", c.configJSON())
				c.put(t, d, "pytorch_model.bin", c.torch(t, method, transposed))
				for _, limit := range []int64{MinMemory, 512 << 20} {
					if got, _ := run(t, Options{Source: d, Type: typ, MaxMemory: limit}); !bytes.Equal(got, want) {
						t.Errorf("%s from a %s torch file (zip method %d, limit %d) differs", typ, name, method, limit)
					}
				}
			}
		}
	}
}

// TestLargerThanLimit: an embedding of 9 MB, stored either way, under a limit of 8 MiB.
func TestLargerThanLimit(t *testing.T) {
	c := tinyLlama(70000)
	dir := c.write(t, "BF16")
	want, r := run(t, Options{Source: dir, Type: "q8_0", MaxMemory: MinMemory})
	if size := int64(2 * 70000 * 64); size <= MinMemory || r.InBytes < 2*size {
		t.Fatalf("the embedding has %d bytes, the source %d", size, r.InBytes)
	}
	d := filepath.Join(t.TempDir(), "tiny-llama")
	c.put(t, d, "config.json", c.configJSON())
	c.put(t, d, "pytorch_model.bin", c.torch(t, zip.Store, func(string) bool { return true }))
	for _, threads := range []int{1, 4} {
		if got, _ := run(t, Options{Source: d, Type: "q8_0", MaxMemory: MinMemory, Threads: threads}); !bytes.Equal(got, want) {
			t.Errorf("transposed, %d threads: differs", threads)
		}
	}
}

// TestBuffers: what run would allocate stays below the limit, whatever the shapes.
func TestBuffers(t *testing.T) {
	for _, cols := range []int64{32, 1 << 10, 1 << 20, 1 << 30} {
		for _, strided := range []bool{false, true} {
			src := &checkpoint.Tensor{DType: checkpoint.F32, Shape: []int64{64, cols}}
			if strided {
				src.Strides = []int64{1, 64}
			}
			it := &item{src: src, rows: 64, cols: cols}
			it.info.Type = quant.F32
			p := &pipeline{items: []*item{it}}
			for _, limit := range []int64{MinMemory, 512 << 20} {
				in, out := p.size(limit, 3)
				if fits := 3*(in+out) <= limit; fits != (!strided || cols < limit/64) {
					t.Errorf("%d columns, strided %v, limit %d: buffers of %d and %d", cols, strided, limit, in, out)
				}
			}
		}
	}
}

// TestRequantize: a GGUF of F32 gives the file that the checkpoint gives, and
// the same type again gives the same tensors.
func TestRequantize(t *testing.T) {
	c := tinyLlama(100)
	dir := c.write(t, "F32")
	tmp := t.TempDir()
	full, _ := run(t, Options{Source: dir, Type: "f32"})
	src := filepath.Join(tmp, "tiny-llama.gguf")
	if err := os.WriteFile(src, full, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{"q8_0", "f16", "f32"} {
		direct, _ := run(t, Options{Source: dir, Type: typ})
		via, r := run(t, Options{Source: src, Type: typ})
		if r.Source != "gguf" || r.Arch != "llama" {
			t.Errorf("report says %s, %s", r.Source, r.Arch)
		}
		sameTensors(t, via, direct)
		again := filepath.Join(tmp, typ+".gguf")
		if err := os.WriteFile(again, via, 0o644); err != nil {
			t.Fatal(err)
		}
		twice, _ := run(t, Options{Source: again, Type: typ})
		if !bytes.Equal(twice, via) {
			t.Errorf("%s to %s changed the file", typ, typ)
		}
	}
}

func sameTensors(t *testing.T, a, b []byte) {
	t.Helper()
	fa, err := gguf.Parse(a)
	if err != nil {
		t.Fatal(err)
	}
	fb, err := gguf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(fa.Tensors()) != len(fb.Tensors()) {
		t.Errorf("%d tensors, want %d", len(fa.Tensors()), len(fb.Tensors()))
	}
	for _, x := range fb.Tensors() {
		y := fa.Tensor(x.Name)
		if y == nil || y.Type != x.Type || !slices.Equal(y.Dims, x.Dims) {
			t.Errorf("tensor %q: got %+v, want %+v", x.Name, y, x)
			continue
		}
		dx, _ := x.Data()
		dy, _ := y.Data()
		if !bytes.Equal(dx, dy) {
			t.Errorf("tensor %q differs", x.Name)
		}
	}
}

func TestRulesAndFallback(t *testing.T) {
	c := tinyLlama(100)
	for n, m := range c.tensors { // ffn of 72: no multiple of 32
		if strings.Contains(n, "mlp.") {
			for i, d := range m.shape {
				if d == 96 {
					m.shape[i] = 72
				}
			}
			m.v = m.v[:m.shape[0]*m.shape[1]]
			c.tensors[n] = m
		}
	}
	c.config["intermediate_size"] = 72
	dir := c.write(t, "F32")
	b, r := run(t, Options{Source: dir, Type: "q4_0", TensorTypes: []Rule{{"attn_v", "q8_0"}, {`blk\.1\.attn_v`, "f16"}}})
	f, err := gguf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]quant.Type{
		"blk.0.attn_v.weight": quant.Q8_0, "blk.1.attn_v.weight": quant.F16, "blk.0.ffn_down.weight": quant.F16,
		"blk.0.ffn_up.weight": quant.Q4_0, "token_embd.weight": quant.Q4_0, "blk.0.attn_norm.weight": quant.F32,
	} {
		if got := f.Tensor(name).Type; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	fell := 0
	for _, x := range r.Tensors {
		if x.Fallback != "" {
			fell++
			if !strings.Contains(x.Name, "ffn_down") || !strings.Contains(x.Fallback, "Q4_0") {
				t.Errorf("%s: fallback %q", x.Name, x.Fallback)
			}
		}
	}
	if fell != 2 {
		t.Errorf("%d fallbacks reported, want 2", fell)
	}
}

func TestOutputIsKept(t *testing.T) {
	dir := tinyLlama(20).write(t, "F32")
	out := filepath.Join(t.TempDir(), "out.gguf")
	if err := os.WriteFile(out, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Quantize(context.Background(), Options{Source: dir, Out: out, Type: "q8_0"}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	if b, _ := os.ReadFile(out); string(b) != "mine" {
		t.Error("the file was changed")
	}
	if _, err := Quantize(context.Background(), Options{Source: dir, Out: out, Type: "q8_0", Force: true}); err != nil {
		t.Error(err)
	}
	if _, err := Quantize(context.Background(), Options{Source: out, Out: out, Type: "q4_0", Force: true}); err == nil {
		t.Error("a file was converted onto itself")
	}
}

// TestCancel: a context that ends in mid-write leaves nothing.
func TestCancel(t *testing.T) {
	dir := tinyLlama(9000).write(t, "BF16")
	tmp := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	_, err := Quantize(ctx, Options{Source: dir, Out: filepath.Join(tmp, "out.gguf"), Type: "q8_0", MaxMemory: MinMemory, Progress: func(done, total int64, what string) {
		if calls++; calls == 2 {
			cancel()
		}
		if done > total || what == "" {
			t.Errorf("progress %d of %d, %q", done, total, what)
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if e, _ := os.ReadDir(tmp); len(e) != 0 {
		t.Errorf("%v is left", e)
	}
}
