package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

func detokenizeCommand() *cli.Command {
	return &cli.Command{
		Name:      "detokenize",
		Usage:     "print the text of token ids",
		ArgsUsage: "MODEL [IDS]",
		Description: "IDS are numbers between commas. With --stdin every line holds one JSON array and\n" +
			"gives one JSON string.\n\nExample:\n  qwq-convert detokenize model.gguf 1,2,3",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "stdin", Usage: "read ids from stdin, one JSON array per line; print one JSON string per line"},
			&cli.BoolFlag{Name: "skip-special", Usage: "leave special tokens out"},
		},
		Action: detokenize,
	}
}

func detokenize(c *cli.Context) error {
	args, err := prog.Args(c, 1, 2, "MODEL [IDS]")
	if err != nil {
		return err
	}
	lists, err := records(c, args[1:], "IDS", jsonLines)
	if err != nil {
		return err
	}
	tok, err := tokenizer.Load(args[0])
	if err != nil {
		return err
	}
	w := bufio.NewWriter(c.App.Writer)
	for i, s := range lists {
		if err := c.Context.Err(); err != nil {
			return err
		}
		ids, err := prog.IDs(s)
		if err != nil && c.Bool("stdin") {
			return fmt.Errorf("stdin: line %d: %w", i+1, err)
		}
		if err != nil {
			return prog.Usagef("%s", err)
		}
		text := tok.Decode(ids, c.Bool("skip-special"))
		if !c.Bool("stdin") {
			_, err = io.WriteString(w, text)
		} else {
			err = prog.JSON(w, text)
		}
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

// jsonLines splits stdin into lines and checks that each holds an array.
func jsonLines(b []byte) ([]string, error) {
	var out []string
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "[") {
			return nil, fmt.Errorf("stdin: line %d is no JSON array", len(out)+1)
		}
		out = append(out, line)
	}
	return out, nil
}
