// Command qwq-convert is the toolkit: it turns checkpoints into GGUF files and
// looks into them. Every command here is flags, wiring and messages; the work
// is done by the packages it calls.
package main

import (
	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
)

func app() *cli.App {
	return &cli.App{
		Name:  "qwq-convert",
		Usage: "turn language-model checkpoints into compact GGUF files",
		Commands: []*cli.Command{
			quantizeCommand(),
			inspectCommand(),
			logitsCommand(),
			runCommand(),
			tokenizeCommand(),
			detokenizeCommand(),
			evalCommand(),
			distillCommand(),
			renderCommand(),
			prog.ConfigCommand(),
			prog.CompletionCommand(),
			prog.ManCommand(),
		},
	}
}

func main() { prog.Main(app()) }
