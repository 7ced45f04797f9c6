package gguf

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFileSizeLimit runs itself with a limit on the size of files, which the
// kernel enforces like a full disk.
func TestFileSizeLimit(t *testing.T) {
	if dir := os.Getenv("QWQ_TEST_FSIZE_DIR"); dir != "" {
		lim := syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &lim); err != nil {
			t.Skip(err)
		}
		_, err := Create(filepath.Join(dir, "m.gguf"), Layout{Tensors: []TensorInfo{{"a", 0, []uint64{1 << 20}}}}, false)
		if err == nil || !strings.Contains(err.Error(), "reserve 4194") {
			t.Errorf("got %v", err)
		}
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFileSizeLimit$", "-test.v")
	cmd.Env = append(os.Environ(), "QWQ_TEST_FSIZE_DIR="+dir)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.ENOEXEC) {
		t.Skip("under an emulator a test cannot start itself")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if es, _ := os.ReadDir(dir); len(es) != 0 {
		t.Errorf("%v left in the folder", es)
	}
}
