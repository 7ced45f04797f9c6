package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/engine/session"
	"github.com/qwq-edge/qwq/runtime/safety"
	"github.com/qwq-edge/qwq/runtime/sample"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

func generateCommand() *cli.Command {
	return &cli.Command{
		Name:  "generate",
		Usage: "continue a text",
		Description: "The text is continued as it is, no chat template is applied. The same command gives\n" +
			"the same text: the seed is 1 unless --seed says otherwise.\n\n" +
			"Example:\n  qwq generate -m qwen-int8.gguf -p 'Once upon a time' -n 100",
		Flags: append([]cli.Flag{
			modelFlag(),
			prog.ModelsFlag(),
			&cli.StringFlag{Name: "prompt", Aliases: []string{"p"}, Usage: "`TEXT` to continue; - reads it from stdin"},
			&cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "`FILE` that holds the text to continue"},
			&cli.StringFlag{Name: "prompt-ids", Usage: "token `IDS` between commas, taken as they are"},
			&cli.IntFlag{Name: "max-tokens", Aliases: []string{"n"}, Value: 256, Usage: "most `N` tokens to write"},
			&cli.Float64Flag{Name: "temp", Value: 0.8, Usage: "temperature `T`; 0 takes the likeliest token"},
			&cli.IntFlag{Name: "top-k", Value: 40, Usage: "keep the `K` likeliest tokens; 0: all"},
			&cli.Float64Flag{Name: "top-p", Value: 0.95, Usage: "keep the likeliest tokens of total probability `P`; 1: all"},
			&cli.Float64Flag{Name: "min-p", Value: 0.05, Usage: "keep tokens of at least `P` times the best one's probability; 0: all"},
			&cli.Float64Flag{Name: "repeat-penalty", Value: 1, Usage: "divide the logits of tokens already there by `X`; 1: off"},
			&cli.StringFlag{Name: "seed", Value: "1", Usage: "`SEED` of the random numbers, or random"},
			&cli.StringSliceFlag{Name: "logit-bias", Usage: "`ID=X`: add X to the logit of a token id; repeatable"},
			&cli.StringSliceFlag{Name: "stop", Usage: "end at this `TEXT`, which is not printed; repeatable"},
			&cli.StringFlag{Name: "grammar", Usage: "write what the GBNF grammar in `FILE` allows"},
			&cli.StringFlag{Name: "json-schema", Usage: "write a value that the JSON schema in `FILE` allows"},
			&cli.BoolFlag{Name: "json-object", Usage: "write a JSON object"},
			prog.SafetyFlag(),
			&cli.BoolFlag{Name: "ignore-eos", Usage: "go on after an end token"},
			&cli.BoolFlag{Name: "echo", Usage: "print the prompt before the text"},
			&cli.IntFlag{Name: "ctx", Usage: "context of `N` tokens (0: what the model was trained with, less where memory is short)"},
			&cli.StringFlag{Name: "kv", Value: "auto", Usage: "KV cache `TYPE`: auto, f32, f16 or q8_0"},
			&cli.BoolFlag{Name: "precise", Usage: "float32 activations and KV cache, for comparisons"},
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object when done"},
		}, append(append(threadFlags(), draftFlag()), daemonFlags()...)...),
		Action: generate,
	}
}

// generation is the --json record.
type generation struct {
	Text         string  `json:"text"`
	IDs          []int32 `json:"ids"`
	PromptIDs    []int32 `json:"prompt_ids"`
	FinishReason string  `json:"finish_reason"`
	Timings      timings `json:"timings"`
}

type timings struct {
	LoadMS          float64 `json:"load_ms"`
	PromptTokens    int     `json:"prompt_tokens"`
	PromptMS        float64 `json:"prompt_ms"`
	GeneratedTokens int     `json:"generated_tokens"`
	GenerateMS      float64 `json:"generate_ms"`
	Drafted         int     `json:"drafted,omitempty"`  // tokens that were guessed
	Accepted        int     `json:"accepted,omitempty"` // of them, those that were right
}

func generate(c *cli.Context) error {
	if _, err := prog.Args(c, 0, 0, "flags only; the text goes to -p"); err != nil {
		return err
	}
	r, err := generateRequest(c)
	if err != nil {
		return err
	}
	g, err := outputGrammar(c)
	if err != nil {
		return err
	}
	d, err := remote(c)
	if err != nil {
		return err
	}
	if d != nil {
		return d.generate(c, r)
	}
	rules, err := policy(c)
	if err != nil {
		return err
	}
	o := engine.Options{Context: c.Int("ctx"), KV: c.String("kv"), Precise: c.Bool("precise"), Sequences: 1}
	if err := setThreads(c, &o); err != nil {
		return err
	}
	start := time.Now()
	m, err := openModel(c, o)
	if err != nil {
		return err
	}
	defer m.Close()
	load := time.Since(start)
	a, closeDraft, err := openDraft(c, m, o)
	if err != nil {
		return err
	}
	defer closeDraft()
	if a != nil {
		r.Draft = a.Drafter()
	}
	if err := promptIDs(m, &r); err != nil {
		return err
	}
	var limit *mask
	if g != nil {
		if limit, err = newMask(m, g); err != nil {
			return err
		}
		r.Mask = limit
	}
	out, head := io.Discard, ""
	if c.Bool("echo") && m.Tokenizer() != nil {
		head = m.Tokenizer().Decode(r.IDs, true)
	}
	if !c.Bool("json") {
		out = c.App.Writer
		fmt.Fprint(out, head)
	}
	done, err := stream(c.Context, m, r, rules, out)
	switch {
	case err != nil && limit != nil && limit.err != nil:
		return limit.err
	case err != nil:
		return err
	}
	done.Timings.LoadMS = ms(load)
	done.Text = head + done.Text
	if c.Bool("json") {
		return prog.JSON(c.App.Writer, done)
	}
	_, err = fmt.Fprintln(out)
	return err
}

