//go:build linux && (amd64 || arm64 || arm)

package guard

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain lets the test's program be its own restricted child.
func TestMain(m *testing.M) {
	if dir := os.Getenv("GUARD_TEST_DIR"); dir != "" {
		if err := child(dir, os.Getenv("GUARD_TEST_DO")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child restricts itself to dir and tries what do names.
func child(dir, do string) error {
	before := os.Getpid()
	if err := Confine(Rights{Read: []string{filepath.Join(dir, "models"), "/proc/self"}, Write: []string{filepath.Join(dir, "state")}, Sockets: []string{filepath.Join(dir, "run")}}); err != nil {
		return err
	}
	l, err := net.Listen("unix", filepath.Join(dir, "run", "new"))
	if err != nil {
		return err
	}
	defer l.Close()
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := os.Rename(filepath.Join(dir, "run", "new"), filepath.Join(dir, "run", "s")); err != nil {
		return err
	}
	if err := Seal(); err != nil {
		return err
	}
	s := Probe()
	if before != os.Getpid() || os.Getenv(confined) != "" {
		return errors.New("another process, or the mark is left")
	}
	fmt.Printf("%+v\n", s)
	switch do {
	case "exec":
		return syscall.Exec("/proc/self/exe", os.Args, nil) // ends the process
	case "ptrace":
		_, _, e := unix.RawSyscall(unix.SYS_PTRACE, 0, 0, 0)
		return e
	}
	const threads = 8
	errs := make([]error, threads)
	var wg, all sync.WaitGroup
	all.Add(threads)
	for i := range threads {
		wg.Go(func() {
			runtime.LockOSThread()
			all.Done()
			all.Wait() // so many threads at a time
			errs[i] = tries(dir, i, s)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func tries(dir string, i int, s State) error {
	if _, err := os.ReadFile(filepath.Join(dir, "models", "a.gguf")); err != nil {
		return fmt.Errorf("thread %d: a model: %w", i, err)
	}
	own := filepath.Join(dir, "state", fmt.Sprint(i))
	if err := os.WriteFile(own+".new", []byte("x"), 0o600); err != nil {
		return fmt.Errorf("thread %d: %w", i, err)
	}
	sub := own + ".d"
	if err := errors.Join(os.Mkdir(sub, 0o700), os.Rename(own+".new", sub+"/x"), os.Rename(sub+"/x", own), os.Remove(sub), os.Remove(own)); err != nil {
		return fmt.Errorf("thread %d: %w", i, err)
	}
	if s.Landlock {
		if _, err := os.ReadFile(filepath.Join(dir, "secret")); !errors.Is(err, unix.EACCES) {
			return fmt.Errorf("thread %d: a forbidden file: %w", i, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "models", "b"), nil, 0o600); !errors.Is(err, unix.EACCES) {
			return fmt.Errorf("thread %d: writing among the models: %w", i, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "run", "b"), nil, 0o600); !errors.Is(err, unix.EACCES) {
			return fmt.Errorf("thread %d: a file among the sockets: %w", i, err)
		}
	}
	if s.Seccomp {
		for _, family := range []int{unix.AF_UNIX, unix.AF_INET, unix.AF_NETLINK} {
			if _, err := unix.Socket(family, unix.SOCK_DGRAM, 0); !errors.Is(err, unix.EPERM) {
				return fmt.Errorf("thread %d: socket of family %d: %w", i, family, err)
			}
		}
		if _, _, e := unix.RawSyscall(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0); e != unix.EPERM {
			return fmt.Errorf("thread %d: a new process: %w", i, e)
		}
	}
	return nil
}

// run starts the child; it returns what it printed.
func run(t *testing.T, do string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"models", "state", "run"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"secret", "models/a.gguf"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "GUARD_TEST_DIR="+dir, "GUARD_TEST_DO="+do)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.ENOEXEC) {
		t.Skip("an emulated processor: the kernel is not its own")
	}
	return string(out), err
}

// TestRefused: what must be refused is refused on eight threads, what must work works, and
// Probe says what the kernel's account says.
func TestRefused(t *testing.T) {
	out, err := run(t, "")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, none := version()
	if has := strings.Contains(out, "Landlock:true"); has != (none == nil) {
		t.Errorf("the kernel: %v, the child: %s", none, out)
	}
	filters, err := os.ReadFile("/proc/sys/kernel/seccomp/actions_avail")
	if has := strings.Contains(out, "Seccomp:true"); has != (err == nil && len(filters) > 0) {
		t.Errorf("seccomp's actions %q, the child: %s", filters, out)
	}
	if none != nil || err != nil {
		t.Skipf("in part: %v, seccomp %v", none, err)
	}
	if !strings.Contains(out, "NoNewPrivs:true") {
		t.Error(out)
	}
}

// TestKilled: executing a program or tracing one ends the process.
func TestKilled(t *testing.T) {
	if _, err := os.Stat("/proc/sys/kernel/seccomp/actions_avail"); err != nil {
		t.Skip("no seccomp filters:", err)
	}
	for _, do := range []string{"exec", "ptrace"} {
		out, err := run(t, do)
		var e *exec.ExitError
		if !errors.As(err, &e) || e.Sys().(syscall.WaitStatus).Signal() != unix.SIGSYS {
			t.Errorf("%s: %v, want SIGSYS\n%s", do, err, out)
		}
	}
}

// TestOpen: an unrestricted process is reported as that.
func TestOpen(t *testing.T) {
	if s := Probe(); s.Landlock || s.Seccomp {
		t.Errorf("%+v", s)
	}
}
