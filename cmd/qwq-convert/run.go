package main

import (
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/internal/npy"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/seed"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a qwq-seed module on NumPy arrays",
		ArgsUsage: "MODEL.gguf",
		Description: "The article's modules, as quantize --arch qwq-seed wrote them, and their arrays:\n" +
			"  block       x [seq, batch, width] to the same shape\n" +
			"  moe         x [tokens, width] to the same shape\n" +
			"  dialog      x [turns, batch, width] to the state after each turn, from zeros\n" +
			"  multimodal  text_feat and image_feat [batch, features], or ids [batch, seq] and\n" +
			"              image [batch, channels, size, size], to [batch] cosines\n" +
			"  model       ids [batch, seq] to logits [batch, seq, vocabulary]\n" +
			"Arrays are .npy files of f2, f4, f8, i4 or i8; the output is float32.\n\n" +
			"Example:\n  qwq-convert run pair.gguf --input text_feat=t.npy --input image_feat=i.npy -o sim.npy",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "input", Usage: "`[NAME=]FILE.npy`: an array; repeatable, the name may be left out where there is one"},
			&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "the .npy `FILE` to write; - is stdout"},
			&cli.BoolFlag{Name: "precise", Usage: "float32 activations for quantized weights too, for comparisons"},
			&cli.IntFlag{Name: "threads", Usage: "`N` threads (0: one per core)"},
		},
		Action: run,
	}
}

func run(c *cli.Context) error {
	args, err := prog.Args(c, 1, 1, "MODEL.gguf")
	if err != nil {
		return err
	}
	out := c.String("out")
	switch {
	case out == "":
		return prog.Usagef("run needs -o FILE.npy")
	case sameFile(args[0], out):
		return prog.Usagef("-o %s is the model", out)
	case len(c.StringSlice("input")) == 0:
		return prog.Usagef("run needs --input FILE.npy")
	case c.Int("threads") < 0:
		return prog.Usagef("--threads %d is negative", c.Int("threads"))
	}
	in := map[string]*npy.Array{}
	for _, s := range c.StringSlice("input") {
		name, path, named := strings.Cut(s, "=")
		if !named {
			name, path = "", s
		}
		if in[name] != nil {
			return prog.Usagef("--input %q is there twice", name)
		}
		if sameFile(path, out) {
			return prog.Usagef("-o %s is an input", out)
		}
		if in[name], err = npy.ReadFile(path); err != nil {
			return err
		}
	}
	m, err := seed.Open(args[0], backend.CPUOptions{Threads: c.Int("threads"), Precise: c.Bool("precise")})
	if err != nil {
		return err
	}
	defer m.Close()
	y, err := m.Run(in)
	if err != nil {
		return err
	}
	write := func(w io.Writer) error { return npy.Write(w, y) }
	if out == "-" {
		return write(c.App.Writer)
	}
	return prog.WriteFile(out, write)
}
