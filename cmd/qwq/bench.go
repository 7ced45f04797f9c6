package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/meter"
	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/engine"
)

func benchCommand() *cli.Command {
	return &cli.Command{
		Name:  "bench",
		Usage: "measure the speed of reading a prompt and of writing",
		Description: "ppN reads a prompt of N tokens, tgN writes N tokens, tgN@D does so after D tokens.\n" +
			"What the machine can do at most is measured in the same run, with as many threads and\n" +
			"with one: bytes read from memory per second, products of bytes (int8) and of float32\n" +
			"(a product and its addition are two operations). bandwidth_share is the rate at which\n" +
			"the test reads the model as a part of the first, peak_share that of the arithmetic as\n" +
			"a part of the others. With --draft, tgN+draft is tgN with guesses; the table shows the\n" +
			"share of them that was right.\n\n" +
			"Example:\n  qwq bench -m qwen-int8.gguf -p 512 -n 64 -t 1,2 -r 5",
		Flags: []cli.Flag{
			modelFlag(),
			prog.ModelsFlag(),
			&cli.IntFlag{Name: "prompt-tokens", Aliases: []string{"p"}, Value: 512, Usage: "`N` tokens to read; 0: leave the test out"},
			&cli.IntFlag{Name: "gen-tokens", Aliases: []string{"n"}, Value: 64, Usage: "`N` tokens to write; 0: leave the test out"},
			&cli.IntFlag{Name: "depth", Usage: "`N` tokens in the KV cache before those that are written"},
			&cli.IntFlag{Name: "batch", Value: 512, Usage: "`N` tokens of a prompt, at most, that are computed together"},
			&cli.StringFlag{Name: "threads", Aliases: []string{"t"}, Value: "0", Usage: "thread counts between commas (0: one per core)"},
			&cli.IntFlag{Name: "repeat", Aliases: []string{"r"}, Value: 5, Usage: "`N` measured runs, after one that is not"},
			&cli.StringFlag{Name: "kv", Value: "auto", Usage: "KV cache `TYPE`: auto, f32, f16 or q8_0"},
			draftFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print one JSON list"},
		},
		Action: bench,
	}
}

// result is one entry of the --json list.
type result struct {
	Test            string       `json:"test"`
	Threads         int          `json:"threads"`
	TokensPerSecond meter.Spread `json:"tokens_per_second"`
	BytesPerToken   int64        `json:"bytes_per_token"`
	BandwidthShare  float64      `json:"bandwidth_share"`
	PeakShare       *float64     `json:"peak_share"`         // null: no peak of these kernels
	Drafted         int          `json:"drafted,omitempty"`  // tokens that were guessed, in all runs
	Accepted        int          `json:"accepted,omitempty"` // of them, those that were right
	Kernel          string       `json:"kernel"`
	Machine         limits       `json:"machine"`         // with as many threads
	OneThread       limits       `json:"machine_1thread"` // with one
}

func bench(c *cli.Context) error {
	if _, err := prog.Args(c, 0, 0, "flags only"); err != nil {
		return err
	}
	pp, tg, depth, batch := c.Int("prompt-tokens"), c.Int("gen-tokens"), c.Int("depth"), c.Int("batch")
	if pp < 0 || tg < 0 || pp+tg == 0 || c.Int("repeat") < 1 {
		return prog.Usagef("bench needs -p or -n above 0 and -r above 0")
	}
	if depth < 0 || batch < 1 {
		return prog.Usagef("bench needs --depth of 0 or more and --batch above 0")
	}
	threads, err := threadCounts(c.String("threads"))
	if err != nil {
		return prog.Usagef("-t: %s", err)
	}
	if err := prog.CheckKV(c); err != nil {
		return err
	}
	size, err := weigh(c)
	if err != nil {
		return err
	}
	probe := newProber()
	out := []result{}
	for _, t := range threads {
		b := benchRun{weights: size, rounds: c.Int("repeat"), batch: batch}
		// First, for an open model is read from disk in the background.
		if b.limits, b.one, err = probe.limits(t); err != nil {
			return err
		}
		// The sequences are the one of that depth and the one that writes after it.
		b.m, err = openModel(c, engine.Options{Threads: t, Context: max(pp, depth+1+tg), KV: c.String("kv"), Sequences: 2, Batch: batch})
		if err != nil {
			return err
		}
		a, closeDraft, err := openDraft(c, b.m, engine.Options{Threads: t, KV: c.String("kv"), Sequences: 2})
		if err != nil {
			b.m.Close()
			return err
		}
		b.draft = a
		err = b.run(c.Context, pp, tg, depth)
		b.m.Close()
		closeDraft()
		if err != nil {
			return err
		}
		out = append(out, b.out...)
	}
	if c.Bool("json") {
		return prog.JSON(c.App.Writer, out)
	}
	return benchTable(c.App.Writer, out)
}

// benchRun measures one open model.
type benchRun struct {
	m             *engine.Model
	weights       weights
	rounds, batch int
	limits, one   limits
	draft         *engine.Assistant // nil: none
	guesses       engine.Timings    // of the running test
	out           []result
}

