package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/convert/safetensors"
	"github.com/qwq-edge/qwq/convert/torch"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/quant"
)

// source is an open checkpoint.
type source struct {
	kind    kind // kindGGUF, kindSafetensors or kindTorch
	dir     string
	name    string // of the model: the folder, or the file without its extensions
	tensors []*checkpoint.Tensor
	gguf    *gguf.File
	closers []io.Closer

	warnings []string
}

// opening is what the openers share.
type opening struct {
	ctx   context.Context
	out   string // must be none of the source's files; "" = nothing is written
	spool string // folder for temporary files
	limit int64  // of the window of a compressed source
	note  func(done, total int64, what string)
}

func (s *source) Close() error {
	var errs []error
	for _, c := range slices.Backward(s.closers) {
		errs = append(errs, c.Close())
	}
	s.closers = nil
	return errors.Join(errs...)
}

type closeFunc func() error

func (f closeFunc) Close() error { return f() }

// openSource opens a folder or a file.
func openSource(path string, o opening) (*source, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	s := &source{dir: filepath.Dir(abs), name: filepath.Base(abs)}
	if st.IsDir() {
		s.dir = abs
		if path, err = weightsIn(abs); err != nil {
			return nil, err
		}
	} else {
		if oneShard.MatchString(s.name) {
			return nil, fmt.Errorf("convert: %s is one shard of a checkpoint: name the folder or its index", path)
		}
		s.name = stem(s.name)
	}
	if o.out != "" {
		if err := spare(o.out, path); err != nil {
			return nil, err
		}
	}
	if err := s.open(path, o); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// stem drops the extensions of a weights file; a file with a general name is
// called after its folder by modelName.
func stem(name string) string {
	for _, ext := range []string{".index.json", ".gz", ".zst", ".zstd", ".gguf", ".safetensors", ".bin", ".pt", ".pth"} {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}

// oneShard matches the name of a part of a checkpoint.
var oneShard = regexp.MustCompile(`-[0-9]{5}-of-[0-9]{5}\.(safetensors|bin)$`)

// generic are file names that say nothing about the model.
var generic = []string{"model", "pytorch_model", "consolidated", "checkpoint"}

// modelName is what general.name becomes.
func (s *source) modelName() string {
	if slices.Contains(generic, s.name) {
		return filepath.Base(s.dir)
	}
	return s.name
}

// candidates are the names of weights in a folder, in the order of preference.
var candidates = []string{
	"model.safetensors.index.json", "model.safetensors", "model.safetensors.zst", "model.safetensors.gz",
	"pytorch_model.bin.index.json", "pytorch_model.bin", "pytorch_model.bin.zst", "pytorch_model.bin.gz",
}

// weightsIn finds the weights of a folder.
func weightsIn(dir string) (string, error) {
	for _, c := range candidates {
		p := filepath.Join(dir, c)
		if _, err := os.Stat(p); err == nil {
			return p, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("convert: %w", err)
		}
	}
	var found []string
	for _, pat := range []string{"*.safetensors", "*.gguf", "*.bin", "*.pt", "*.pth"} {
		m, err := filepath.Glob(filepath.Join(escapeGlob(dir), pat))
		if err != nil {
			return "", fmt.Errorf("convert: %s: %w", dir, err)
		}
		found = append(found, m...)
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("convert: %s: no weights: neither model.safetensors nor pytorch_model.bin nor an index of shards", dir)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("convert: %s: %d weight files (%s, %s, …) without an index, which would say how they belong together", dir, len(found), filepath.Base(found[0]), filepath.Base(found[1]))
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// open opens one weights file or index.
func (s *source) open(path string, o opening) error {
	to := torch.Options{Dir: o.spool, Context: o.ctx}
	switch {
	case strings.HasSuffix(path, ".safetensors.index.json"):
		f, err := safetensors.OpenIndex(path)
		if err != nil {
			return err
		}
		s.kind, s.tensors, s.closers = kindSafetensors, f.Tensors(), append(s.closers, f)
		return s.unlisted(path)
	case strings.HasSuffix(path, ".bin.index.json"):
		ts, closeAll, err := torch.OpenIndex(path, to)
		if err != nil {
			return err
		}
		s.kind, s.tensors, s.closers = kindTorch, ts, append(s.closers, closeFunc(closeAll))
		return s.unlisted(path)
	}
	f, size, err := checkpoint.OpenFile(path)
	if err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	s.closers = append(s.closers, f)
	head := make([]byte, sniffLen)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("convert: %s: %w", path, err)
	}
	k, err := sniff(head[:n], size)
	if err != nil {
		return fmt.Errorf("convert: %s: %w", path, err)
	}
	if k == kindGzip || k == kindZstd {
		return s.openCompressed(path, f, size, k, o)
	}
	return s.openAs(k, path, path, f, size, to)
}

// unlisted warns of tensors that the index at path leaves out.
func (s *source) unlisted(path string) error {
	x, err := checkpoint.ReadIndex(path)
	if err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	if more := x.Unlisted(s.tensors); len(more) > 0 {
		s.warnings = append(s.warnings, fmt.Sprintf("%s lacks %d of the shards' tensors, the first is %.80q in %s", filepath.Base(path), len(more), more[0].Name, filepath.Base(more[0].File)))
	}
	return nil
}

// openAs reads a file of a known kind; real is a path that can be opened.
func (s *source) openAs(k kind, name, real string, r io.ReaderAt, size int64, to torch.Options) error {
	s.kind = k
	switch k {
	case kindSafetensors:
		f, err := safetensors.Read(r, size, name)
		if err != nil {
			return err
		}
		s.tensors = f.Tensors()
	case kindTorch:
		f, err := torch.Read(r, size, name, to)
		if err != nil {
			return err
		}
		s.closers = append(s.closers, f)
		if s.tensors, err = f.StateDict(); err != nil {
			return err
		}
	case kindGGUF:
		return s.openGGUF(name, real)
	}
	return nil
}

// openGGUF takes the table from the mapping and reads the data with pread:
// mapped pages would count as this process's memory.
func (s *source) openGGUF(name, real string) error {
	f, err := gguf.Open(real)
	if fe := new(gguf.FormatError); errors.As(err, &fe) && real != name {
		fe.File = name
	}
	if err != nil {
		return err
	}
	s.gguf, s.closers = f, append(s.closers, f)
	files := map[string]*os.File{}
	for _, t := range f.Tensors() {
		r := files[t.Path()]
		if r == nil {
			if r, _, err = checkpoint.OpenFile(t.Path()); err != nil {
				return fmt.Errorf("convert: %w", err)
			}
			files[t.Path()], s.closers = r, append(s.closers, r)
		}
		if t.Offset > math.MaxInt64 {
			return fmt.Errorf("convert: %s: tensor %.80q: offset %d", name, t.Name, t.Offset)
		}
		s.tensors = append(s.tensors, ggufTensor(t, r, name))
	}
	return nil
}

// scalars are GGUF types that checkpoints have too.
var scalars = map[quant.Type]checkpoint.DType{
	quant.F32: checkpoint.F32, quant.F16: checkpoint.F16, quant.BF16: checkpoint.BF16, quant.F64: checkpoint.F64,
}

func ggufTensor(t *gguf.Tensor, r io.ReaderAt, file string) *checkpoint.Tensor {
	c := &checkpoint.Tensor{Name: t.Name, DType: checkpoint.Packed, Block: t.Type, Off: int64(t.Offset), R: r, File: file}
	if d, ok := scalars[t.Type]; ok {
		c.DType = d
	}
	for _, d := range t.Shape() {
		c.Shape = append(c.Shape, int64(d))
	}
	return c
}
