// Command qwq runs a model on this machine: it writes text, talks, measures speed and
// says what the machine can do. Every command here is flags, wiring and
// messages; the work is done by the packages it calls.
package main

import (
	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
)

func app() *cli.App {
	return &cli.App{
		Name:  "qwq",
		Usage: "run compact language models on small machines",
		Commands: []*cli.Command{
			generateCommand(),
			chatCommand(),
			embedCommand(),
			classifyCommand(),
			listCommand(),
			psCommand(),
			topCommand(),
			benchCommand(),
			infoCommand(),
			uiCommand(),
			prog.ConfigCommand(),
			prog.CompletionCommand(),
			prog.ManCommand(),
		},
	}
}

func main() { prog.Main(app()) }
