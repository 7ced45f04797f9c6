package export

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
)

// Weights is the trained numbers over the file that training began with.
type Weights struct {
	Base   *gguf.File   // metadata, tokenizer, and what was not trained
	Params *tape.Params // nil: Base as it is
	Flat   []float32    // in place of Params.Flat: a moving average; may be nil
	LoRA   tape.LoRA    // that the tape had: its pairs are added to their matrices
}

// Options are about the output; the zero value works.
type Options struct {
	Type  quant.Type // of the matrices: F32 (the zero value), F16 or BF16; vectors are F32
	Name  string     // general.name; "": Base's
	Force bool       // replace what exists
	// Tokenizer is a Hugging Face folder whose tokenizer files HF copies; "": HF
	// writes them from Base's keys.
	Tokenizer string
}

// fileTypes is llama.cpp's general.file_type.
var fileTypes = map[quant.Type]uint32{quant.F32: 0, quant.F16: 1, quant.BF16: 32}

// plan is a checked export.
type plan struct {
	Weights
	o     Options
	hyper arch.Hyper
	named []arch.Named
	index map[string]int // of Params.Table
}

func (w Weights) plan(o Options) (*plan, error) {
	if _, ok := fileTypes[o.Type]; !ok {
		return nil, fmt.Errorf("export: type %v is not F32, F16 or BF16", o.Type)
	}
	h, err := arch.ReadHyper(w.Base)
	if err != nil {
		return nil, err
	}
	if err := h.Arch.CheckFile(w.Base, h); err != nil {
		return nil, err
	}
	p := &plan{Weights: w, o: o, hyper: h, index: map[string]int{}}
	p.named = slices.DeleteFunc(h.Arch.Expand(h.Dims()), func(n arch.Named) bool { return w.Base.Tensor(n.Name) == nil })
	if w.Params == nil {
		return p, nil
	}
	if p.Flat == nil {
		p.Flat = w.Params.Flat
	}
	if len(p.Flat) != len(w.Params.Flat) {
		return nil, fmt.Errorf("export: %d numbers for %d parameters", len(p.Flat), len(w.Params.Flat))
	}
	for i, e := range w.Params.Table {
		p.index[e.Name] = i
	}
	return p, p.match()
}

// match checks that every parameter is a tensor of the base or half of a pair for
// one, of the right shape.
func (p *plan) match() error {
	used := 0
	want := func(name string, rows, cols int) error {
		i, ok := p.index[name]
		if !ok {
			return nil
		}
		used++
		e := p.Params.Table[i]
		if t := p.Base.Tensor(name); t != nil && len(t.Dims) == 4 && rows*cols%e.Rows == 0 { // a convolution is trained as one matrix
			rows, cols = e.Rows, rows*cols/e.Rows
		}
		if e.Rows != rows || e.Cols != cols {
			return fmt.Errorf("export: parameter %q is [%d, %d], want [%d, %d]", name, e.Rows, e.Cols, rows, cols)
		}
		return nil
	}
	for _, n := range p.named {
		t := p.Base.Tensor(n.Name)
		rows, cols := int(t.Rows()), int(t.Dims[0])
		err := errors.Join(want(n.Name, rows, cols), want(n.Name+".lora_a", p.LoRA.Rank, cols), want(n.Name+".lora_b", rows, p.LoRA.Rank))
		if err != nil {
			return err
		}
	}
	if used != len(p.Params.Table) {
		return fmt.Errorf("export: %d of %d parameters belong to no tensor of the model", len(p.Params.Table)-used, len(p.Params.Table))
	}
	return nil
}

// typ is the type that a tensor is written in.
func (p *plan) typ(n arch.Named) quant.Type {
	if n.Vector {
		return quant.F32
	}
	return p.o.Type
}

