package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// draftFlag names a model that guesses for the one of -m.
func draftFlag() cli.Flag {
	return &cli.StringFlag{Name: "draft", Usage: "small `MODEL` with the same vocabulary that guesses ahead: the same text, sooner where it guesses well"}
}

// openDraft opens the model of --draft for m; nil without the flag. done closes it, when
// no sequence of m is used any more.
func openDraft(c *cli.Context, m *engine.Model, o engine.Options) (a *engine.Assistant, done func(), err error) {
	name := c.String("draft")
	if name == "" {
		return nil, func() {}, nil
	}
	path, err := prog.FindModel(name, prog.ModelDirs(c.String("models")))
	if err != nil {
		return nil, nil, err
	}
	o.Context = 0
	small, err := engine.Open(path, o)
	if err != nil {
		return nil, nil, err
	}
	if a, err = engine.NewAssistant(m, small); err != nil {
		small.Close()
		return nil, nil, prog.Hint(fmt.Errorf("%s: %w", path, err), "a draft model has its model's own tokenizer, as a distilled student has")
	}
	return a, func() { small.Close() }, nil
}
