package compat

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// socket is the daemon's.
var socket string

// transport connects to the daemon whatever the URL says.
func transport() *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
}

// matrix is what every client could do.
var matrix struct {
	sync.Mutex
	clients, features []string
	cell              map[[2]string]string
}

// note puts a result into the matrix and fails the test with it.
func note(t *testing.T, client, feature string, err error) {
	t.Helper()
	matrix.Lock()
	defer matrix.Unlock()
	if !slices.Contains(matrix.clients, client) {
		matrix.clients = append(matrix.clients, client)
	}
	if !slices.Contains(matrix.features, feature) {
		matrix.features = append(matrix.features, feature)
	}
	if at := [2]string{client, feature}; matrix.cell[at] == "" {
		matrix.cell[at] = "ok"
	}
	if err != nil {
		matrix.cell[[2]string{client, feature}] = "FAIL"
		t.Errorf("%s, %s: %v", client, feature, err)
	}
}

// printMatrix prints features by clients.
func printMatrix() {
	head := fmt.Sprintf("%-18s", "")
	for _, c := range matrix.clients {
		head += fmt.Sprintf(" %-16s", c)
	}
	fmt.Println(strings.TrimRight(head, " "))
	for _, f := range matrix.features {
		line := fmt.Sprintf("%-18s", f)
		for _, c := range matrix.clients {
			v := matrix.cell[[2]string{c, f}]
			if v == "" {
				v = "-"
			}
			line += fmt.Sprintf(" %-16s", v)
		}
		fmt.Println(strings.TrimRight(line, " "))
	}
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run runs the tests beside a daemon of their own, which must end well.
func run(m *testing.M) int {
	matrix.cell = map[[2]string]string{}
	dir, err := os.MkdirTemp("", "compat")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	socket = filepath.Join(dir, "s")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer log.Close()
	qwqd := exec.Command(os.Getenv("QWQD"), "--socket", socket, "--models", dir)
	qwqd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir, "XDG_STATE_HOME="+dir)
	qwqd.Stderr = log
	if err := qwqd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "QWQD must name the daemon:", err)
		return 1
	}
	for range 500 {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	code := m.Run()
	err = qwqd.Process.Signal(syscall.SIGTERM)
	if err == nil {
		err = qwqd.Wait()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the daemon ended with:", err)
		code = 1
	}
	if code != 0 {
		if b, err := os.ReadFile(log.Name()); err == nil {
			fmt.Fprintf(os.Stderr, "%s", b[max(0, len(b)-8000):])
		}
	}
	printMatrix()
	return code
}
