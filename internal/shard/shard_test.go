package shard

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// job writes 40 kB per part that depend on key and part, slowly when asked.
type job struct {
	key   byte
	parts int
	pause time.Duration
	ran   []int
}

func (j *job) Key() Hash   { return Hash{j.key, byte(j.parts)} }
func (j *job) Shards() int { return j.parts }

func (j *job) Run(ctx context.Context, i int, w io.Writer) error {
	j.ran = append(j.ran, i)
	for c := range 10 {
		time.Sleep(j.pause)
		b := make([]byte, 4096)
		_, _ = rand.NewChaCha8([32]byte{j.key, byte(i), byte(c)}).Read(b)
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (j *job) Reduce(_ context.Context, parts []io.Reader, w io.Writer) error {
	for i, p := range parts {
		h := sha256.New()
		n, err := io.Copy(h, p)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%d %d %x\n", i, n, h.Sum(nil))
	}
	return nil
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRunInParts(t *testing.T) {
	ctx := t.Context()
	one := filepath.Join(t.TempDir(), "out")
	if err := Run(ctx, one, &job{key: 1, parts: 5}, Selection{}, Options{}); err != nil {
		t.Fatal(err)
	}
	many := filepath.Join(t.TempDir(), "deep", "out")
	for i := range 3 {
		j := &job{key: 1, parts: 5}
		if err := Run(ctx, many, j, Selection{i, 3}, Options{}); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(many)
		if got := err == nil; got != (i == 2) {
			t.Errorf("after shard %d of 3: the result exists: %v", i, got)
		}
	}
	if a, b := read(t, one), read(t, many); a != b {
		t.Errorf("three processes made %q, one %q", b, a)
	}
	j := &job{key: 1, parts: 5}
	if err := Run(ctx, many, j, Selection{}, Options{}); err != nil || j.ran != nil {
		t.Errorf("a second run did parts %v, error %v", j.ran, err)
	}
}

func TestRunAgain(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "out[1]*")
	first := &job{key: 1, parts: 4}
	if err := Run(ctx, path, first, Selection{}, Options{}); err != nil {
		t.Fatal(err)
	}
	want := read(t, path)
	os.Remove(path)
	p2 := PartPath(path, 2, 4)
	whole := []byte(read(t, p2))
	for _, at := range []int{0, 12345, len(whole) - TrailerSize, len(whole) - 50, len(whole) - 1} {
		b := append([]byte(nil), whole...)
		b[at] ^= 1
		if err := os.WriteFile(p2, b, 0o666); err != nil {
			t.Fatal(err)
		}
		var missing *MissingError
		if err := Merge(ctx, path, first); !errors.As(err, &missing) || fmt.Sprint(missing.Parts) != "[2]" {
			t.Errorf("byte %d flipped: got %v, want part 2 missing", at, err)
		}
	}
	for _, n := range []int{0, 40, len(whole) - 1} {
		if err := os.WriteFile(p2, whole[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		j := &job{key: 1, parts: 4}
		if err := Run(ctx, path, j, Selection{}, Options{}); err != nil || fmt.Sprint(j.ran) != "[2]" {
			t.Errorf("cut to %d bytes: did parts %v, error %v; want [2]", n, j.ran, err)
		}
		if got := read(t, path); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		os.Remove(path)
	}
	other := &job{key: 2, parts: 4}
	if err := Run(ctx, path, other, Selection{}, Options{}); err != nil || len(other.ran) != 4 {
		t.Errorf("another key did parts %v, error %v; want all 4", other.ran, err)
	}
	if _, err := Verify(p2, first.Key(), 2, 4); !errors.Is(err, ErrOther) {
		t.Errorf("got %v, want ErrOther", err)
	}
}

func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	done := 0
	err := Run(ctx, path, &job{key: 1, parts: 4}, Selection{}, Options{Done: func(int, bool) {
		if done++; done == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	names, _ := filepath.Glob(path + "*")
	if len(names) != 2 {
		t.Errorf("left %q, want two parts", names)
	}
}

func TestSelect(t *testing.T) {
	for _, c := range []struct {
		spec   string
		shards int
		env    string
		want   string
	}{
		{"", 0, "", "0/1"},
		{"3/8", 0, "", "3/8"},
		{"0/1", 9, "SLURM_ARRAY_TASK_ID=4", "0/1"},
		{"8/8", 0, "", "error"},
		{"-1/8", 0, "", "error"},
		{"3", 0, "", "error"},
		{"1/0", 0, "", "error"},
		{"1/x", 0, "", "error"},
		{"0/99999999", 0, "", "error"},
		{"", 4, "JOB_COMPLETION_INDEX=3", "3/4"},
		{"", 4, "JOB_COMPLETION_INDEX=4", "error"},
		{"", 0, "JOB_COMPLETION_INDEX=0", "error"},
		{"", 4, "JOB_COMPLETION_INDEX=x", "error"},
		{"", 8, "SLURM_ARRAY_TASK_ID=3", "3/8"},
		{"", 0, "SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=8 SLURM_ARRAY_TASK_COUNT=8", "2/8"},
		{"", 0, "SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=7 SLURM_ARRAY_TASK_COUNT=8", "0/8"},
		{"", 0, "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_MAX=5 SLURM_ARRAY_TASK_COUNT=2", "error"},
		{"", 0, "SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_MAX=3 SLURM_ARRAY_TASK_COUNT=1", "error"},
		{"", 0, "SLURM_ARRAY_TASK_ID=3", "error"},
		{"/8", 0, "JOB_COMPLETION_INDEX=3", "3/8"},
		{"/8", 0, "SLURM_ARRAY_TASK_ID=7", "7/8"},
		{"/8", 0, "SLURM_ARRAY_TASK_ID=8", "error"},
		{"/8", 0, "", "error"},
		{"/0", 0, "JOB_COMPLETION_INDEX=0", "error"},
		{"/", 0, "JOB_COMPLETION_INDEX=0", "error"},
		{"", -1, "", "error"},
	} {
		env := map[string]string{}
		for v := range strings.FieldsSeq(c.env) {
			k, v, _ := strings.Cut(v, "=")
			env[k] = v
		}
		sel, err := Select(c.spec, c.shards, func(k string) string { return env[k] })
		got := sel.String()
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("Select(%q, %d) with %q: got %s (%v), want %s", c.spec, c.shards, c.env, got, err, c.want)
		}
	}
}

func TestDeadTemporaries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	alive, err := temporary(path)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	dead, err := temporary(path)
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	f, err := temporary(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := os.Stat(alive.Name()); err != nil {
		t.Errorf("the temporary file of a living process: %v", err)
	}
	if _, err := os.Stat(dead.Name()); err == nil {
		t.Errorf("the temporary file of a dead process is still there")
	}
}

// TestKill kills a child that works, again and again, at random moments. Set
// QWQ_KILL_ROUNDS to 50 for a longer run.
func TestKill(t *testing.T) {
	if path := os.Getenv("QWQ_SHARD_CHILD"); path != "" {
		if err := Run(context.Background(), path, &job{key: 3, parts: 4, pause: time.Millisecond}, Selection{}, Options{}); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := filepath.Join(t.TempDir(), "want")
	if err := Run(t.Context(), want, &job{key: 3, parts: 4}, Selection{}, Options{}); err != nil {
		t.Fatal(err)
	}
	rounds := 5
	if n, err := strconv.Atoi(os.Getenv("QWQ_KILL_ROUNDS")); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	killed := 0
	for r := range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "QWQ_SHARD_CHILD="+path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(5+rand.IntN(50)) * time.Millisecond)
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); err != nil {
			killed++
		}
		for i := range 5 { // whatever has a name is whole
			name := PartPath(path, i, 4)
			if i == 4 {
				name = path
			}
			if _, err := Verify(name, (&job{key: 3, parts: 4}).Key(), i, 4); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("round %d: %v", r, err)
			}
		}
		if _, err := os.Stat(path); err == nil {
			if got := read(t, path); got != read(t, want) {
				t.Fatalf("round %d: the result differs", r)
			}
			all, _ := filepath.Glob(path + "*")
			for _, f := range all {
				os.Remove(f)
			}
		}
	}
	if err := Run(t.Context(), path, &job{key: 3, parts: 4}, Selection{}, Options{}); err != nil {
		t.Fatal(err)
	}
	if read(t, path) != read(t, want) {
		t.Error("the result after the kills differs")
	}
	left, _ := filepath.Glob(path + ".tmp-*")
	parts, _ := filepath.Glob(path + "-*.tmp-*")
	t.Logf("%d of %d children were killed; temporary files left: %d", killed, rounds, len(left)+len(parts))
	if killed == 0 {
		t.Error("no child was killed")
	}
}

func TestPayload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	j := &job{key: 7, parts: 1}
	if err := Run(t.Context(), path, j, Selection{}, Options{}); err != nil {
		t.Fatal(err)
	}
	b := []byte(read(t, path))
	p, key, err := Payload(b)
	if err != nil || key != j.Key() || len(p) != len(b)-TrailerSize || !strings.HasPrefix(string(p), "0 40960 ") {
		t.Errorf("got %d bytes, key %s, error %v", len(p), key, err)
	}
	if p, _, content, err := VerifyBytes(b); err != nil || content != Hash(sha256.Sum256(p)) {
		t.Errorf("verified: content %s, error %v", content, err)
	}
	for at := range b {
		b[at] ^= 4
		if _, _, _, err := VerifyBytes(b); !errors.Is(err, ErrDamaged) {
			t.Fatalf("byte %d changed: got %v, want ErrDamaged", at, err)
		}
		b[at] ^= 4
	}
	for _, bad := range [][]byte{nil, b[:10], b[:len(b)-1], b[1:], make([]byte, 200)} {
		if _, _, err := Payload(bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes: got %v, want ErrDamaged", len(bad), err)
		}
	}
	binary.LittleEndian.PutUint64(b[len(b)-TrailerSize+16:], 1<<62)
	if _, _, err := Payload(b); !errors.Is(err, ErrDamaged) {
		t.Errorf("a huge length: got %v, want ErrDamaged", err)
	}
}