// promptIDs makes the prompt's ids where it is a text.
func promptIDs(m *engine.Model, r *engine.Request) error {
	if r.IDs == nil {
		if m.Tokenizer() == nil {
			return prog.Hint(errors.New("the model file has no tokenizer"), "give token ids with --prompt-ids")
		}
		r.IDs = m.Tokenizer().Encode(r.Prompt, tokenizer.EncodeOptions{AddSpecial: true})
	}
	if len(r.IDs) == 0 {
		return prog.Hint(errors.New("the prompt has no tokens"), "this model adds no begin token: give it a text")
	}
	return nil
}

// stream runs the request, writing text as it comes.
func stream(ctx context.Context, m *engine.Model, r engine.Request, rules *safety.Compiled, out io.Writer) (*generation, error) {
	g := &generation{IDs: []int32{}, PromptIDs: r.IDs}
	if rules != nil && m.Tokenizer() != nil {
		if r := rules.Check(m.Tokenizer().Decode(r.IDs, false)); r != nil {
			g.Text, g.FinishReason = r.Message, session.FinishFiltered
			_, err := io.WriteString(out, g.Text)
			return g, err
		}
	}
	through := check(rules)
	var text strings.Builder
	for t, err := range m.Generate(ctx, r) {
		if err != nil {
			return nil, err
		}
		g.IDs = append(g.IDs, t.ID)
		piece, refused := through.write(t.Text, t.Finish != "")
		text.WriteString(piece)
		if _, err := io.WriteString(out, piece); err != nil {
			return nil, err
		}
		if refused {
			g.IDs, g.FinishReason = g.IDs[:through.tokens()], session.FinishFiltered
			break
		}
		if t.Timings != nil {
			g.FinishReason = t.Finish
			g.Timings = timings{PromptTokens: t.Timings.PromptTokens, PromptMS: ms(t.Timings.Prompt),
				GeneratedTokens: t.Timings.GeneratedTokens, GenerateMS: ms(t.Timings.Generate),
				Drafted: t.Timings.Drafted, Accepted: t.Timings.Accepted}
		}
	}
	g.Text = text.String()
	return g, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// generateRequest turns the flags into a request; the prompt stays text.
func generateRequest(c *cli.Context) (engine.Request, error) {
	var r engine.Request
	from, err := prog.OneOf(c, "prompt", "file", "prompt-ids")
	if err != nil {
		return r, err
	}
	switch value := c.String(from); {
	case from == "prompt-ids":
		if r.IDs, err = prog.IDs(value); err != nil {
			return r, prog.Usagef("--prompt-ids: %s", err)
		}
	case from == "file" || value == "-":
		if r.Prompt, err = prog.ReadText(c, value); err != nil {
			return r, err
		}
	default:
		r.Prompt = value
	}
	if r.Sampling, err = samplingOptions(c); err != nil {
		return r, err
	}
	if n := c.Int("max-tokens"); n < 1 {
		return r, prog.Usagef("-n %d is not 1 or more", n)
	}
	if n := c.Int("ctx"); n < 0 {
		return r, prog.Usagef("--ctx %d is negative", n)
	}
	r.MaxTokens, r.Stop, r.IgnoreEOS = c.Int("max-tokens"), c.StringSlice("stop"), c.Bool("ignore-eos")
	return r, prog.CheckKV(c)
}

func samplingOptions(c *cli.Context) (sample.Options, error) {
	o := sample.Options{Temperature: c.Float64("temp"), TopK: c.Int("top-k"), TopP: c.Float64("top-p"), MinP: c.Float64("min-p"),
		RepeatPenalty: c.Float64("repeat-penalty")}
	if s := c.String("seed"); s == "random" {
		o.Seed = rand.Uint64()
	} else if n, err := strconv.ParseUint(s, 10, 64); err != nil {
		return o, prog.Usagef("--seed %q is neither a number nor random", s)
	} else {
		o.Seed = n
	}
	for _, s := range c.StringSlice("logit-bias") {
		id, x, ok := strings.Cut(s, "=")
		n, err := strconv.ParseInt(id, 10, 32)
		v, err2 := strconv.ParseFloat(x, 32)
		if !ok || err != nil || err2 != nil {
			return o, prog.Usagef("--logit-bias %q is not ID=X", s)
		}
		if o.LogitBias == nil {
			o.LogitBias = map[int32]float32{}
		}
		o.LogitBias[int32(n)] = float32(v)
	}
	if err := o.Check(); err != nil {
		return o, prog.Usagef("%s", err)
	}
	return o, nil
}