// stream passes a tensor's rows to write as bytes of its type. halves: the rows of
// each head, which the file holds as pairs, in a checkpoint's order.
func (p *plan) stream(ctx context.Context, n arch.Named, halves bool, write func(off int64, b []byte) error) error {
	m, err := p.Base.Tensor(n.Name).Matrix()
	if err != nil {
		return err
	}
	size, ok := m.Type.RowBytes(m.Cols)
	if !ok {
		return fmt.Errorf("export: tensor %q: rows of %d %v", n.Name, m.Cols, m.Type)
	}
	x, typ := make([]float32, m.Cols), p.typ(n)
	width, _ := typ.RowBytes(m.Cols)
	one := make([]byte, width)
	row := func(r int) int { return r }
	if halves && n.Permute {
		row = p.pair
	}
	var buf []byte
	at := int64(0)
	for i := range m.Rows {
		r := i
		if !n.Vector {
			r = row(i)
		}
		if k, ok := p.index[n.Name]; ok {
			copy(x, p.Params.Of(p.Flat, k)[r*m.Cols:])
		} else if err := quant.Decode(m.Type, x, m.Data[r*size:(r+1)*size]); err != nil {
			return fmt.Errorf("export: tensor %q: %w", n.Name, err)
		}
		p.addPair(n.Name, r, x)
		if n.Vector { // a bias: its elements are rows
			old := slices.Clone(x)
			for c := range x {
				x[c] = old[row(c)]
			}
		}
		if c := quant.FirstNonFinite(x); c >= 0 {
			return fmt.Errorf("export: tensor %q: row %d, column %d is %v", n.Name, r, c, x[c])
		}
		if err := quant.Encode(typ, one, x); err != nil {
			return fmt.Errorf("export: tensor %q: %w", n.Name, err)
		}
		if c := overflow(typ, one); c >= 0 {
			return fmt.Errorf("export: tensor %q: row %d, column %d is %v, too large for %v", n.Name, r, c, x[c], typ)
		}
		if buf = append(buf, one...); len(buf) >= 1<<18 || i == m.Rows-1 {
			if err := errors.Join(ctx.Err(), write(at, buf)); err != nil {
				return err
			}
			at, buf = at+int64(len(buf)), buf[:0]
		}
	}
	return nil
}

// pair is where the file has row r of a checkpoint: of each head, rows i and
// i+dim/2 are its rows 2i and 2i+1.
func (p *plan) pair(r int) int {
	dim := p.hyper.HeadDim
	i := r % dim
	if i < dim/2 {
		return r - i + 2*i
	}
	return r - i + 2*(i-dim/2) + 1
}

// overflow is the place of the first number that rounding made infinite, -1 for
// none.
func overflow(t quant.Type, b []byte) int {
	mask := map[quant.Type]uint16{quant.F16: 0x7C00, quant.BF16: 0x7F80}[t]
	for i := 0; mask != 0 && i+1 < len(b); i += 2 {
		if binary.LittleEndian.Uint16(b[i:])&mask == mask {
			return i / 2
		}
	}
	return -1
}

// addPair adds row r of alpha/rank·B·A, sums in float64.
func (p *plan) addPair(name string, r int, x []float32) {
	ia, ok1 := p.index[name+".lora_a"]
	ib, ok2 := p.index[name+".lora_b"]
	if !ok1 || !ok2 {
		return
	}
	a, b := p.Params.Of(p.Flat, ia), p.Params.Of(p.Flat, ib)
	rank, scale := p.LoRA.Rank, 1.0
	if p.LoRA.Alpha != 0 {
		scale = p.LoRA.Alpha / float64(rank)
	}
	for c := range x {
		sum := 0.0
		for k := range rank {
			sum += float64(float64(b[r*rank+k]) * float64(a[k*len(x)+c]))
		}
		x[c] = float32(float64(x[c]) + float64(scale*sum))
	}
}

// GGUF writes the model as one file.
func (w Weights) GGUF(ctx context.Context, path string, o Options) error {
	p, err := w.plan(o)
	if err != nil {
		return err
	}
	l := gguf.Layout{KVs: p.metadata()}
	for _, n := range p.named {
		l.Tensors = append(l.Tensors, gguf.TensorInfo{Name: n.Name, Type: p.typ(n), Dims: p.Base.Tensor(n.Name).Dims})
	}
	f, err := gguf.Create(path, l, o.Force)
	if err != nil {
		return err
	}
	defer f.Abort()
	for i, n := range p.named {
		err := p.stream(ctx, n, false, func(off int64, b []byte) error { return f.WriteAt(i, off, b) })
		if err != nil {
			return err
		}
	}
	return f.Commit()
}

// metadata is Base's but for what describes the file.
func (p *plan) metadata() []gguf.KV {
	kvs := []gguf.KV{}
	for _, kv := range p.Base.KVs() {
		switch {
		case kv.Key == arch.KeyFileType, kv.Key == arch.KeyQuantVersion, kv.Key == "general.alignment", kv.Key == arch.KeyName && p.o.Name != "",
			len(kv.Key) > 6 && kv.Key[:6] == "split.":
			continue
		}
		kvs = append(kvs, kv)
	}
	if p.o.Name != "" {
		kvs = append(kvs, gguf.KV{Key: arch.KeyName, Value: gguf.String(p.o.Name)})
	}
	return append(kvs, gguf.KV{Key: arch.KeyFileType, Value: gguf.Uint32(fileTypes[p.o.Type])})
}
