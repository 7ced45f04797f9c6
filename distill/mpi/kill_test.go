//go:build mpi

package mpi

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestKillRanks: ranks are killed at random moments of a training until it is
// through; it has the bits of a run that nothing disturbed. QWQ_KILL_ROUNDS is how
// often; 2.
func TestKillRanks(t *testing.T) {
	rounds := 2
	if n, err := strconv.Atoi(os.Getenv("QWQ_KILL_ROUNDS")); err == nil {
		rounds = n
	}
	j := job{Model: micro(t), Dir: t.TempDir(), Threads: 1, Steps: 60, Leaves: 2, Rows: 2, Length: 24, Every: 3}
	if out, talk, err := run(t, 0, 0, j); err != nil {
		t.Fatalf("%v\n%s%s", err, out, talk)
	}
	want, err := os.ReadFile(filepath.Join(j.Dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	j.PauseMS = 10
	each(t, func(t *testing.T, i int) {
		j := j
		j.Dir, j.Shard = t.TempDir(), i == 0
		compare := func() {
			t.Helper()
			if b, err := os.ReadFile(filepath.Join(j.Dir, "checkpoint")); err != nil || !bytes.Equal(b, want) {
				t.Errorf("another checkpoint than the undisturbed run's, %v", err)
			}
		}
		began, kills, whole := time.Now(), 0, 0
		for kills < rounds {
			if killRank(t, i, j) {
				kills++
				continue
			}
			whole++
			compare()
			if err := os.RemoveAll(j.Dir); err != nil {
				t.Fatal(err)
			}
		}
		if out, talk, err := run(t, i, 2, j); err != nil {
			t.Fatalf("%v\n%s%s", err, out, talk)
		}
		compare()
		t.Logf("%d kills, %d whole runs, %.1f s", kills, whole+1, time.Since(began).Seconds())
	})
}

// killRank starts two ranks and kills one; false: the training was through before.
func killRank(t *testing.T, i int, j job) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := start(t, ctx, i, 2, j)
	pipe, err := cmd.StdoutPipe()
	var talk bytes.Buffer
	cmd.Stderr = &talk
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	victim, seen := rand.IntN(2), false
	for s := bufio.NewScanner(pipe); s.Scan(); {
		var rank, pid int
		if n, _ := fmt.Sscanf(s.Text(), "rank %d is process %d", &rank, &pid); n < 2 {
			continue
		}
		if rank == victim {
			seen = true
			time.AfterFunc(time.Duration(rand.IntN(700))*time.Millisecond, func() {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
			})
		}
	}
	err = cmd.Wait()
	if ctx.Err() != nil || !seen {
		t.Fatalf("%v, %v, rank %d was there: %v\n%s", err, ctx.Err(), victim, seen, talk.String())
	}
	return err != nil
}
