package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// modelFlag is -m; without it the embedded model runs.
func modelFlag() cli.Flag {
	return &cli.StringFlag{Name: "model", Aliases: []string{"m"},
		Usage: "`MODEL`: a .gguf file, or NAME[:TAG] in $QWQ_MODELS, ~/.local/share/qwq/models or /var/lib/qwq/models (default: the embedded model)"}
}

// openModel opens what -m names, or the embedded model, and passes on what the
// engine has to say.
func openModel(c *cli.Context, o engine.Options) (m *engine.Model, err error) {
	if name := c.String("model"); name != "" {
		var path string
		if path, err = prog.FindModel(name, prog.ModelDirs(c.String("models"))); err == nil {
			m, err = engine.Open(path, o)
		}
	} else {
		fmt.Fprintf(c.App.ErrWriter, "%s: no -m given: using the embedded model, %s\n", c.App.Name, demo.Describe)
		var f *gguf.File
		if f, err = gguf.Parse(demo.Model()); err == nil {
			m, err = engine.New(f, o)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, w := range m.Info().Warnings {
		fmt.Fprintf(c.App.ErrWriter, "%s: warning: %s\n", c.App.Name, w)
	}
	return m, nil
}

func openFile(c *cli.Context) (*gguf.File, error) {
	name := c.String("model")
	if name == "" {
		return gguf.Parse(demo.Model())
	}
	path, err := prog.FindModel(name, prog.ModelDirs(c.String("models")))
	if err != nil {
		return nil, err
	}
	return gguf.Open(path)
}
