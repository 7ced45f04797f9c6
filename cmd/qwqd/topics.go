package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/dialog"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/server"
)

// topics opens what --tracker and --encoder name, for the life of the process; nil
// without them.
func topics(c *cli.Context) (*server.Topics, error) {
	path, encoder := c.String("tracker"), c.String("encoder")
	switch {
	case path == "" && encoder == "":
		return nil, nil
	case path == "" || encoder == "":
		return nil, prog.Usagef("--tracker and --encoder belong together")
	}
	t, err := dialog.Open(path, backend.CPUOptions{Threads: 1})
	if err != nil {
		return nil, err
	}
	m, err := engine.Open(encoder, engine.Options{Threads: c.Int("threads"), Sequences: 1})
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	x, err := server.NewTopics(t, m)
	if err != nil {
		return nil, errors.Join(err, m.Close(), t.Close())
	}
	return x, nil
}
