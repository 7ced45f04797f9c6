//go:build linux

package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestCeiling: of a ceiling of 8 one user gets 4 connections; more get a 503 that can be read
// although the request was not, and a closed one makes room. Goroutines go with them.
func TestCeiling(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := ListenUnix(SocketOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	a := Access{UIDs: []uint32{uint32(os.Getuid())}} // the caller is still known
	s := &http.Server{ConnContext: a.ConnContext, Handler: a.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "yes") //nolint:errcheck // the client has gone
	}))}
	go s.Serve(NewCeiling(8).Over(l, false)) //nolint:errcheck // ends with the test
	defer s.Close()
	before := runtime.NumGoroutine()
	ask := func(c net.Conn) (int, string) {
		t.Helper()
		c.SetDeadline(time.Now().Add(5 * time.Second)) //nolint:errcheck // read tells
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != http.StatusOK && (r.Header.Get("Retry-After") == "" || !json.Valid(b)) {
			t.Errorf("%v %s", r.Header, b)
		}
		return r.StatusCode, string(b)
	}
	open := func() net.Conn {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	var held []net.Conn
	for i := range 4 {
		c := open()
		held = append(held, c)
		if status, body := ask(c); status != 200 {
			t.Errorf("connection %d: %d %s", i, status, body)
		}
	}
	for range 100 {
		c := open()
		if status, body := ask(c); status != http.StatusServiceUnavailable {
			t.Errorf("beyond the ceiling: %d %s", status, body)
		}
		c.Close()
	}
	held[0].Close()
	for i := 0; ; i++ {
		c := open()
		status, body := ask(c)
		c.Close()
		if status == 200 {
			break
		}
		if i == 100 {
			t.Fatalf("no room after one has closed: %d %s", status, body)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, c := range held[1:] {
		c.Close()
	}
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if i == 200 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
