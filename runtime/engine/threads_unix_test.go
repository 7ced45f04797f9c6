//go:build unix

package engine

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestThreadTableIsPipe: opening a pipe would wait for its writer.
func TestThreadTableIsPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := ReadThreadTable(pipe)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a pipe is a table")
		}
	case <-time.After(10 * time.Second):
		t.Error("waits for a pipe's writer")
	}
}