func (b *benchRun) run(ctx context.Context, pp, tg, depth int) error {
	if pp > 0 {
		ids := b.prompt(pp)
		once := func() (float64, error) {
			return b.generate(ctx, nil, engine.Request{IDs: ids, MaxTokens: 1, IgnoreEOS: true})
		}
		// Every batch reads the weights once.
		if err := b.test(fmt.Sprintf("pp%d", pp), pp, int64((pp+b.batch-1)/b.batch)*b.weights.step/int64(pp), once); err != nil {
			return err
		}
	}
	if tg == 0 {
		return nil
	}
	name := fmt.Sprintf("tg%d", tg)
	var base *engine.Seq
	if depth > 0 {
		name = fmt.Sprintf("%s@%d", name, depth)
		var err error
		if base, err = b.fill(ctx, depth); err != nil {
			return err
		}
		defer base.Release()
	}
	ids := b.prompt(depth + 1)
	once := func() (float64, error) {
		return b.generate(ctx, base, engine.Request{IDs: ids, MaxTokens: tg, IgnoreEOS: true})
	}
	bytes := b.weights.step + b.m.Info().KVBytes*int64(depth+tg/2)
	if err := b.test(name, tg, bytes, once); err != nil || b.draft == nil {
		return err
	}
	return b.test(name+"+draft", tg, bytes, func() (float64, error) {
		return b.generate(ctx, base, engine.Request{IDs: ids, MaxTokens: tg, IgnoreEOS: true, Draft: b.draft.Drafter()})
	})
}

// test runs once rounds times, after a time that warms caches, and keeps the
// rates of its count tokens.
func (b *benchRun) test(name string, count int, bytes int64, once func() (float64, error)) error {
	var rates []float64
	b.guesses = engine.Timings{}
	for i := range b.rounds + 1 {
		seconds, err := once()
		if err != nil {
			return err
		}
		if i > 0 {
			rates = append(rates, float64(count)/seconds)
		}
	}
	s := meter.Of(rates)
	b.out = append(b.out, result{Test: name, Threads: b.m.Info().Threads, TokensPerSecond: s, BytesPerToken: bytes,
		BandwidthShare: s.Median * float64(bytes) / b.limits.Bandwidth, PeakShare: b.weights.share(s.Median, b.limits),
		Drafted: b.guesses.Drafted, Accepted: b.guesses.Accepted, Kernel: b.m.Info().Kernel, Machine: b.limits, OneThread: b.one})
	return nil
}

// prompt is n ids.
func (b *benchRun) prompt(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32((7*i + 3) % b.m.Vocabulary())
	}
	return ids
}

// fill returns a sequence that has read n tokens.
func (b *benchRun) fill(ctx context.Context, n int) (*engine.Seq, error) {
	s, err := b.m.NewSeq(engine.Request{IDs: b.prompt(n), MaxTokens: 1, IgnoreEOS: true})
	for err == nil && s.Pending() > 0 {
		err = b.m.Step(ctx, []*engine.Seq{s})
	}
	return s, err
}

// generate returns the seconds that r takes after base, which holds all of its
// prompt but the last token; base nil is an empty KV cache.
func (b *benchRun) generate(ctx context.Context, base *engine.Seq, r engine.Request) (float64, error) {
	s, err := b.m.NewSeqFrom(base, r)
	if err != nil {
		return 0, err
	}
	defer s.Release()
	start, one := time.Now(), []*engine.Seq{s}
	for s.Finish() == "" {
		if err := b.m.Step(ctx, one); err != nil {
			return 0, err
		}
	}
	took := time.Since(start).Seconds()
	b.guesses.Drafted += s.Timings().Drafted
	b.guesses.Accepted += s.Timings().Accepted
	return took, nil
}

func benchTable(w io.Writer, rs []result) error {
	fmt.Fprintf(w, "%-12s %8s %12s %12s %12s %14s %10s %7s\n", "test", "threads", "tokens/s", "min", "max", "bytes/token", "bandwidth", "peak")
	for _, r := range rs {
		t, peak := r.TokensPerSecond, "-"
		if r.PeakShare != nil {
			peak = fmt.Sprintf("%.0f%%", 100**r.PeakShare)
		}
		fmt.Fprintf(w, "%-12s %8d %12.2f %12.2f %12.2f %14s %9.0f%% %7s\n", r.Test, r.Threads, t.Median, t.Min, t.Max, prog.Size(r.BytesPerToken), 100*r.BandwidthShare, peak)
	}
	for _, r := range rs {
		if r.Drafted > 0 {
			fmt.Fprintf(w, "%s: %d of %d guesses were right (%.0f%%)\n", r.Test, r.Accepted, r.Drafted, 100*float64(r.Accepted)/float64(r.Drafted))
		}
	}
	return limitsTable(w, rs)
}

// threadCounts reads -t; 0 alone leaves the choice to the engine.
func threadCounts(s string) ([]int, error) {
	if s == "0" {
		return []int{0}, nil
	}
	return prog.Ints(s)
}
