package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/webui"
)

func uiCommand() *cli.Command {
	return &cli.Command{
		Name:  "ui",
		Usage: "open the daemon's web page in a browser of this machine",
		Description: "Serves the page on 127.0.0.1 until Ctrl-C, and hands what it asks to the daemon's socket.\n" +
			"The address that is printed opens the page in one browser, once; the chats stay in that\n" +
			"browser. From elsewhere: ssh -L PORT:127.0.0.1:PORT, with the port that is printed.\n\n" +
			"Example:\n  qwqd --socket /tmp/q.sock &\n  qwq ui --socket /tmp/q.sock",
		Flags: append(watchFlags(),
			&cli.IntFlag{Name: "port", Usage: "`PORT` of the page (0: the one of last time, a random one at first)"},
			&cli.BoolFlag{Name: "no-browser", Usage: "print the address only"},
		),
		Action: ui,
	}
}

func ui(c *cli.Context) error {
	if _, err := prog.Args(c, 0, 0, "flags only"); err != nil {
		return err
	}
	if p := c.Int("port"); p < 0 || p > 65535 {
		return prog.Usagef("--port %d is not 0 to 65535", p)
	}
	d, err := dial(c)
	if err != nil {
		return err
	}
	page, err := connect(c.Context, d)
	if err != nil {
		return err
	}
	l, err := listenLocal(c.Int("port"))
	if err != nil {
		return err
	}
	address := "http://" + l.Addr().String() + "/#token=" + page.Token()
	fmt.Fprintln(c.App.Writer, address)
	opened := !c.Bool("no-browser") && browse(address)
	if opened {
		fmt.Fprintf(c.App.ErrWriter, "%s: a browser was asked to open the page of %s; Ctrl-C ends it\n", c.App.Name, d.target)
	} else {
		fmt.Fprintf(c.App.ErrWriter, "%s: the page of %s; the address opens it once, Ctrl-C ends it\n", c.App.Name, d.target)
	}
	return serveUI(c.Context, l, page)
}

// connect makes the page of a daemon, which must answer.
func connect(ctx context.Context, d *daemon) (*webui.UI, error) {
	asking, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := d.Status(asking); err != nil {
		return nil, d.explain(ctx, err)
	}
	w := webui.Options{Daemon: d.HTTP().Transport, Token: d.token}
	if path, isURL := strings.CutPrefix(d.target, "unix://"); isURL || !strings.Contains(d.target, "://") {
		w.Advice = "To start one: qwqd --socket " + path
		return webui.New(w), nil
	}
	base, err := url.Parse(strings.TrimSuffix(d.target, "/"))
	if err != nil {
		return nil, err
	}
	w.Base = base
	return webui.New(w), nil
}

// listenLocal listens on 127.0.0.1. A browser keeps a page's chats by its address, port
// included: so a random port is chosen once and taken again while it is free.
func listenLocal(port int) (net.Listener, error) {
	at := func(p int) (net.Listener, error) {
		return net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
	}
	if port > 0 {
		return at(port)
	}
	dir := prog.StateDir()
	file := filepath.Join(dir, "ui-port")
	last, known := lastPort(file)
	if known {
		if l, err := at(last); err == nil {
			return l, nil
		}
	}
	l, err := at(0)
	if err != nil || known || dir == "" { // a second page beside the first does not take its place
		return l, err
	}
	if os.MkdirAll(dir, 0o700) == nil {
		chosen := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		prog.WriteFile(file, func(w io.Writer) error { //nolint:errcheck // the page works, on another port next time
			_, err := io.WriteString(w, chosen+"\n")
			return err
		})
	}
	return l, nil
}

func lastPort(file string) (port int, ok bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	p, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 16)
	return int(p), err == nil && p >= 1024
}

// browse asks the desktop to open an address; false where there is none.
func browse(address string) bool {
	opener := "xdg-open"
	switch runtime.GOOS {
	case "darwin":
		opener = "open"
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return false
		}
	}
	cmd := exec.Command(opener, address)
	if cmd.Start() != nil {
		return false
	}
	go cmd.Wait() //nolint:errcheck // the address is printed in any case
	return true
}

// serveUI serves until ctx ends.
func serveUI(ctx context.Context, l net.Listener, page *webui.UI) error {
	s := &http.Server{
		Handler:           page.Handler(),
		ConnContext:       page.ConnContext,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	stop := context.AfterFunc(ctx, func() { s.Close() }) // streams are cut off: nobody waits for them
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
