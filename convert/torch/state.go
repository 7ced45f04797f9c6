package torch

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/qwq-edge/qwq/convert/checkpoint"
)

// Limits of the walk through the unpickled object: shared containers can make
// a small pickle an immense tree.
const (
	maxDepth = 32
	maxNodes = 1 << 20
	maxPath  = 1024
)

// walk calls f for each tensor below v with its path: keys joined by dots.
func walk(v value, f func(path string, t *tensor) error) error {
	w := walker{f: f}
	return w.visit(v, 0)
}

type walker struct {
	f     func(path string, t *tensor) error
	path  []byte
	nodes int
}

func (w *walker) visit(v value, depth int) error {
	if w.nodes++; w.nodes > maxNodes || depth > maxDepth || len(w.path) > maxPath {
		return fmt.Errorf("more than %d values, %d levels or %d bytes of name", maxNodes, maxDepth, maxPath)
	}
	var items []value
	switch v := v.(type) {
	case *tensor:
		return w.f(string(w.path), v)
	case *dict:
		for i, k := range v.keys {
			if err := w.child(keyText(k), v.vals[i], depth); err != nil {
				return err
			}
		}
	case *list:
		items = v.items
	case tuple:
		items = v
	}
	for i, it := range items {
		if err := w.child(strconv.Itoa(i), it, depth); err != nil {
			return err
		}
	}
	return nil
}

// child visits v one key further down.
func (w *walker) child(key string, v value, depth int) error {
	switch v.(type) {
	case *tensor, *dict, *list, tuple:
	default:
		return nil
	}
	n := len(w.path)
	if n > 0 {
		w.path = append(w.path, '.')
	}
	w.path = append(w.path, key...)
	err := w.visit(v, depth+1)
	w.path = w.path[:n]
	return err
}

func keyText(k value) string {
	switch k := k.(type) {
	case string:
		return k
	case int64:
		return strconv.FormatInt(k, 10)
	}
	return kind(k)
}

// Tensors lists every tensor of the checkpoint, optimizer state and all, under
// its path: "model_state_dict.fc.weight".
func (f *File) Tensors() ([]*checkpoint.Tensor, error) { return f.list(f.root) }

func (f *File) list(v value) ([]*checkpoint.Tensor, error) {
	var out []*checkpoint.Tensor
	seen := map[string]bool{}
	err := walk(v, func(path string, t *tensor) error {
		if seen[path] {
			return fmt.Errorf("tensor %.80q appears twice", path)
		}
		seen[path] = true
		out = append(out, f.tensor(path, t))
		return nil
	})
	if err != nil {
		return nil, f.bad(0, "pickle", err)
	}
	return out, nil
}

// holders are the names under which training scripts store a model's state dict.
var holders = []string{"state_dict", "model_state_dict", "model", "module", "weights"}

// wrappers are prefixes that parallel training and compilation put before every name.
var wrappers = []string{"module.", "_orig_mod."}

// StateDict lists the model's own tensors: those of the entry that training
// checkpoints keep them in, else the file's. Prefixes that wrappers put
// before all names are dropped.
func (f *File) StateDict() ([]*checkpoint.Tensor, error) {
	d, ok := f.root.(*dict)
	if !ok {
		return nil, f.bad(0, "pickle", fmt.Errorf("the file holds %s, not a state dict", kind(f.root)))
	}
	inner := (*dict)(nil)
	for _, h := range holders {
		if i, ok := d.byName[h]; ok && inner == nil {
			if s, ok := d.vals[i].(*dict); ok && hasTensor(s) {
				inner = s
			}
		}
	}
	if inner != nil {
		d = inner
	}
	if !hasTensor(d) {
		return nil, f.bad(0, "pickle", fmt.Errorf("no state dict among the keys %s", d.keyList()))
	}
	own := newDict()
	for i, k := range d.keys {
		if _, ok := d.vals[i].(*tensor); ok {
			own.set(k, d.vals[i])
		}
	}
	ts, err := f.list(own)
	if err != nil {
		return nil, err
	}
	for _, w := range wrappers {
		trim(ts, w)
	}
	return ts, nil
}

func hasTensor(d *dict) bool {
	for _, v := range d.vals {
		if _, ok := v.(*tensor); ok {
			return true
		}
	}
	return false
}

func (d *dict) keyList() string {
	var b strings.Builder
	for i, k := range d.keys {
		if i == 8 {
			b.WriteString(" …")
			break
		}
		fmt.Fprintf(&b, " %.40q", keyText(k))
	}
	return "[" + strings.TrimSpace(b.String()) + "]"
}

// trim drops prefix from all names if all have it.
func trim(ts []*checkpoint.Tensor, prefix string) {
	for _, t := range ts {
		if !strings.HasPrefix(t.Name, prefix) {
			return
		}
	}
	for _, t := range ts {
		t.Name = t.Name[len(prefix):]
	}
}

// OpenIndex opens the shards that a pytorch_model.bin.index.json names and
// returns their tensors; closing is one call.
func OpenIndex(path string, o Options) ([]*checkpoint.Tensor, func() error, error) {
	x, err := checkpoint.ReadIndex(path)
	if err != nil {
		return nil, nil, fmt.Errorf("torch: %w", err)
	}
	var files []*File
	closeAll := func() error {
		var errs []error
		for _, f := range files {
			errs = append(errs, f.Close())
		}
		return errors.Join(errs...)
	}
	var all []*checkpoint.Tensor
	for _, name := range x.Files() {
		f, err := Open(filepath.Join(filepath.Dir(path), name), o)
		if err != nil {
			_ = closeAll() // the first error is the one to tell
			return nil, nil, err
		}
		files = append(files, f)
		ts, err := f.StateDict()
		if err != nil {
			_ = closeAll() // the first error is the one to tell
			return nil, nil, err
		}
		all = append(all, ts...)
	}
	if err := x.Check(all); err != nil {
		_ = closeAll()
		return nil, nil, fmt.Errorf("torch: %s: %w", path, err)
	}
	return all, closeAll, nil
}
