package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/qwq-edge/qwq/internal/mmap"
)

// Keys of a split model, as llama.cpp's gguf-split writes them.
const (
	keySplitNo      = "split.no"
	keySplitCount   = "split.count"
	keySplitTensors = "split.tensors.count"
)

// firstHead is how much of a file is mapped to read its header where it cannot
// be mapped whole; it grows until the header fits.
const firstHead = 1 << 20

var splitName = regexp.MustCompile(`^(.*)-([0-9]{5})-of-([0-9]{5})\.gguf$`)

// Open maps the file at path and parses it. Of a split model any part can be
// named: all parts, NAME-00001-of-0000N.gguf and so on, are opened as one file,
// with the metadata of the first. Wrong content is a *FormatError.
func Open(path string) (*File, error) { return open(path, mmap.Open) }

func open(path string, mapFile func(string) (*mmap.Map, error)) (*File, error) {
	f, err := openPart(path, mapFile)
	if err != nil {
		return nil, err
	}
	n, split := f.Uint(keySplitCount)
	if !split || n <= 1 {
		return f, nil
	}
	whole, err := openSplit(f, path, n, mapFile)
	if err != nil {
		f.Close()
		return nil, err
	}
	return whole, nil
}

func openPart(path string, mapFile func(string) (*mmap.Map, error)) (*File, error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() { // opening a pipe would wait
		return nil, fmt.Errorf("gguf: %s is %s, not a regular file", path, modeName(st.Mode()))
	}
	m, err := mapFile(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	f, err := parseMap(path, m)
	if err != nil {
		m.Close()
		return nil, err
	}
	return f, nil
}

func parseMap(path string, m *mmap.Map) (*File, error) {
	p := &part{path: path, size: uint64(m.Len()), m: m}
	if m.Data() != nil {
		// A fault would read megabytes around its page, of tensors that perhaps
		// nobody needs; parse says what it reads.
		_ = m.Advise(0, m.Len(), mmap.Random)
		f, err := parse(p, m.Data())
		_ = m.Advise(0, m.Len(), mmap.Normal)
		return f, err
	}
	for n := int64(firstHead); ; n *= 4 {
		n = min(n, m.Len())
		head, err := m.Region(0, n)
		if err != nil {
			return nil, fmt.Errorf("gguf: %w", err)
		}
		f, err := parse(p, head)
		if err == nil || n == m.Len() || !truncated(err) {
			return f, err
		}
		if err := m.Release(0, n); err != nil {
			return nil, fmt.Errorf("gguf: %w", err)
		}
	}
}

// openSplit opens the other parts of first's model and joins them.
func openSplit(first *File, path string, n uint64, mapFile func(string) (*mmap.Map, error)) (_ *File, err error) {
	s := splitName.FindStringSubmatch(filepath.Base(path))
	if s == nil {
		return nil, first.Errorf(keySplitCount, "one of %d parts, but the name does not end in -00001-of-%05d.gguf", n, n)
	}
	if of, _ := strconv.Atoi(s[3]); uint64(of) != n {
		return nil, first.Errorf(keySplitCount, "%d parts, but the name says %d", n, of)
	}
	var whole *File
	defer func() {
		if err != nil && whole != nil {
			whole.parts = removePart(whole.parts, first.parts[0])
			whole.Close()
		}
	}()
	for i := range n {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf("%s-%05d-of-%05d.gguf", s[1], i+1, n))
		f := first
		if name != filepath.Join(filepath.Dir(path), s[0]) {
			if f, err = openPart(name, mapFile); errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("gguf: part %d of %d is missing: %w", i+1, n, err)
			} else if err != nil {
				return nil, err
			}
		}
		if whole == nil {
			whole = f.shell()
		}
		if err = whole.join(f, i, n); err != nil {
			if f != first {
				f.Close()
			}
			return nil, err
		}
	}
	if want, ok := whole.Uint(keySplitTensors); ok && want != uint64(len(whole.tensors)) {
		return nil, whole.Errorf(keySplitTensors, "%d tensors, the parts hold %d", want, len(whole.tensors))
	}
	return whole, nil
}

// shell is f's metadata without its tensors and parts.
func (f *File) shell() *File {
	return &File{version: f.version, align: f.align, kvs: f.kvs, keys: f.keys, names: map[string]*Tensor{}}
}

// join adds part i of n.
func (f *File) join(p *File, i, n uint64) error {
	if no, ok := p.Uint(keySplitNo); !ok || no != i {
		return p.Errorf(keySplitNo, "part %d, the name says %d", no+1, i+1)
	}
	if c, _ := p.Uint(keySplitCount); c != n {
		return p.Errorf(keySplitCount, "%d parts, others say %d", c, n)
	}
	for _, t := range p.tensors {
		if f.names[t.Name] != nil {
			return &FormatError{File: p.Path(), Offset: int64(t.Offset), Field: fmt.Sprintf("tensor %.80q", t.Name), Err: errors.New("also in another part")}
		}
		f.names[t.Name] = t
	}
	f.tensors = append(f.tensors, p.tensors...)
	f.parts = append(f.parts, p.parts...)
	return nil
}

func removePart(parts []*part, p *part) []*part {
	var out []*part
	for _, q := range parts {
		if q != p {
			out = append(out, q)
		}
	}
	return out
}
