package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/convert"
)

func inspectCommand() *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "say what a model is made of and whether it fits this machine",
		ArgsUsage: "FILE",
		Description: "FILE is a GGUF, a Hugging Face folder or a checkpoint file.\n\n" +
			"Example:\n  qwq-convert inspect qwen-int8.gguf --ctx 2048",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "ctx", Usage: "context of `N` tokens for the memory needed (0: what the model was trained with, at most 4096)"},
			&cli.BoolFlag{Name: "tensors", Usage: "list the tensors"},
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object, tensors included"},
		},
		Action: inspect,
	}
}

func inspect(c *cli.Context) error {
	args, err := prog.Args(c, 1, 1, "FILE")
	if err != nil {
		return err
	}
	if n := c.Int("ctx"); n < 0 {
		return prog.Usagef("--ctx %d is negative", n)
	}
	in, err := convert.InspectContext(args[0], c.Int("ctx"))
	if err != nil {
		return err
	}
	for _, w := range in.Warnings {
		fmt.Fprintf(c.App.ErrWriter, "%s: warning: %s\n", c.App.Name, w)
	}
	if c.Bool("json") {
		return prog.JSON(c.App.Writer, in)
	}
	return printInfo(c.App.Writer, in, c.Bool("tensors"))
}

func printInfo(w io.Writer, in *convert.Info, tensors bool) error {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-13s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("architecture", "%s", in.Architecture)
	if in.Name != "" {
		line("name", "%s", in.Name)
	}
	line("parameters", "%s in %d tensors", count(in.Parameters), len(in.Tensors))
	for _, t := range slices.Sorted(maps.Keys(in.BytesPerType)) {
		line("  "+t, "%s", prog.Size(in.BytesPerType[t]))
	}
	m := in.Memory
	line("memory", "%s weights + %s KV cache + %s scratch at a context of %d tokens", prog.Size(m.Weights), prog.Size(m.KV), prog.Size(m.Scratch), m.Context)
	verdict := "does not fit"
	if in.Fit.OK {
		verdict = "fits"
	}
	if in.Fit.Available > 0 {
		line("this machine", "%s: %s needed, %s available", verdict, prog.Size(in.Fit.Needed), prog.Size(in.Fit.Available))
	} else {
		line("this machine", "%s: %s", verdict, in.Fit.Reason)
	}
	if tensors {
		for _, t := range in.Tensors {
			fmt.Fprintf(w, "%-40s %-8s %-20s %s\n", t.Name, t.Type, fmt.Sprint(t.Shape), prog.Size(t.Bytes))
		}
	}
	return nil
}

// count writes a number of weights for people.
func count(n int64) string {
	for _, u := range []struct {
		unit string
		size float64
	}{{"B", 1e9}, {"M", 1e6}, {"K", 1e3}} {
		if float64(n) >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/u.size, u.unit)
		}
	}
	return fmt.Sprint(n)
}
