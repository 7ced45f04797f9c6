package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/quant/eval"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

func evalCommand() *cli.Command {
	return &cli.Command{
		Name:      "eval",
		Usage:     "measure perplexity on a text, and the distance to a reference model",
		ArgsUsage: "MODEL",
		Description: "The text is cut into windows of --ctx tokens, BOS first in each when the model adds\n" +
			"one; every other token that no window before has scored is scored. With --reference\n" +
			"the Kullback-Leibler divergence to that model's predictions is measured too.\n\n" +
			"Example:\n  qwq-convert eval qwen-int8.gguf --data text.txt --reference qwen-f32.gguf",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "data", Usage: "text `FILE`; - is stdin"},
			&cli.StringFlag{Name: "reference", Usage: "`MODEL` to compare with"},
			&cli.IntFlag{Name: "ctx", Usage: "window of `N` tokens (0: 512, or the trained length if less)"},
			&cli.IntFlag{Name: "stride", Usage: "`N` tokens from one window to the next (0: no overlap)"},
			&cli.StringFlag{Name: "method", Usage: "`NAME`: llama.cpp scores the second half of each window, as llama-perplexity does"},
			&cli.BoolFlag{Name: "precise", Usage: "float32 activations and KV cache, for comparisons"},
			&cli.StringFlag{Name: "kv", Value: "auto", Usage: "KV cache `TYPE`: auto, f32, f16 or q8_0"},
			&cli.IntFlag{Name: "threads", Usage: "`N` threads (0: one per core)"},
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object"},
		},
		Action: evaluate,
	}
}

// scores is the --json record; the kl fields and top1 only with a reference.
type scores struct {
	PPL      float64  `json:"ppl"`
	NLL      float64  `json:"nll"`
	Tokens   int      `json:"tokens"`
	KLMean   *float64 `json:"kl_mean,omitempty"`
	KLMedian *float64 `json:"kl_median,omitempty"`
	KL999    *float64 `json:"kl_999,omitempty"`
	Top1     *float64 `json:"top1,omitempty"`
}

func evaluate(c *cli.Context) error {
	args, err := prog.Args(c, 1, 1, "MODEL")
	if err != nil {
		return err
	}
	o, err := evalOptions(c)
	if err != nil {
		return err
	}
	text, err := prog.ReadText(c, c.String("data"))
	if err != nil {
		return err
	}
	eo, err := engineOptions(c)
	if err != nil {
		return err
	}
	eo.Context, eo.Sequences = c.Int("ctx"), 1
	m, err := openModel(c, args[0], eo)
	if err != nil {
		return err
	}
	if m.Info().Encoder {
		return errors.Join(fmt.Errorf("%s is an encoder (%s): it has no next token to predict, so no perplexity", args[0], m.Info().Architecture), m.Close())
	}
	defer m.Close()
	if m.Tokenizer() == nil {
		return fmt.Errorf("%s has no tokenizer", args[0])
	}
	if o.Context == 0 {
		o.Context = min(512, m.Context())
	}
	if m.Tokenizer().AddBOS() {
		o.BOS = m.Tokenizer().BOS()
	}
	var ref eval.Scorer
	if path := c.String("reference"); path != "" {
		eo.Context = o.Context
		r, err := openModel(c, path, eo)
		if err != nil {
			return err
		}
		defer r.Close()
		ref = r
	}
	p := prog.NewProgress(c.App.ErrWriter, c.App.Name)
	o.Progress = func(w, of, tokens int, nll float64) {
		p.Items(int64(w), int64(of), "windows", fmt.Sprintf("nll %.4f", nll/float64(tokens)))
	}
	// llama-perplexity cuts the text with its BOS into windows and then puts BOS
	// in the place of each window's first token.
	ids := m.Tokenizer().Encode(text, tokenizer.EncodeOptions{AddSpecial: o.Method == eval.LlamaCPP})
	r, err := eval.Run(c.Context, m, ref, ids, o)
	p.Done()
	if err != nil {
		return err
	}
	s := scores{PPL: r.Perplexity(), NLL: r.NLL, Tokens: r.Tokens}
	if ref != nil {
		s.KLMean, s.KLMedian, s.KL999, s.Top1 = &r.KLMean, &r.KLMedian, &r.KL999, &r.Top1
	}
	if c.Bool("json") {
		return prog.JSON(c.App.Writer, s)
	}
	return s.print(c.App.Writer)
}

func evalOptions(c *cli.Context) (eval.Options, error) {
	o := eval.Options{Context: c.Int("ctx"), Stride: c.Int("stride"), BOS: -1, Method: eval.Method(c.String("method"))}
	if c.String("data") == "" {
		return o, prog.Usagef("eval needs --data FILE")
	}
	if o.Method != eval.Stride && o.Method != eval.LlamaCPP {
		return o, prog.Usagef("--method %q is not %s", o.Method, eval.LlamaCPP)
	}
	if o.Context < 0 || o.Context == 1 {
		return o, prog.Usagef("--ctx %d is not 2 or more", o.Context)
	}
	if o.Stride < 0 {
		return o, prog.Usagef("--stride %d is negative", o.Stride)
	}
	return o, nil
}

func (s scores) print(w io.Writer) error {
	fmt.Fprintf(w, "perplexity  %.4f\nnll         %.5f per token, %d tokens\n", s.PPL, s.NLL, s.Tokens)
	if s.KLMean != nil {
		fmt.Fprintf(w, "kl          mean %.3g, median %.3g, 99.9 %% %.3g\ntop-1       %.2f %% the same\n", *s.KLMean, *s.KLMedian, *s.KL999, 100**s.Top1)
	}
	return nil
}
