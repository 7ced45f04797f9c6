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
	"strings"
	"testing"
	"time"
)

// TestSlurm is opt-in (QWQ_TEST_SLURM=1): it starts a Slurm of this machine as root
// and submits deploy/slurm/distill.sbatch. A task that is killed brings the whole
// job back, which ends with the bits of a run that nothing disturbed, with srun's
// pmix (Open MPI) and pmi2 (MPICH); a job that always fails is started 4 times.
func TestSlurm(t *testing.T) {
	if os.Getenv("QWQ_TEST_SLURM") == "" {
		t.Skip("QWQ_TEST_SLURM is not set")
	}
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin")
	for name, debian := range map[string]string{"slurmctld": "slurmctld", "slurmd": "slurmd", "srun": "slurm-client", "munged": "munge", "mpirun.openmpi": "openmpi-bin", "mpirun.mpich": "mpich"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is missing: apt-get install %s", name, debian)
		}
	}
	if lib, err := filepath.Glob("/usr/lib/*/libpmix.so"); err != nil || lib == nil {
		t.Fatal("libpmix.so, which Slurm's plugin opens, is missing: apt-get install libpmix-dev")
	}
	// The daemons of other users walk the path, which a test's own folder forbids.
	dir, err := os.MkdirTemp("", "qwq-slurm")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Logf("logs are in %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}()
	whole := job{Model: micro(t), Dir: filepath.Join(dir, "whole"), Threads: 1, Steps: 6, Leaves: 4, Rows: 2, Length: 24, Every: 2}
	if _, talk, err := run(t, 0, 0, whole); err != nil {
		t.Fatalf("%v\n%s", err, talk)
	}
	want, err := os.ReadFile(filepath.Join(whole.Dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/bash\n[ \"$2\" = fail ] && exit 3\ncase $2 in\n"
	for _, kind := range []string{"pmix", "pmi2"} {
		j := whole
		j.Dir, j.Fail, j.FailAt, j.Shard = filepath.Join(dir, "run-"+kind), "kill", 4, kind == "pmi2"
		text, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		script += fmt.Sprintf("%s) export %s='%s' ;;\n", kind, jobVariable, text)
	}
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte(script+"esac\nexec "+os.Args[0]+"\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "../../deploy/slurm/test.sh", program, dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, kind := range []string{"pmix", "pmi2"} {
		log, err := os.ReadFile(filepath.Join(dir, kind+".log"))
		got, err2 := os.ReadFile(filepath.Join(dir, "run-"+kind, "checkpoint"))
		if err != nil || err2 != nil {
			t.Errorf("%s: %v, %v\n%s", kind, err, err2, out)
			continue
		}
		text := string(log)
		if !strings.Contains(string(out), kind+": COMPLETED 0") || strings.Count(text, "requeued") != 1 || !strings.Contains(text, "start 2, 2 tasks") || strings.Count(text, "resumes at step 2") != 2 {
			t.Errorf("%s:\n%s\n%s", kind, out, text)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: another checkpoint than the undisturbed run's", kind)
		}
		t.Logf("%s:\n%s", kind, text)
	}
	log, err := os.ReadFile(filepath.Join(dir, "fail.log"))
	if err != nil || strings.Count(string(log), ", requeued") != 3 || !strings.Contains(string(log), "start 4,") || !strings.Contains(string(out), "fail: FAILED 3") {
		t.Errorf("a job that always fails: %v\n%s\n%s", err, out, log)
	}
}
