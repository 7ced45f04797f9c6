package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/api"
)

// daemonFlags are --socket and --token-file of a command that can do without a daemon.
func daemonFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "socket", Usage: "ask the daemon at `PATH`, or http(s)://HOST:PORT, in place of opening the model here"},
		tokenFlag(),
	}
}

func tokenFlag() cli.Flag {
	return &cli.StringFlag{Name: "token-file", Usage: "`FILE` with the token of a daemon on TCP"}
}

// watchFlags are those of a command that is about a daemon.
func watchFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "socket", Usage: "the daemon's Unix socket, a `PATH`, or http(s)://HOST:PORT (default: $XDG_RUNTIME_DIR/qwqd.sock of a user, else /run/qwqd/qwqd.sock)"},
		tokenFlag(),
	}
}

// daemon is a client of a daemon, and where it is.
type daemon struct {
	*api.Client
	target string
	token  string // of --token-file
}

// remote is the daemon of --socket; nil without it.
func remote(c *cli.Context) (*daemon, error) {
	if c.String("socket") == "" {
		return nil, nil
	}
	if m := c.String("model"); strings.ContainsRune(m, filepath.Separator) || strings.HasSuffix(m, ".gguf") {
		return nil, prog.Usagef("-m %s: a daemon serves models by name", m).Hintf("qwq ps shows what is loaded; --socket '' opens the file here")
	}
	for _, name := range []string{"models", "ctx", "kv", "precise", "threads", "threads-prefill", "threads-decode", "expert-pages", "draft", "safety"} {
		if c.IsSet(name) {
			fmt.Fprintf(c.App.ErrWriter, "%s: warning: --%s changes nothing here: the daemon has its own\n", c.App.Name, name)
		}
	}
	return dial(c)
}

// dial makes the client of --socket, or of where a daemon usually is.
func dial(c *cli.Context) (*daemon, error) {
	d := &daemon{target: c.String("socket")}
	if d.target == "" {
		d.target = prog.DaemonSocket()
	}
	var o api.Options
	if path := c.String("token-file"); path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		o.Token = strings.TrimSpace(string(b))
		d.token = o.Token
	}
	var err error
	d.Client, err = api.Dial(d.target, o)
	return d, err
}

// explain says what to do where nobody answers.
func (d *daemon) explain(ctx context.Context, err error) error {
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case strings.Contains(d.target, "://") && !strings.HasPrefix(d.target, "unix://"):
		if errors.Is(err, syscall.ECONNREFUSED) {
			return prog.Hint(fmt.Errorf("no daemon answers on %s: %w", d.target, err), "qwqd --listen HOST:PORT --token-file FILE starts one")
		}
		return err
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTSOCK):
		return prog.Hint(fmt.Errorf("no daemon answers on %s: %w", d.target, err), "start one with: qwqd --socket %s &", strings.TrimPrefix(d.target, "unix://"))
	case errors.Is(err, syscall.EACCES):
		return prog.Hint(fmt.Errorf("the socket %s may not be opened: %w", d.target, err), "its group may: see ls -l, and qwqd --socket-group")
	}
	return err
}
