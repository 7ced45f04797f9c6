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

// array prepares cache.sbatch: one process makes the cache in dir/one, the array's
// program is qwq-convert, whose second task is killed when it starts for the first time.
func array(t *testing.T, dir string) {
	t.Helper()
	program := filepath.Join(dir, "qwq-convert")
	text, err := os.ReadFile("../../testdata/tinystories-qwen2/README.md")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"text.txt":   string(text),
		"held.txt":   "Tim had a big box. He liked to play with his toys. One day he saw a bird in the tree.\n",
		"cache-task": "#!/bin/bash\n[ \"$SLURM_ARRAY_TASK_ID\" = 1 ] && [ -z \"$SLURM_RESTART_COUNT\" ] && kill -9 $$\nexec " + program + " \"$@\"\n",
	}
	for _, out := range []string{"one", "many"} {
		files[out+".yaml"] = "out: " + out + "\nteacher: {model: t.gguf}\nstudent: {layers: 1, hidden: 64, ffn: 64, heads: 2, kv-heads: 1, rows: 2}\n" +
			"data: {files: [text.txt], length: 8}\ncache: {k: 8, parts: 4}\nloss: {soft: 0.9, hard: 0.1}\ntrain: {steps: 2, batch: 1, lr: 1e-3}\nevaluate: {files: [held.txt]}\n"
	}
	for name, s := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(s), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"go", "build", "-o", program, "../../cmd/qwq-convert"},
		{program, "quantize", "../../testdata/tinystories-qwen2", "-o", filepath.Join(dir, "t.gguf"), "--type", "q8_0"},
		{program, "distill", "cache", filepath.Join(dir, "one.yaml")},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	t.Setenv("SLURM_TEST_CACHE", filepath.Join(dir, "cache-task"))
	t.Setenv("SLURM_TEST_RECIPE", filepath.Join(dir, "many.yaml"))
}

// checkArray: all tasks are through, one of them the second time, and the cache has
// the bits of one process's.
func checkArray(t *testing.T, dir, out string) {
	t.Helper()
	want, err := filepath.Glob(filepath.Join(dir, "one", "cache", "train*"))
	if err != nil || len(want) != 5 {
		t.Fatalf("the index and 4 parts of a cache: %q, %v", want, err)
	}
	for _, name := range want {
		a, err := os.ReadFile(name)
		b, err2 := os.ReadFile(filepath.Join(dir, "many", "cache", filepath.Base(name)))
		if err != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is another one, or %v, %v", filepath.Base(name), err, err2)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, "cache-1.log"))
	if text := string(log); err != nil || strings.Count(text, "exit code 137, requeued") != 1 || !strings.Contains(text, "task 1 of 4, start 2") || strings.Count(out, ": COMPLETED\n") != 4 {
		t.Errorf("array: %v\n%s\n%s", err, text, out)
	}
	t.Logf("array:\n%s", log)
}

// TestSlurm is opt-in (QWQ_TEST_SLURM=1): it starts a Slurm of this machine as root
// and submits deploy/slurm/distill.sbatch. A task that is killed brings the whole
// job back, which ends with the bits of a run that nothing disturbed, with srun's
// pmix (Open MPI) and pmi2 (MPICH); a job that always fails is started 4 times.
// cache.sbatch is an array whose killed task comes back alone.
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
	array(t, dir)
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
	checkArray(t, dir, string(out))
	log, err := os.ReadFile(filepath.Join(dir, "fail.log"))
	if err != nil || strings.Count(string(log), ", requeued") != 3 || !strings.Contains(string(log), "start 4,") || !strings.Contains(string(out), "fail: FAILED 3") {
		t.Errorf("a job that always fails: %v\n%s\n%s", err, out, log)
	}
}
