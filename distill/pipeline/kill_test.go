package pipeline

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestKillChild is the process that TestKill kills.
func TestKillChild(t *testing.T) {
	path := os.Getenv("QWQ_KILL_RECIPE")
	if path == "" {
		t.Skip("is run by TestKill")
	}
	if _, _, err := run(t, open(t, path), Options{}, nil); err != nil {
		t.Fatal(err)
	}
}

// TestKill: however often a run is killed, it ends with the bits of one that was
// not. QWQ_KILLS is how often; 4.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	kills := 4
	if n, err := strconv.Atoi(os.Getenv("QWQ_KILLS")); err == nil {
		kills = n
	}
	whole := folder(t, "steps: 3", "steps: 12")
	began := time.Now()
	_, w, err := run(t, whole, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	cut := folder(t, "steps: 3", "steps: 12")
	child := func() *exec.Cmd {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKillChild$")
		c.Env = append(os.Environ(), "QWQ_KILL_RECIPE="+cut.Path)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for i := range kills {
		c := child()
		time.Sleep(took*time.Duration(i%7+1)/8 + time.Duration(i)*time.Millisecond)
		_ = c.Process.Kill() // it may have ended
		_ = c.Wait()
	}
	if err := child().Wait(); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"start.gguf", "data/rows", "cache/train", "hard-label.gguf", "student.gguf", "student-hf", "student-q8_0.gguf", "evaluate.json"} {
		a, errA := hashPath(w.path(f))
		b, errB := hashPath(filepath.Join(filepath.Dir(cut.Path), "out", f))
		if errA != nil || errB != nil || a != b {
			t.Errorf("after %d kills %s is %s, want %s (%v, %v)", kills, f, b, a, errB, errA)
		}
	}
}
