package main

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/store"
)

// noState is the folder of a daemon that keeps nothing.
const noState = "none"

func stateFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "state", Usage: "`DIR` for what is kept over restarts, none: nothing is (default: $STATE_DIRECTORY, $XDG_STATE_HOME/qwq or ~/.local/state/qwq)"},
		&cli.StringFlag{Name: "state-size", Usage: "`SIZE` that this may take (default: 2 GB, or 10 % of the free space where that is less)"},
		&cli.StringFlag{Name: "state-wear", Value: "512MB", Usage: "`SIZE` that may be written to it in a day: memory cards wear out"},
		&cli.DurationFlag{Name: "state-idle", Value: 30 * time.Second, Usage: "`TIME` after its last answer that a conversation (session_id) is written, SIGTERM writes it too"},
	}
}

// stateDir is the folder that flags and environment name; "": none. named: it was asked
// for by the flag.
func stateDir(c *cli.Context) (dir string, named bool) {
	switch dir := c.String("state"); dir {
	case noState:
		return "", true
	case "":
		return prog.StateDir(), false
	default:
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		return dir, true
	}
}

// openStore opens the state folder. A folder that --state names must work; without the
// flag a daemon whose folder another one uses, or that has none, keeps nothing.
func (d *daemon) openStore(c *cli.Context) error {
	o := store.Options{}
	for name, dst := range map[string]*int64{"state-size": &o.MaxBytes, "state-wear": &o.WearBytes} {
		v := c.String(name)
		if v == "" {
			continue
		}
		n, err := prog.ParseSize(v)
		if err == nil && n <= 0 {
			err = errors.New("it must be more than 0")
		}
		if err != nil {
			return prog.Hint(prog.Usagef("--%s: %v", name, err), "--state none keeps nothing")
		}
		*dst = n
	}
	if d := c.Duration("state-idle"); d <= 0 {
		return prog.Usagef("--state-idle %v must be more than 0", d)
	}
	dir, named := stateDir(c)
	if dir == "" {
		return nil
	}
	f, err := store.Dir(dir)
	if err == nil {
		d.store, err = store.Open(f, o)
	}
	switch {
	case err == nil:
		d.log.Info("state", "folder", dir)
		go func() { // known when the folder has been read
			if d.store.Stats().ReadOnly {
				d.log.Warn("the state folder cannot be written to: what is there is used, nothing is added", "folder", dir)
			}
		}()
		return nil
	case named:
		return prog.Hint(err, "give each daemon a --state folder of its own, or none")
	}
	d.log.Warn("nothing is kept over restarts", "folder", dir, "error", err.Error())
	return nil
}
