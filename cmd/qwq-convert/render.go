package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

func renderCommand() *cli.Command {
	return &cli.Command{
		Name:      "render",
		Usage:     "print what a chat template makes of a conversation",
		ArgsUsage: "MODEL",
		Description: "MODEL is a GGUF, a Hugging Face folder (its tokenizer files are enough) or a .jinja\n" +
			"file. The messages are a JSON array in the form of the OpenAI API:\n\n" +
			"  [{\"role\": \"user\", \"content\": \"Why is the sky blue?\"}]\n\n" +
			"Nothing is added to the template's output, not even a line end.\n\n" +
			"Example:\n  qwq-convert render model.gguf --messages chat.json --set enable_thinking=false",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "messages", Usage: "JSON `FILE` with the messages; - is stdin"},
			&cli.StringFlag{Name: "tools", Usage: "JSON `FILE` with an array of tool definitions"},
			&cli.BoolFlag{Name: "no-generation-prompt", Usage: "end after the last message, not where the answer begins"},
			&cli.StringSliceFlag{Name: "set", Usage: "`NAME=JSON`: a variable of the template; repeatable"},
		},
		Action: render,
	}
}

func render(c *cli.Context) error {
	args, err := prog.Args(c, 1, 1, "MODEL")
	if err != nil {
		return err
	}
	if c.String("messages") == "" {
		return prog.Usagef("render needs --messages FILE").Hintf("the file holds [{\"role\": \"user\", \"content\": \"…\"}]")
	}
	o := chat.RenderOptions{AddGenerationPrompt: !c.Bool("no-generation-prompt")}
	if o.Vars, err = prog.Vars(c.StringSlice("set")); err != nil {
		return err
	}
	text, err := prog.ReadText(c, c.String("messages"))
	if err != nil {
		return err
	}
	var messages []chat.Message
	if err := json.Unmarshal([]byte(text), &messages); err != nil {
		return fmt.Errorf("%s: no array of messages: %w", c.String("messages"), err)
	}
	if o.Tools, err = prog.Tools(c.String("tools")); err != nil {
		return err
	}
	t, err := loadTemplate(args[0], &o)
	if err != nil {
		return err
	}
	out, err := t.Chat(messages, o)
	if err != nil {
		return err
	}
	_, err = io.WriteString(c.App.Writer, out)
	return err
}

// loadTemplate parses a model's chat template and sets the texts of its begin
// and end tokens.
func loadTemplate(path string, o *chat.RenderOptions) (*chat.Template, error) {
	if ext := filepath.Ext(path); ext == ".jinja" || ext == ".jinja2" || ext == ".j2" {
		src, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		return chat.Parse(filepath.Base(path), string(src))
	}
	tok, err := tokenizer.Load(path)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(tok.ChatTemplate()) == "" {
		return nil, prog.Hint(fmt.Errorf("%s has no chat template", path), "give the template as a .jinja file")
	}
	o.BOS, o.EOS = tok.Spelling(tok.BOS()), tok.Spelling(tok.EOS())
	return chat.Parse(filepath.Base(path), tok.ChatTemplate())
}
