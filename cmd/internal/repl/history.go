package repl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
)

// History is what was typed in this and earlier runs, oldest first. The file
// holds one JSON string per line, in a folder that only its owner reads.
type History struct {
	path    string // empty: nothing is kept
	entries []string
}

// maxHistory is how many entries are kept, and maxHistoryBytes how much of a
// file is read.
const maxHistory, maxHistoryBytes = 1000, 8 << 20

// HistoryPath is the file of this user, empty where there is no home.
func HistoryPath() string {
	dir := os.Getenv("XDG_STATE_HOME")
	if home, err := os.UserHomeDir(); dir == "" && err == nil {
		dir = filepath.Join(home, ".local", "state")
	}
	if !filepath.IsAbs(dir) {
		return ""
	}
	return filepath.Join(dir, "qwq", "history")
}

// OpenHistory reads a history. A file that cannot be read is an error beside
// an empty history that works and is not kept.
func OpenHistory(path string) (*History, error) {
	h := &History{path: path}
	if path == "" {
		return h, nil
	}
	var err error
	if h.entries, err = readHistory(path); err != nil {
		return &History{}, err
	}
	return h, nil
}

func readHistory(path string) ([]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxHistoryBytes))
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range bytes.Lines(b) {
		var s string
		if json.Unmarshal(line, &s) == nil && s != "" { // a broken line loses itself only
			out = append(out, s)
		}
	}
	return out[max(0, len(out)-maxHistory):], nil
}

// Len is the number of entries, At one of them.
func (h *History) Len() int { return len(h.entries) }

// At is entry i.
func (h *History) At(i int) string { return h.entries[i] }

// Add appends an entry and writes the file anew, with what another run has
// added since, under a temporary name first.
func (h *History) Add(text string) error {
	if n := len(h.entries); text == "" || n > 0 && h.entries[n-1] == text {
		return nil
	}
	h.entries = append(h.entries, text)
	if h.path == "" {
		return nil
	}
	all, err := readHistory(h.path)
	if err != nil {
		return err
	}
	all = append(all, text)
	all = all[max(0, len(all)-maxHistory):]
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return err
	}
	return prog.WriteFile(h.path, func(w io.Writer) error {
		b := bufio.NewWriter(w)
		for _, s := range all {
			line, err := json.Marshal(s)
			if err != nil {
				return err
			}
			b.Write(append(line, '\n'))
		}
		return b.Flush()
	})
}
