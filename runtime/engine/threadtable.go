package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ThreadCounts are the thread counts that were measured for a class of models on
// a machine. Decoding is bound by memory, prefill by arithmetic, so they differ.
type ThreadCounts struct {
	Machine string  `json:"machine"` // processor, or board
	CPUs    int     `json:"cpus"`    // that the process may use
	Kernel  string  `json:"kernel"`
	Type    string  `json:"type"`  // of most weights
	Class   string  `json:"class"` // size of the weights, up to this power of two
	Prefill int     `json:"prefill"`
	Decode  int     `json:"decode"`
	Trials  []Trial `json:"trials"`
}

// Trial is what one thread count reached.
type Trial struct {
	Threads int     `json:"threads"`
	Prefill float64 `json:"prefill"` // multiplications and additions of weights, per second
	Decode  float64 `json:"decode"`  // bytes of weights read, per second
}

// matches says whether c is of the same machine, kernels and class as k.
func (c *ThreadCounts) matches(k *ThreadCounts) bool {
	return c.Machine == k.Machine && c.CPUs == k.CPUs && c.Kernel == k.Kernel && c.Type == k.Type && c.Class == k.Class
}

// valid says whether the counts can be used.
func (c *ThreadCounts) valid() bool {
	return c.CPUs > 0 && c.Prefill > 0 && c.Decode > 0 && c.Prefill <= c.CPUs && c.Decode <= c.CPUs
}

// The file of thread counts: one JSON object, small. Entries beyond the limit are
// forgotten, the oldest first.
const (
	maxTableBytes   = 1 << 20
	maxTableEntries = 200
	tableVersion    = 1
)

type threadTable struct {
	Version int            `json:"version"`
	Entries []ThreadCounts `json:"entries"`
}

// ReadThreadTable reads a file of measured thread counts, the oldest first; a
// file that does not exist is an empty table. An error means that nothing in it
// can be trusted; it is replaced when something is measured next.
func ReadThreadTable(path string) ([]ThreadCounts, error) {
	st, err := os.Stat(path) // before it is opened: a pipe would wait for its writer
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("engine: thread counts: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("engine: thread counts: %s is no file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("engine: thread counts: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxTableBytes+1))
	if err != nil {
		return nil, fmt.Errorf("engine: thread counts: %w", err)
	}
	t, err := parseThreadTable(b)
	if err != nil {
		return nil, fmt.Errorf("engine: thread counts in %s: %w", path, err)
	}
	return t, nil
}

func parseThreadTable(b []byte) ([]ThreadCounts, error) {
	if len(b) > maxTableBytes {
		return nil, fmt.Errorf("more than %d bytes", maxTableBytes)
	}
	var t threadTable
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, err
	}
	if t.Version != tableVersion {
		return nil, fmt.Errorf("version %d, want %d", t.Version, tableVersion)
	}
	for i := range t.Entries {
		if c := &t.Entries[i]; !c.valid() {
			return nil, fmt.Errorf("entry %d: %d and %d threads on %d cpus", i, c.Prefill, c.Decode, c.CPUs)
		}
	}
	return t.Entries, nil
}

// writeThreadTable adds c to the file in place of what it has for the same key.
// The file is either what it was or complete.
func writeThreadTable(path string, c ThreadCounts) (err error) {
	old, err := ReadThreadTable(path)
	if err != nil {
		old = nil // replaced: a table that cannot be read helps nobody
	}
	t := threadTable{Version: tableVersion}
	for i := range old {
		if !old[i].matches(&c) {
			t.Entries = append(t.Entries, old[i])
		}
	}
	t.Entries = append(t.Entries, c)
	t.Entries = t.Entries[max(0, len(t.Entries)-maxTableEntries):]
	b, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".threads-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
