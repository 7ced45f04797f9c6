package main

import (
	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/dialog"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// topics opens what --tracker and --encoder name; nil without them. The function
// closes both.
func topics(c *cli.Context) (*dialog.Window, func(), error) {
	path, encoder := c.String("tracker"), c.String("encoder")
	none := func() {}
	switch {
	case path == "" && encoder == "":
		return nil, none, nil
	case path == "" || encoder == "":
		return nil, none, prog.Usagef("--tracker and --encoder belong together")
	}
	t, err := dialog.Open(path, backend.CPUOptions{Threads: 1})
	if err != nil {
		return nil, none, err
	}
	m, err := engine.Open(encoder, engine.Options{Threads: c.Int("threads"), Sequences: 1})
	if err != nil {
		t.Close()
		return nil, none, err
	}
	done := func() {
		m.Close()
		t.Close()
	}
	w, err := dialog.NewWindow(t, m)
	if err != nil {
		done()
		return nil, none, err
	}
	return w, done, nil
}
