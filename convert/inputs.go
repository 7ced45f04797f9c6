package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// splitPart matches the name of a part of a split GGUF.
var splitPart = regexp.MustCompile(`^(.*)-[0-9]{5}-of-([0-9]{5})\.gguf$`)

// belongs are the endings of a checkpoint folder's files: weights, their index,
// configuration, tokenizer and templates.
var belongs = []string{".safetensors", ".bin", ".pt", ".pth", ".gz", ".zst", ".zstd", ".json", ".jinja", ".model", ".txt"}

// inputs are the files that reading the weights file or index at path reads, or
// may read: that file, and what belongs to the same checkpoint beside it.
func inputs(path string) ([]string, error) {
	dir, name := filepath.Split(path)
	es, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil, err
	}
	part := splitPart.FindStringSubmatch(name)
	files := []string{path}
	for _, e := range es {
		ours := slices.Contains(belongs, filepath.Ext(e.Name()))
		if filepath.Ext(name) == ".gguf" {
			m := splitPart.FindStringSubmatch(e.Name())
			ours = part != nil && m != nil && slices.Equal(m[1:], part[1:])
		}
		if ours {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}

// spare refuses an output that is one of the source's files, by whatever name.
func spare(out, path string) error {
	o, err := os.Stat(out)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing is there that could be lost
	} else if err != nil {
		return fmt.Errorf("convert: output: %w", err)
	}
	files, err := inputs(path)
	if err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	for _, f := range files {
		if st, err := os.Stat(f); err == nil && os.SameFile(st, o) {
			return fmt.Errorf("convert: output %s is a file of the source (%s)", out, f)
		}
	}
	return nil
}
