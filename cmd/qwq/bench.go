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
	"github.com/qwq-edge/qwq/runtime/telemetry"
)

func benchCommand() *cli.Command {
	return &cli.Command{
		Name:  "bench",
		Usage: "measure the speed of reading a prompt and of writing",
		Description: "ppN reads a prompt of N tokens, tgN writes N tokens after a prompt of one.\n" +
			"bandwidth_share is the rate at which the test reads the model, as a part of what\n" +
			"this machine reads from memory in the same run.\n\n" +
			"Example:\n  qwq bench -m qwen-int8.gguf -p 512 -n 64 -t 1,2 -r 5",
		Flags: []cli.Flag{
			modelFlag(),
			prog.ModelsFlag(),
			&cli.IntFlag{Name: "prompt-tokens", Aliases: []string{"p"}, Value: 512, Usage: "`N` tokens to read; 0: leave the test out"},
			&cli.IntFlag{Name: "gen-tokens", Aliases: []string{"n"}, Value: 64, Usage: "`N` tokens to write; 0: leave the test out"},
			&cli.StringFlag{Name: "threads", Aliases: []string{"t"}, Value: "0", Usage: "thread counts between commas (0: one per core)"},
			&cli.IntFlag{Name: "repeat", Aliases: []string{"r"}, Value: 5, Usage: "`N` measured runs, after one that is not"},
			&cli.StringFlag{Name: "kv", Value: "auto", Usage: "KV cache `TYPE`: auto, f32, f16 or q8_0"},
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
}

func bench(c *cli.Context) error {
	if _, err := prog.Args(c, 0, 0, "flags only"); err != nil {
		return err
	}
	pp, tg, rounds := c.Int("prompt-tokens"), c.Int("gen-tokens"), c.Int("repeat")
	if pp < 0 || tg < 0 || pp+tg == 0 || rounds < 1 {
		return prog.Usagef("bench needs -p or -n above 0 and -r above 0")
	}
	threads, err := threadCounts(c.String("threads"))
	if err != nil {
		return prog.Usagef("-t: %s", err)
	}
	if err := prog.CheckKV(c); err != nil {
		return err
	}
	size, err := weightBytes(c)
	if err != nil {
		return err
	}
	free := telemetry.Read(telemetry.Host()).Memory.Free()
	out := []result{}
	for _, t := range threads {
		m, err := openModel(c, engine.Options{Threads: t, Context: max(pp, tg), KV: c.String("kv"), Sequences: 1, Batch: chunk})
		if err != nil {
			return err
		}
		used := m.Info().Threads
		b := benchRun{m, size, rounds, readBandwidth(used, free)}
		rs, err := b.run(c.Context, pp, tg)
		m.Close()
		if err != nil {
			return err
		}
		out = append(out, rs...)
	}
	if c.Bool("json") {
		return prog.JSON(c.App.Writer, out)
	}
	return benchTable(c.App.Writer, out)
}

// chunk is how many prompt tokens share one reading of the weights.
const chunk = 64

// benchRun measures one open model.
type benchRun struct {
	m         *engine.Model
	weights   int64 // bytes that a step reads
	rounds    int
	bandwidth float64 // bytes/s of this machine with as many threads
}

func (b benchRun) run(ctx context.Context, pp, tg int) ([]result, error) {
	var out []result
	kv := b.m.Info().KVBytes
	for _, t := range []struct {
		name                   string
		count, prompt, writing int
		bytes                  int64
	}{
		{"pp", pp, pp, 1, int64(pp+chunk-1) / chunk * b.weights / int64(max(pp, 1))},
		{"tg", tg, 1, tg, b.weights + kv*int64(tg)/2},
	} {
		if t.count == 0 {
			continue
		}
		var rates []float64
		for i := -1; i < b.rounds; i++ { // the first round warms caches and is not counted
			rate, err := b.once(ctx, t.prompt, t.writing, t.count)
			if err != nil {
				return nil, err
			}
			if i >= 0 {
				rates = append(rates, rate)
			}
		}
		s := meter.Of(rates)
		out = append(out, result{fmt.Sprintf("%s%d", t.name, t.count), b.m.Info().Threads, s, t.bytes, s.Median * float64(t.bytes) / b.bandwidth})
	}
	return out, nil
}

// once returns the tokens per second of one prompt or one text: the steps of a
// text are its tokens, the first one reads the prompt's only token.
func (b benchRun) once(ctx context.Context, prompt, writing, count int) (float64, error) {
	ids := make([]int32, prompt)
	for i := range ids {
		ids[i] = int32((7*i + 3) % b.m.Vocabulary())
	}
	start := time.Now()
	for _, err := range b.m.Generate(ctx, engine.Request{IDs: ids, MaxTokens: writing, IgnoreEOS: true}) {
		if err != nil {
			return 0, err
		}
	}
	return float64(count) / time.Since(start).Seconds(), nil
}

func benchTable(w io.Writer, rs []result) error {
	fmt.Fprintf(w, "%-8s %8s %12s %12s %12s %14s %10s\n", "test", "threads", "tokens/s", "min", "max", "bytes/token", "bandwidth")
	for _, r := range rs {
		t := r.TokensPerSecond
		fmt.Fprintf(w, "%-8s %8d %12.2f %12.2f %12.2f %14s %9.0f%%\n", r.Test, r.Threads, t.Median, t.Min, t.Max, prog.Size(r.BytesPerToken), 100*r.BandwidthShare)
	}
	return nil
}

// threadCounts reads -t; 0 alone leaves the choice to the engine.
func threadCounts(s string) ([]int, error) {
	if s == "0" {
		return []int{0}, nil
	}
	return prog.Ints(s)
}
