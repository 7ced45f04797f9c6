package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MaxIndex is the largest shard index that is read.
const MaxIndex = 64 << 20

// Index is the content of a model.safetensors.index.json or
// pytorch_model.bin.index.json: which shard holds which tensor.
type Index struct {
	Weights map[string]string // tensor name -> file name beside the index
}

// ParseIndex reads an index. File names must be plain names.
func ParseIndex(b []byte) (*Index, error) {
	x := &Index{Weights: map[string]string{}}
	d := json.NewDecoder(bytes.NewReader(b))
	found := false
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("index is no JSON object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, indexErr(err)
		}
		if key != "weight_map" {
			var skip json.RawMessage
			if err := d.Decode(&skip); err != nil {
				return nil, indexErr(err)
			}
			continue
		}
		if found {
			return nil, errors.New("weight_map appears twice")
		}
		found = true
		if err := x.weightMap(d); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, indexErr(err)
	}
	if !found || len(x.Weights) == 0 {
		return nil, errors.New("weight_map is missing or empty")
	}
	return x, nil
}

func (x *Index) weightMap(d *json.Decoder) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("weight_map is no object")
	}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return indexErr(err)
		}
		v, err := d.Token()
		if err != nil {
			return indexErr(err)
		}
		name, ok := k.(string)
		file, ok2 := v.(string)
		if !ok || !ok2 {
			return fmt.Errorf("weight_map: file of %.80v is no string", k)
		}
		if _, dup := x.Weights[name]; dup {
			return fmt.Errorf("weight_map: tensor %.80q appears twice", name)
		}
		if file == "" || file == "." || file == ".." || strings.ContainsAny(file, "/\\\x00") {
			return fmt.Errorf("weight_map: tensor %.80q: file name %.80q is no plain name", name, file)
		}
		x.Weights[name] = file
	}
	_, err := d.Token()
	return indexErr(err)
}

func indexErr(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("index ends early")
	}
	return err
}

// Files lists the shards, sorted.
func (x *Index) Files() []string {
	return slices.Compact(slices.Sorted(maps.Values(x.Weights)))
}

// ReadIndex reads and parses the index at path and checks that every shard exists.
func ReadIndex(path string) (*Index, error) {
	b, err := ReadSmall(path, MaxIndex)
	if err != nil {
		return nil, err
	}
	x, err := ParseIndex(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, f := range x.Files() {
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), f)); err != nil {
			return nil, fmt.Errorf("%s: shard %.80q is missing: %w", path, f, err)
		}
	}
	return x, nil
}

// Check compares the tensors that the shards hold with the index: each name
// once, and every indexed name in the shard it points to.
func (x *Index) Check(tensors []*Tensor) error {
	at := make(map[string]string, len(tensors))
	for _, t := range tensors {
		file := filepath.Base(t.File)
		if was, dup := at[t.Name]; dup {
			return fmt.Errorf("tensor %.80q is in shard %.80q and in %.80q", t.Name, was, file)
		}
		at[t.Name] = file
	}
	for _, name := range slices.Sorted(maps.Keys(x.Weights)) {
		if got, ok := at[name]; !ok {
			return fmt.Errorf("index: tensor %.80q is not in shard %.80q", name, x.Weights[name])
		} else if got != x.Weights[name] {
			return fmt.Errorf("index: tensor %.80q is in shard %.80q, not in %.80q", name, got, x.Weights[name])
		}
	}
	return nil
}

// Unlisted is the tensors that shards hold and the index does not name; other
// readers pass them over.
func (x *Index) Unlisted(tensors []*Tensor) []*Tensor {
	var out []*Tensor
	for _, t := range tensors {
		if _, ok := x.Weights[t.Name]; !ok {
			out = append(out, t)
		}
	}
	return out
}

// ReadSmall reads a whole file of at most limit bytes.
func ReadSmall(path string, limit int64) ([]byte, error) {
	f, size, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > limit {
		return nil, fmt.Errorf("%s: %d bytes, the limit is %d", path, size, limit)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}
