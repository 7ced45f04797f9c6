package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

func tokenizeCommand() *cli.Command {
	return &cli.Command{
		Name:      "tokenize",
		Usage:     "print the token ids of a text as a JSON array",
		ArgsUsage: "MODEL [TEXT]",
		Description: "MODEL is a GGUF, a Hugging Face folder (its tokenizer files are enough) or a\n" +
			"tokenizer file. With --stdin or --stdin-json every record gives one array per line.\n\n" +
			"Example:\n  qwq-convert tokenize model.gguf 'Once upon a time'\n" +
			"  printf 'one\\0two' | qwq-convert tokenize model.gguf --stdin",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "stdin", Usage: "read texts from stdin, separated by NUL bytes"},
			&cli.BoolFlag{Name: "stdin-json", Usage: "read texts from stdin, one JSON string per line"},
			&cli.BoolFlag{Name: "add-special", Usage: "add BOS and EOS as the model says"},
			&cli.BoolFlag{Name: "no-parse-special", Usage: "take special tokens written in the text as plain text"},
		},
		Action: tokenize,
	}
}

func tokenize(c *cli.Context) error {
	args, err := prog.Args(c, 1, 2, "MODEL [TEXT]")
	if err != nil {
		return err
	}
	texts, err := records(c, args[1:], "TEXT", func(b []byte) ([]string, error) { return strings.Split(string(b), "\x00"), nil })
	if err != nil {
		return err
	}
	tok, err := tokenizer.Load(args[0])
	if err != nil {
		return err
	}
	o := tokenizer.EncodeOptions{AddSpecial: c.Bool("add-special"), NoParseSpecial: c.Bool("no-parse-special")}
	w := bufio.NewWriter(c.App.Writer)
	ids := []int32{}
	for _, t := range texts {
		if err := c.Context.Err(); err != nil {
			return err
		}
		ids = tok.Append(ids[:0], t, o)
		if err := prog.JSON(w, ids); err != nil {
			return err
		}
	}
	return w.Flush()
}

// records returns the command's inputs: the positional, or what stdin holds,
// split by split or taken as one JSON string per line.
func records(c *cli.Context, pos []string, what string, split func([]byte) ([]string, error)) ([]string, error) {
	raw, lines := c.Bool("stdin"), c.Bool("stdin-json")
	switch {
	case raw && lines:
		return nil, prog.Usagef("%s takes --stdin or --stdin-json, not both", c.Command.Name)
	case (raw || lines) && len(pos) > 0:
		return nil, prog.Usagef("%s takes %s or stdin, not both", c.Command.Name, what)
	case !raw && !lines && len(pos) == 0:
		return nil, prog.Usagef("%s needs %s", c.Command.Name, what).Hintf("--stdin reads it from stdin")
	case !raw && !lines:
		return pos, nil
	}
	b, err := io.ReadAll(c.App.Reader)
	if err != nil {
		return nil, fmt.Errorf("stdin: %w", err)
	}
	if raw {
		return split(b)
	}
	var out []string
	for d := json.NewDecoder(strings.NewReader(string(b))); ; {
		var s string
		switch err := d.Decode(&s); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("stdin: record %d: %w", len(out)+1, err)
		}
		out = append(out, s)
	}
}
