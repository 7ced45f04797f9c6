package main

import (
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

func logitsCommand() *cli.Command {
	return &cli.Command{
		Name:      "logits",
		Usage:     "write the logits of every position as a NumPy file",
		ArgsUsage: "MODEL.gguf",
		Description: "The array is float32 of shape [tokens, rows of the output matrix]. An encoder (BERT)\n" +
			"gives hidden states [tokens, hidden], the pooled vector [1, hidden], or logits of its\n" +
			"masked-token head or [1, labels] of its classifier, as --output says.\n\n" +
			"Example:\n  qwq-convert logits model.gguf --prompt 'Once upon a time' -o logits.npy",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "ids", Usage: "token `IDS` between commas, taken as they are"},
			&cli.StringFlag{Name: "ids-file", Usage: "`FILE` of token ids between commas or white space; - is stdin"},
			&cli.StringFlag{Name: "prompt", Usage: "`TEXT` to tokenize, BOS and EOS as the model says"},
			&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "the .npy `FILE` to write; - is stdout"},
			&cli.StringFlag{Name: "output", Value: "logits", Usage: "`WHAT` an encoder gives: logits, hidden or pooled"},
			&cli.BoolFlag{Name: "precise", Usage: "float32 activations and KV cache, for comparisons"},
			&cli.StringFlag{Name: "kv", Value: "auto", Usage: "KV cache `TYPE`: auto, f32, f16 or q8_0"},
			&cli.IntFlag{Name: "threads", Usage: "`N` threads (0: one per core)"},
		},
		Action: logits,
	}
}

// outputs are the values of --output.
var outputs = map[string]backend.Want{"logits": backend.Logits, "hidden": backend.Hidden, "pooled": backend.Pooled}

func logits(c *cli.Context) error {
	args, err := prog.Args(c, 1, 1, "MODEL.gguf")
	if err != nil {
		return err
	}
	from, err := prog.OneOf(c, "ids", "ids-file", "prompt")
	if err != nil {
		return err
	}
	out := c.String("out")
	if out == "" {
		return prog.Usagef("logits needs -o FILE.npy")
	}
	if sameFile(args[0], out) {
		return prog.Usagef("-o %s is the model", out)
	}
	what := c.String("output")
	if _, ok := outputs[what]; !ok {
		return prog.Usagef("--output %q is not logits, hidden or pooled", what)
	}
	text := c.String(from)
	if from == "ids-file" {
		if text, err = prog.ReadText(c, text); err != nil {
			return err
		}
	}
	var ids []int32
	if from != "prompt" {
		if ids, err = prog.IDs(text); err != nil {
			return prog.Usagef("--%s: %s", from, err)
		}
	}
	o, err := engineOptions(c)
	if err != nil {
		return err
	}
	o.Sequences = 1
	m, err := openModel(c, args[0], o)
	if err != nil {
		return err
	}
	defer m.Close()
	if what != "logits" && !m.Info().Encoder {
		return prog.Usagef("--output %s is for encoders, %s is a %s", what, args[0], m.Info().Architecture)
	}
	if from == "prompt" && m.Tokenizer() == nil {
		return prog.Hint(fmt.Errorf("%s has no tokenizer", args[0]), "give token ids with --ids")
	}
	if from == "prompt" {
		ids = m.Tokenizer().Encode(text, tokenizer.EncodeOptions{AddSpecial: true})
	}
	if len(ids) == 0 {
		return fmt.Errorf("no tokens: --%s is empty", from)
	}
	write := func(w io.Writer) error {
		var n *prog.NPY
		if m.Info().Encoder {
			return m.Encode(c.Context, []engine.Text{{IDs: ids}}, outputs[what], func(_ int, x backend.Tensor) error {
				n, err := prog.NewNPY(w, x.Rows, x.Cols)
				for i := 0; i < x.Rows && err == nil; i++ {
					err = n.Row(x.Data[i*x.Cols : (i+1)*x.Cols])
				}
				return err
			})
		}
		return m.Logits(c.Context, ids, func(pos int, row []float32) (err error) {
			if n == nil {
				if n, err = prog.NewNPY(w, len(ids), len(row)); err != nil {
					return err
				}
			}
			return n.Row(row)
		})
	}
	if out == "-" {
		return write(c.App.Writer)
	}
	return prog.WriteFile(out, write)
}

// sameFile reports whether both paths lead to one existing file.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}

// openModel opens a model and passes on what the engine has to say.
func openModel(c *cli.Context, path string, o engine.Options) (*engine.Model, error) {
	m, err := engine.Open(path, o)
	if err != nil {
		return nil, err
	}
	for _, w := range m.Info().Warnings {
		fmt.Fprintf(c.App.ErrWriter, "%s: warning: %s\n", c.App.Name, w)
	}
	return m, nil
}

// engineOptions reads the flags that logits and eval share.
func engineOptions(c *cli.Context) (engine.Options, error) {
	o := engine.Options{Threads: c.Int("threads"), KV: c.String("kv"), Precise: c.Bool("precise")}
	if o.Threads < 0 {
		return o, prog.Usagef("--threads %d is negative", o.Threads)
	}
	return o, prog.CheckKV(c)
}
