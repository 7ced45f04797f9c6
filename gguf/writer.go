package gguf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Writer writes one GGUF file: under a temporary name beside its final one,
// which it takes only when Commit has made it complete and durable.
type Writer struct {
	path  string
	force bool
	plan  *plan
	names []string

	f    output
	tmp  string
	mu   sync.Mutex // of what follows
	done [][]extent // per tensor, what has been written: sorted, disjoint, not touching
	err  error      // first failed write
	over bool       // committed or aborted
}

// output is what a Writer needs of an *os.File.
type output interface {
	io.WriterAt
	Sync() error
	Close() error
}

type extent struct{ lo, hi int64 }

// Create starts a file: it checks the layout, reserves the disk space and
// writes the header. A link is followed: the file is what Target says. Without
// force, one that exists is fs.ErrExist, here and in Commit. Every Writer must
// end in Commit or Abort.
func Create(path string, l Layout, force bool) (*Writer, error) {
	w, err := create(path, l, force)
	if err != nil {
		return nil, fmt.Errorf("gguf: create %s: %w", path, err)
	}
	return w, nil
}

func create(path string, l Layout, force bool) (*Writer, error) {
	p, err := l.plan()
	if err != nil {
		return nil, err
	}
	if path, err = Target(path, force); err != nil {
		return nil, err
	}
	f, err := createTemp(path)
	if err != nil {
		return nil, cause(err)
	}
	w := &Writer{path: path, force: force, plan: p, f: f, tmp: f.Name(), done: make([][]extent, len(l.Tensors))}
	for _, t := range l.Tensors {
		w.names = append(w.names, t.Name)
	}
	if err := reserve(f, int64(p.size)); err != nil {
		return nil, errors.Join(fmt.Errorf("reserve %d bytes: %w", p.size, cause(err)), w.Abort())
	}
	if _, err := f.WriteAt(p.header, 0); err != nil {
		return nil, errors.Join(cause(err), w.Abort())
	}
	return w, nil
}

// createTemp makes .NAME.tmp-RANDOM in the folder of path, with the permissions
// of any new file.
func createTemp(path string) (*os.File, error) {
	dir, name := filepath.Split(path)
	name = name[:min(len(name), 200)] // a name has at most 255 bytes
	for try := 0; ; try++ {
		tmp := filepath.Join(dir, fmt.Sprintf(".%s.tmp-%08x", name, rand.Uint32()))
		f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || !errors.Is(err, fs.ErrExist) || try > 100 {
			return f, err
		}
	}
}

// Size is the size of the finished file in bytes.
func (w *Writer) Size() int64 { return int64(w.plan.size) }

// WriteAt writes p at byte off of the data of tensor number i of the layout. It
// may be called concurrently. Every byte must be written once before Commit.
func (w *Writer) WriteAt(i int, off int64, p []byte) error {
	if i < 0 || i >= len(w.names) {
		return fmt.Errorf("gguf: write: tensor %d of %d", i, len(w.names))
	}
	size := int64(w.plan.sizes[i])
	if off < 0 || off > size || int64(len(p)) > size-off {
		return fmt.Errorf("gguf: write: tensor %.80q: %d bytes at %d, size is %d", w.names[i], len(p), off, size)
	}
	w.mu.Lock()
	err := w.err
	if w.over {
		err = fs.ErrClosed
	}
	w.mu.Unlock()
	if err == nil {
		_, err = w.f.WriteAt(p, int64(w.plan.offs[i])+off)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if w.err == nil {
			w.err = err
		}
		return fmt.Errorf("gguf: write %s: tensor %.80q: %w", w.path, w.names[i], cause(err))
	}
	w.done[i] = add(w.done[i], extent{off, off + int64(len(p))})
	return nil
}

// add merges e into sorted, disjoint extents.
func add(es []extent, e extent) []extent {
	if e.lo == e.hi {
		return es
	}
	i, _ := slices.BinarySearchFunc(es, e.lo, func(x extent, lo int64) int {
		if x.hi < lo {
			return -1
		}
		return 1
	})
	j := i
	for ; j < len(es) && es[j].lo <= e.hi; j++ {
		e.lo, e.hi = min(e.lo, es[j].lo), max(e.hi, es[j].hi)
	}
	return slices.Replace(es, i, j, e)
}

// missing names the first tensor that lacks bytes, nil if there is none.
func (w *Writer) missing() error {
	for i, es := range w.done {
		var n int64
		for _, e := range es {
			n += e.hi - e.lo
		}
		if size := int64(w.plan.sizes[i]); n != size {
			return fmt.Errorf("tensor %.80q: %d of %d bytes written", w.names[i], n, size)
		}
	}
	return nil
}

// Commit makes the file durable and gives it its name. On an error nothing is
// left behind: the temporary file is removed.
func (w *Writer) Commit() error {
	w.mu.Lock()
	over, err := w.over, w.err
	if err == nil {
		err = w.missing()
	}
	w.mu.Unlock()
	if over {
		return fmt.Errorf("gguf: commit %s: %w", w.path, fs.ErrClosed)
	}
	if err == nil {
		err = w.f.Sync()
	}
	if err == nil {
		err = w.rename()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("gguf: commit %s: %w", w.path, cause(err)), w.Abort())
	}
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	if err := errors.Join(w.f.Close(), syncDir(filepath.Dir(w.path))); err != nil {
		return fmt.Errorf("gguf: commit %s: %w", w.path, err)
	}
	return nil
}

// rename moves the temporary to the final name; without force a hard link keeps
// another's file that appeared meanwhile.
func (w *Writer) rename() error {
	if w.force {
		if st, err := os.Lstat(w.path); err == nil && !st.Mode().IsRegular() {
			return fmt.Errorf("it has become %s", modeName(st.Mode()))
		}
		return os.Rename(w.tmp, w.path)
	}
	err := os.Link(w.tmp, w.path)
	if errors.Is(err, fs.ErrExist) {
		return fs.ErrExist
	}
	if err == nil {
		return os.Remove(w.tmp)
	}
	if _, err := os.Lstat(w.path); err == nil { // no hard links here
		return fs.ErrExist
	}
	return os.Rename(w.tmp, w.path)
}

// Abort removes the temporary file. It does nothing after Commit or Abort.
func (w *Writer) Abort() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return nil
	}
	w.over = true
	if err := errors.Join(w.f.Close(), os.Remove(w.tmp)); err != nil {
		return fmt.Errorf("gguf: abort %s: %w", w.path, err)
	}
	return nil
}

// syncDir makes a rename durable, where the system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !unsyncable(err) {
		return err
	}
	return nil
}
