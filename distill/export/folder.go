package export

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// HF writes the model as a folder: config.json, generation_config.json (of CLIP
// preprocessor_config.json), model.safetensors and the tokenizer's files.
func (w Weights) HF(ctx context.Context, dir string, o Options) (err error) {
	p, err := w.plan(o)
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	second := "generation_config.json"
	configs := p.config
	if p.hyper.Vision != nil {
		second, configs = "preprocessor_config.json", p.clipConfig
	}
	if files["config.json"], files[second], err = configs(); err != nil {
		return err
	}
	if err := p.tokenizer(files); err != nil {
		return err
	}
	dir = filepath.Clean(dir)
	if _, err := os.Lstat(dir); err == nil && !o.Force {
		return fmt.Errorf("export: %s: %w", dir, fs.ErrExist)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("export: %w", err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".tmp-")
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil { //nolint:gosec // a model folder is for everybody, as os.Mkdir's are
		return err
	}
	for name, b := range files {
		if err := save(filepath.Join(tmp, name), func(w io.Writer) error { _, err := w.Write(b); return err }); err != nil {
			return err
		}
	}
	if err := save(filepath.Join(tmp, "model.safetensors"), func(w io.Writer) error { return p.safetensors(ctx, w) }); err != nil {
		return err
	}
	return place(tmp, dir)
}

// place gives the finished folder its name; one that is there is set aside first
// and comes back on an error.
func place(tmp, dir string) error {
	old := tmp + ".old"
	switch err := os.Rename(dir, old); {
	case errors.Is(err, fs.ErrNotExist):
		old = ""
	case err != nil:
		return fmt.Errorf("export: %w", err)
	}
	if err := os.Rename(tmp, dir); err != nil {
		if old != "" {
			err = errors.Join(err, os.Rename(old, dir))
		}
		return fmt.Errorf("export: %w", err)
	}
	if old == "" {
		return nil
	}
	return os.RemoveAll(old)
}

// save writes a file and waits until it is on the disk.
func save(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	b := bufio.NewWriterSize(f, 1<<20)
	err = write(b)
	return errors.Join(err, b.Flush(), f.Sync(), f.Close())
}

// tokenizerFiles are what a folder's tokenizer may consist of.
var tokenizerFiles = []string{
	"tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
	"chat_template.jinja", "chat_template.json",
}

// tokenizer adds the tokenizer's files. A model without a tokenizer has none.
func (p *plan) tokenizer(files map[string][]byte) error {
	if _, ok := p.Base.Get("tokenizer.ggml.model"); !ok {
		return nil
	}
	own, err := tokenizer.FromGGUF(p.Base)
	if err != nil {
		return err
	}
	if p.o.Tokenizer == "" {
		made, err := own.HF()
		if err != nil {
			return fmt.Errorf("export: %w: name a folder that has the tokenizer's files", err)
		}
		for name, b := range made {
			files[name] = b
		}
		return nil
	}
	from, err := tokenizer.Load(p.o.Tokenizer)
	if err != nil {
		return err
	}
	for id := range int32(max(own.Len(), from.Len())) {
		if a, b := own.Token(id), from.Token(id); string(a) != string(b) {
			return fmt.Errorf("export: the tokenizer in %s has %q at id %d, the model %q: was its vocabulary trimmed?", p.o.Tokenizer, b, id, a)
		}
	}
	for _, name := range tokenizerFiles {
		b, err := os.ReadFile(filepath.Join(p.o.Tokenizer, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		files[name] = b
	}
	return nil
}

// dtypes is safetensors' name of a type.
var dtypes = map[quant.Type]string{quant.F32: "F32", quant.F16: "F16", quant.BF16: "BF16"}

// safetensors writes the weights. Format: a uint64 header length, the header as
// JSON padded to a multiple of 8 bytes, the tensors without gaps.
func (p *plan) safetensors(ctx context.Context, w io.Writer) error {
	type entry struct {
		DType   string   `json:"dtype"`
		Shape   []int    `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	head := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	at := int64(0)
	var named []arch.Named
	for _, vectors := range []bool{true, false} { // the wider elements first: every tensor is aligned
		for _, n := range p.named {
			if n.HFName == "" || n.Vector != vectors {
				continue
			}
			t := p.Base.Tensor(n.Name)
			size, _ := p.typ(n).RowBytes(int(t.Elements()))
			shape := n.Shape(p.hyper.Dims())
			if n.Vector && n.Axes[0] == arch.One {
				shape = []int{} // a scalar
			}
			head[n.HFName] = entry{dtypes[p.typ(n)], shape, [2]int64{at, at + int64(size)}}
			at += int64(size)
			named = append(named, n)
		}
	}
	b, err := json.Marshal(head)
	if err != nil {
		return err
	}
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	if _, err := w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(b))), b...)); err != nil {
		return err
	}
	for _, n := range named {
		if err := p.stream(ctx, n, true, func(_ int64, b []byte) error { _, err := w.Write(b); return err }); err != nil {
			return err
		}
	}
	return nil
}
