package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// version is part of every key: it changes when a stage's files change meaning.
const version = 1

// record is what a complete stage leaves in the state folder.
type record struct {
	Stage   string            `json:"stage"`
	Key     string            `json:"key"`     // of all that went in
	Files   map[string]string `json:"files"`   // what came out: path in the recipe's folder, SHA-256
	Result  json.RawMessage   `json:"result"`  // for later stages
	Seconds float64           `json:"seconds"` // that it took
	Peak    int64             `json:"peak"`    // most resident bytes of the process meanwhile; 0: not known
}

func (p *Pipeline) recordPath(stage string) string {
	return p.path("state", stage+".json")
}

// path is a file in the recipe's folder.
func (p *Pipeline) path(elem ...string) string {
	return filepath.Join(append([]string{p.dir}, elem...)...)
}

// load reads a stage's record and checks that its files are as it left them. nil:
// there is none, or it does not hold any more.
func (p *Pipeline) load(stage string) (*record, error) {
	b, err := os.ReadFile(p.recordPath(stage))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	r, ok := parseRecord(b)
	if !ok || r.Stage != stage {
		return nil, nil
	}
	for name, want := range r.Files {
		if !filepath.IsLocal(name) {
			return nil, nil
		}
		have, err := hashPath(p.path(name))
		if gone := errors.Is(err, fs.ErrNotExist); gone || err == nil && have != want {
			return nil, nil // changed or gone: as if never done
		}
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// parseRecord decodes a record; what is none, a half-written file of an older version
// say, counts as a stage that was never done.
func parseRecord(b []byte) (r *record, ok bool) {
	r = new(record)
	return r, json.Unmarshal(b, r) == nil
}

// save writes a stage's record.
func (p *Pipeline) save(r *record) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(p.recordPath(r.Stage), append(b, '\n'))
}

// hashPath is the SHA-256 of a file, or of the names and hashes of a folder's.
func hashPath(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if !st.IsDir() {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		if _, err := io.Copy(h, f); err != nil {
			return "", err
		}
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	files, err := os.ReadDir(path)
	if err != nil {
		return "", err
	}
	slices.SortFunc(files, func(a, b os.DirEntry) int { return slices.Compare([]byte(a.Name()), []byte(b.Name())) })
	for _, f := range files {
		sum, err := hashPath(filepath.Join(path, f.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%q %s\n", f.Name(), sum)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hashAll is the hashes of files outside the recipe's folder.
func hashAll(paths []string) ([]string, error) {
	var out []string
	for _, f := range paths {
		h, err := hashPath(f)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

// writeFile replaces path when all of b is on disk.
func writeFile(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
