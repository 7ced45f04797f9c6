// Package convert turns checkpoints into GGUF files: safetensors and PyTorch
// checkpoints in a Hugging Face folder, or another GGUF, become one file that
// holds the weights, the tokenizer and the model's description. Weights are
// streamed: whatever the checkpoint's size, a run keeps its buffers below
// Options.MaxMemory. It never executes anything found in a checkpoint, never
// guesses what a file is, and leaves no output file behind an error.
//
//	r, err := convert.Quantize(ctx, convert.Options{
//		Source: "Qwen2.5-0.5B", Out: "model.gguf", Type: "q8_0",
//	})
package convert

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/qwq-edge/qwq/convert/hf"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/internal/kernel"
)

// DefaultMaxMemory is the buffer limit used when Options.MaxMemory is 0, and
// MinMemory the least that is accepted.
const (
	DefaultMaxMemory = 512 << 20
	MinMemory        = 8 << 20
)

// Options say what Quantize reads and writes. Source, Out and Type are needed,
// every other field's zero value is its default.
type Options struct {
	Source         string // HF folder, .safetensors/.bin/.pt file, GGUF; single files also as .gz or .zst
	Out            string // path of the GGUF to write
	Arch           string // "qwq-seed" for a state_dict of the article's modules; "" = as the checkpoint says
	Config         string // with Arch: JSON file of what the state_dict cannot say; "" = defaults
	Type           string // "q8_0", "f16", … in any case; aliases int8 and fp16
	TensorTypes    []Rule // exceptions by tensor name; the last rule that matches wins
	MaxMemory      int64  // bytes of buffers; 0 = DefaultMaxMemory, at least MinMemory
	Threads        int    // workers that quantize; 0 = runtime.NumCPU()
	Force          bool   // replace Out if it exists
	AllowNonFinite bool   // write NaN and Inf weights instead of refusing them

	// Progress, when set, is told how many source bytes are done; what is the
	// tensor or the file being read. Calls come from one goroutine at a time.
	Progress func(done, total int64, what string)
}

// Rule gives the 2-D tensors whose GGUF name matches Regex the type Type.
type Rule struct {
	Regex string
	Type  string
}

// Report is what a run did, in the order of the file's tensors.
type Report struct {
	Arch     string         `json:"architecture"`
	Source   string         `json:"source"` // "safetensors", "torch", "gguf"
	Tensors  []TensorReport `json:"tensors"`
	InBytes  int64          `json:"in_bytes"`  // bytes of the source's tensors
	OutBytes int64          `json:"out_bytes"` // size of the file written
	Seconds  float64        `json:"seconds"`
	Warnings []string       `json:"warnings,omitempty"`
}

// TensorReport is one tensor of a Report.
type TensorReport struct {
	Name     string `json:"name"`
	Shape    []int  `json:"shape"` // rows first
	From     string `json:"from"`  // source type as its format spells it
	To       string `json:"to"`    // ggml's spelling
	Bytes    int64  `json:"bytes"` // in the file written
	Fallback string `json:"fallback,omitempty"`
}

