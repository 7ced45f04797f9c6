package train

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// metricsLog appends to metrics.jsonl. nil writes nothing.
type metricsLog struct{ f *os.File }

// openLog keeps the lines of the steps that are done: those of steps after the
// checkpoint are taken again.
func (t *Trainer) openLog() error {
	if t.opt.Dir == "" || t.opt.Exchanger.Rank() != 0 {
		t.log = nil
		return nil
	}
	if err := os.MkdirAll(t.opt.Dir, 0o777); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	path := filepath.Join(t.opt.Dir, "metrics.jsonl")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("train: %w", err)
	}
	var keep []byte
	for s := bufio.NewScanner(bytes.NewReader(old)); s.Scan(); {
		var m Metrics
		if json.Unmarshal(s.Bytes(), &m) != nil || m.Step > t.step {
			break
		}
		keep = append(append(keep, s.Bytes()...), '\n')
	}
	if err := replace(path, func(f *os.File) error { _, err := f.Write(keep); return err }); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	t.log = &metricsLog{f}
	return nil
}

func (l *metricsLog) write(m Metrics) error {
	if l == nil {
		return nil
	}
	b, err := json.Marshal(m)
	if err == nil {
		_, err = l.f.Write(append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("train: metrics of step %d: %w", m.Step, err)
	}
	return nil
}

// sync puts the lines on disk: a checkpoint is not to outlive those of its steps.
func (l *metricsLog) sync() error {
	if l == nil {
		return nil
	}
	return l.f.Sync()
}

// close is idempotent.
func (l *metricsLog) close() error {
	if l == nil || l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}
