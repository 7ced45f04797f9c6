package pipeline

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestKillChild is the process that TestKill kills.
func TestKillChild(t *testing.T) {
	path := os.Getenv("QWQ_KILL_RECIPE")
	if path == "" {
		t.Skip("is run by TestKill")
	}
	p, err := New(open(t, path), Options{Stage: func(name string, e Event, _ float64) { fmt.Println("stage", name, e) }})
	if err == nil {
		err = p.Run(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestKill: however often a run is killed while it makes the cache or trains, it
// ends with the bits of one that was not. QWQ_KILL_ROUNDS is how often each; 2.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	rounds := 2
	if n, err := strconv.Atoi(os.Getenv("QWQ_KILL_ROUNDS")); err == nil {
		rounds = n
	}
	edit := []string{"steps: 3", "steps: 24", "length: 32", "length: 4", "{k: 8}", "{k: 8, parts: 3, batch: 1}"}
	whole, took := folder(t, edit...), map[string]float64{}
	p, err := New(whole, Options{Stage: func(name string, _ Event, seconds float64) { took[name] = seconds }})
	if err == nil {
		err = p.Run(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{"cache", "train"} {
		t.Run(stage, func(t *testing.T) {
			cut := folder(t, edit...)
			out := filepath.Join(filepath.Dir(cut.Path), "out")
			began, kills, whole := time.Now(), 0, 0
			for kills < rounds {
				if killed(t, cut.Path, stage, took[stage]) {
					kills++
					continue
				}
				whole++ // it got to the end between two kills: begin anew
				compareFolders(t, p, out)
				if err := os.RemoveAll(out); err != nil {
					t.Fatal(err)
				}
			}
			if killed(t, cut.Path, "", 0) {
				t.Fatal("killed by nobody")
			}
			compareFolders(t, p, out)
			t.Logf("%d kills, %d whole runs, %.1f s", kills, whole+1, time.Since(began).Seconds())
		})
	}
}

// killed runs a recipe in a process, and kills it at a random moment of a stage,
// which takes so many seconds; "": never. false: it was done before.
func killed(t *testing.T, path, stage string, seconds float64) bool {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKillChild$", "-test.v")
	c.Env = append(os.Environ(), "QWQ_KILL_RECIPE="+path)
	pipe, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for s := bufio.NewScanner(pipe); s.Scan(); {
		fmt.Fprintln(&said, s.Text())
		if stage != "" && s.Text() == fmt.Sprintf("stage %s %s", stage, Began) {
			time.Sleep(time.Duration(rand.Float64() * seconds * float64(time.Second)))
			_ = c.Process.Kill() // it may have ended
		}
	}
	if err := c.Wait(); err == nil {
		return false
	}
	if c.ProcessState.Exited() { // by itself, with a code
		t.Fatalf("%v\n%s", c.ProcessState, said.String())
	}
	return true
}

func compareFolders(t *testing.T, p *Pipeline, out string) {
	t.Helper()
	for _, f := range append(made, "data/rows", "cache/train", "train/hard-label/checkpoint") {
		a, errA := hashPath(p.path(f))
		b, errB := hashPath(filepath.Join(out, f))
		if errA != nil || errB != nil || a != b {
			t.Errorf("%s is %s, want %s (%v, %v)", f, b, a, errB, errA)
		}
	}
}