// Quantize writes Options.Source to Options.Out. The file appears under its
// name only when it is complete; on an error, and when ctx ends, nothing is
// left. The bytes written depend on the source, Type and TensorTypes alone.
func Quantize(ctx context.Context, o Options) (*Report, error) {
	start := time.Now()
	p, err := o.check()
	if err != nil {
		return nil, err
	}
	src, err := openSource(o.Source, opening{ctx: ctx, out: o.Out, spool: filepath.Dir(o.Out), limit: o.MaxMemory, note: o.Progress})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	r := &Report{Source: string(src.kind), Warnings: src.warnings}
	var items []*item
	var kvs []gguf.KV
	if o.Arch == arch.Seed {
		items, kvs, err = src.describeSeed(p, r, o.Config)
	} else {
		items, kvs, err = src.describe(p, r)
	}
	if err != nil {
		return nil, err
	}
	if err := p.unused(); err != nil {
		return nil, err
	}
	r.fill(items)
	if err := o.write(ctx, items, kvs, r); err != nil {
		return nil, err
	}
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// check sets defaults and refuses what cannot work.
func (o *Options) check() (*plan, error) {
	if o.Source == "" || o.Out == "" {
		return nil, errors.New("convert: no source or no output")
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = DefaultMaxMemory
	}
	if o.MaxMemory < MinMemory {
		return nil, fmt.Errorf("convert: memory limit of %d bytes, the least is %d", o.MaxMemory, MinMemory)
	}
	if o.Arch != "" && o.Arch != arch.Seed {
		return nil, fmt.Errorf("convert: architecture %.40q is not one that is named (only %s is), the checkpoint's config.json says it", o.Arch, arch.Seed)
	}
	if o.Config != "" && o.Arch == "" {
		return nil, errors.New("convert: a configuration without an architecture")
	}
	if o.Threads < 0 || o.Threads > 1024 {
		return nil, fmt.Errorf("convert: %d threads, want 1 to 1024", o.Threads)
	}
	if o.Threads == 0 {
		o.Threads = runtime.NumCPU()
	}
	if _, err := gguf.Target(o.Out, o.Force); err != nil {
		return nil, fmt.Errorf("convert: output %s: %w", o.Out, err)
	}
	return newPlan(o.Type, o.TensorTypes)
}

// describe lists the tensors and the metadata of the file to write.
func (s *source) describe(p *plan, r *Report) ([]*item, []gguf.KV, error) {
	if s.kind == kindGGUF {
		r.Arch = s.gguf.Arch()
		if _, err := checkGGUF(s.gguf); err != nil {
			return nil, nil, err
		}
		items, err := fromGGUF(s.gguf, s.tensors, p)
		return items, copiedKVs(s.gguf, p), err
	}
	m, err := hf.Load(s.dir)
	if err != nil {
		return nil, nil, err
	}
	r.Arch = m.Arch
	items, warnings, err := fromHF(m, s.tensors, p)
	if err != nil {
		return nil, nil, err
	}
	kvs := append(fileKVs(m.Arch, s.modelName(), p), m.KVs...)
	tok, more, err := tokenizerKVs(s.dir, m)
	r.Warnings = slices.Concat(r.Warnings, m.Warnings, warnings, more)
	return items, append(kvs, tok...), err
}

// fill lists what will be written.
func (r *Report) fill(items []*item) {
	for _, it := range items {
		size := it.rows * it.cols / int64(it.info.Type.Block()) * int64(it.info.Type.BlockBytes())
		t := TensorReport{Name: it.info.Name, From: "computed", To: it.info.Type.String(), Bytes: size}
		for _, d := range slices.Backward(it.info.Dims) {
			t.Shape = append(t.Shape, int(d))
		}
		if it.src != nil {
			t.From = it.src.TypeName()
			r.InBytes += it.src.Bytes()
		}
		if it.fallback != "" {
			t.Fallback = fmt.Sprintf("row of %d is no multiple of %s's block", it.cols, it.fallback)
		}
		r.Tensors = append(r.Tensors, t)
	}
}

// write makes the file.
func (o *Options) write(ctx context.Context, items []*item, kvs []gguf.KV, r *Report) (err error) {
	l := gguf.Layout{KVs: kvs}
	for _, it := range items {
		l.Tensors = append(l.Tensors, it.info)
	}
	codec, err := kernel.NewCodec("")
	if err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	w, err := gguf.Create(o.Out, l, o.Force)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Abort())
		}
	}()
	pl := &pipeline{items: items, w: w, codec: codec, anyValue: o.AllowNonFinite, progress: o.Progress, total: r.InBytes}
	if err := pl.run(ctx, o.Threads, o.MaxMemory); err != nil {
		return err
	}
	r.OutBytes = w.Size()
	return w.Commit()
}
