//go:build mpi

package mpi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// launchers that Debian installs side by side.
var mpiruns = []struct {
	name, command, debian, version string
	flags                          []string
}{
	// Open MPI refuses root and more ranks than cores unless told.
	{"openmpi", "mpirun.openmpi", "openmpi-bin", "Open MPI", []string{"--allow-run-as-root", "--oversubscribe"}},
	{"mpich", "mpirun.mpich", "mpich", "MPICH", nil},
}

// each runs f with every launcher; a missing one is skipped, or an error where
// QWQ_REQUIRE_MPI names it.
func each(t *testing.T, f func(t *testing.T, i int)) {
	for i, m := range mpiruns {
		t.Run(m.name, func(t *testing.T) {
			if _, err := exec.LookPath(m.command); err != nil {
				if strings.Contains(os.Getenv("QWQ_REQUIRE_MPI"), m.name) {
					t.Fatalf("%s is missing: apt-get install %s", m.command, m.debian)
				}
				t.Skipf("%s is missing: apt-get install %s", m.command, m.debian)
			}
			f(t, i)
		})
	}
}

// start is n processes of a job; 0 is one without a launcher.
func start(t testing.TB, ctx context.Context, i, n int, j job) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{os.Args[0]}
	if n > 0 {
		args = append(append([]string{mpiruns[i].command, "-n", strconv.Itoa(n)}, mpiruns[i].flags...), args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), jobVariable+"="+string(text))
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run is the output of a job that ends within two minutes.
func run(t testing.TB, i, n int, j job) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var out, talk bytes.Buffer
	cmd := start(t, ctx, i, n, j)
	cmd.Stdout, cmd.Stderr = &out, &talk
	err = cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%d ranks hang\n%s\n%s", n, out.String(), talk.String())
	}
	return out.String(), talk.String(), err
}

func micro(t testing.TB) string {
	return modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Tied: true, Biases: true})
}

// curve is the lines of the steps.
func curve(out string) (lines []string) {
	for l := range strings.Lines(out) {
		if strings.HasPrefix(l, "step ") {
			lines = append(lines, l)
		}
	}
	return lines
}

// TestExchange: any lengths, in pieces, and every library is the launcher's.
func TestExchange(t *testing.T) {
	each(t, func(t *testing.T, i int) {
		for _, n := range []int{1, 2, 4} {
			out, talk, err := run(t, i, n, job{Bytes: true})
			if err != nil || strings.Count(out, "swapped") != n || strings.Count(out, mpiruns[i].version) != n {
				t.Errorf("%d ranks: %v\n%s%s", n, err, out, talk)
			}
		}
		if _, talk, err := run(t, i, 3, job{Bytes: true}); err == nil || !strings.Contains(talk, "power of two") {
			t.Errorf("3 ranks: %v\n%s", err, talk)
		}
	})
}

// TestBits: loss curve, norms and checkpoint of 2 and 4 ranks are those of one
// process without MPI, whether the optimizer's state is shared out or not.
func TestBits(t *testing.T) {
	path := micro(t)
	j := job{Model: path, Dir: t.TempDir(), Threads: 1, Steps: 6, Leaves: 4, Rows: 2, Length: 24}
	want, talk, err := run(t, 0, 0, j)
	if err != nil || len(curve(want)) != 6 {
		t.Fatalf("%v\n%s%s", err, want, talk)
	}
	file, err := os.ReadFile(filepath.Join(j.Dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, i int) {
		for _, n := range []int{1, 2, 4} {
			for _, shard := range []bool{false, true} {
				j.Dir, j.Shard = t.TempDir(), shard
				got, talk, err := run(t, i, n, j)
				if err != nil {
					t.Fatalf("%d ranks: %v\n%s%s", n, err, got, talk)
				}
				if g, w := fmt.Sprint(curve(got)), fmt.Sprint(curve(want)); g != w {
					t.Errorf("%d ranks, sharded %v:\n%s, want\n%s", n, shard, g, w)
				}
				if b, err := os.ReadFile(filepath.Join(j.Dir, "checkpoint")); err != nil || !bytes.Equal(b, file) {
					t.Errorf("%d ranks, sharded %v: another checkpoint, %v", n, shard, err)
				}
			}
		}
	})
}

// TestDeadRank: a rank that is killed, fails or hangs ends the whole job with an
// error, and the job goes on from rank 0's checkpoint with the bits of a run that
// nothing disturbed.
func TestDeadRank(t *testing.T) {
	path := micro(t)
	whole := job{Model: path, Dir: t.TempDir(), Threads: 1, Steps: 6, Leaves: 4, Rows: 2, Length: 24, Every: 2}
	want, talk, err := run(t, 0, 0, whole)
	if err != nil {
		t.Fatalf("%v\n%s", err, talk)
	}
	file, err := os.ReadFile(filepath.Join(whole.Dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, i int) {
		for _, c := range []struct {
			fail, talk string
			ranks      int
			shard      bool
		}{{"kill", "", 2, false}, {"kill", "", 4, true}, {"error", "no such file", 2, true}, {"hang", "does not answer", 2, false}} {
			j := whole
			j.Dir, j.Shard, j.Fail, j.FailAt = t.TempDir(), c.shard, c.fail, 4
			if c.fail == "hang" {
				j.TimeoutMS = 3000
			}
			out, talk, err := run(t, i, c.ranks, j)
			if err == nil || !strings.Contains(out+talk, c.talk) || len(curve(out)) > 3 {
				t.Fatalf("%s: error %v\n%s%s", c.fail, err, out, talk)
			}
			again, talk, err := run(t, i, c.ranks, j)
			if err != nil || !strings.Contains(again, "resumes at step 2") {
				t.Fatalf("%s: %v\n%s%s", c.fail, err, again, talk)
			}
			if g, w := fmt.Sprint(curve(again)), fmt.Sprint(curve(want)[2:]); g != w {
				t.Errorf("%s:\n%s, want\n%s", c.fail, g, w)
			}
			if b, err := os.ReadFile(filepath.Join(j.Dir, "checkpoint")); err != nil || !bytes.Equal(b, file) {
				t.Errorf("%s: another checkpoint, %v", c.fail, err)
			}
		}
	})
}

// TestMismatch: a launcher of one kind with a library of the other would be a
// number of jobs of one rank each; so would srun without MPI.
func TestMismatch(t *testing.T) {
	other := []string{"libmpich.so.12", "libmpi.so.40"}
	each(t, func(t *testing.T, i int) {
		out, talk, err := run(t, i, 2, job{Bytes: true, Library: other[i]})
		if err == nil || !strings.Contains(talk, "do not belong together") || strings.Contains(out, "swapped") {
			t.Errorf("error %v\n%s%s", err, out, talk)
		}
	})
	t.Setenv("SLURM_STEP_NUM_TASKS", "2")
	if _, talk, err := run(t, 0, 0, job{Bytes: true}); err == nil || !strings.Contains(talk, "--mpi=pmi2") {
		t.Errorf("srun without MPI: %v\n%s", err, talk)
	}
	t.Setenv("SLURM_STEP_NUM_TASKS", "")
	t.Setenv("OMPI_COMM_WORLD_SIZE", "2")
	if _, talk, err := run(t, 0, 0, job{Bytes: true, Library: "libnone.so.1"}); err == nil || !strings.Contains(talk, "libnone.so.1") {
		t.Errorf("a library that is not there: %v\n%s", err, talk)
	}
}
