// Command qwqd serves models over a Unix socket, in the forms of OpenAI's and Ollama's
// APIs. Everything here is flags, wiring and messages; the work is done by the packages
// it calls.
package main

import (
	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
)

func app() *cli.App {
	return &cli.App{
		Name:  "qwqd",
		Usage: "serve language models to the programs of this machine",
		Commands: []*cli.Command{
			serveCommand(),
			prog.ConfigCommand(),
			prog.CompletionCommand(),
			prog.ManCommand(),
		},
		DefaultCommand: serveName,
	}
}

const serveName = "serve"

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  serveName,
		Usage: "serve models over a Unix socket (what qwqd does without a command)",
		Description: "Serves the OpenAI API (/v1) and Ollama's (/api), many users at once. SIGTERM lets\n" +
			"running answers end, SIGHUP reads model files anew. Other commands: config, completion, man.\n\n" +
			"Example:\n  qwqd -m qwen-int8.gguf --socket /tmp/qwqd.sock\n" +
			"  curl --unix-socket /tmp/qwqd.sock http://qwqd/v1/chat/completions -d '{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}'",
		Flags:  flags(),
		Action: serve,
	}
}

func main() { prog.MainDaemon(app()) }
