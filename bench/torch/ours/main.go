// Command ours is our side of bench/torch: it makes a training run and takes one
// step for each line on stdin, answering with one line of JSON on stdout. The
// other side is step.py. It is a measuring tool: nothing in the project imports it.
//
//	ours MODEL.gguf fp32|bf16 THREADS ROWS LENGTH
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime/pprof"
	"strconv"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/loss"
	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/distill/train"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/model"
)

// answer is one line. The first has Parameters, each other one a step.
type answer struct {
	Seconds    float64 `json:"seconds"`
	Loss       float64 `json:"loss,omitempty"`
	Parameters int     `json:"parameters,omitempty"`
	Kernel     string  `json:"kernel,omitempty"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ours: error:", err)
		os.Exit(1)
	}
}

// batch is the same rows of random ids in every step.
type batch struct{ distill.Batch }

// Leaf implements train.Source.
func (b *batch) Leaf(int, int) (*distill.Batch, error) { return &b.Batch, nil }

func newBatch(rows, length, vocab int) *batch {
	r := rand.New(rand.NewPCG(1, 1))
	b := &batch{distill.Batch{Rows: rows, Length: length}}
	for range rows {
		b.Docs = append(b.Docs, int32(length))
		for range length {
			b.IDs, b.Next = append(b.IDs, r.Int32N(int32(vocab))), append(b.Next, r.Int32N(int32(vocab)))
		}
	}
	return b
}

func run(args []string) (err error) {
	if len(args) != 5 {
		return errors.New("want MODEL.gguf fp32|bf16 THREADS ROWS LENGTH")
	}
	var n [3]int
	for i := range n {
		if n[i], err = strconv.Atoi(args[2+i]); err != nil || n[i] < 1 {
			return fmt.Errorf("%q is no count", args[2+i])
		}
	}
	var o tape.Options
	switch args[1] {
	case "fp32":
	case "bf16":
		o.Precision = tape.BF16
	default:
		return fmt.Errorf("%q: want fp32 or bf16", args[1])
	}
	f, err := gguf.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	pool, err := kernel.New(kernel.Options{Threads: n[0]})
	if err != nil {
		return err
	}
	defer pool.Close()
	dev := tape.New(pool, o)
	defer dev.Close()
	m, err := model.New(f, dev)
	if err != nil {
		return err
	}
	l, err := loss.New(pool, loss.Spec{Hard: 1})
	if err != nil {
		return err
	}
	hard := func(_ context.Context, b *distill.Batch, lo, hi int, logits []float32, scale float64, sums []float64) error {
		var s loss.Sums
		err := l.Rows(kernel.F32{Rows: hi - lo, Cols: len(logits) / (hi - lo), Data: logits}, nil, b.Next[lo:hi], scale, &s)
		sums[0] += s.Hard
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	answered := func(a answer) {
		if out.Encode(a) != nil || !in.Scan() {
			cancel() // nobody asks for another step
		}
	}
	t, err := train.New(pool, dev, m, newBatch(n[1], n[2], m.Hyper().Vocab), hard, train.Options{
		Steps: 1 << 30, Clip: 1, Optim: optim.Options{Decoupled: true, Decay: 0.1}, Schedule: optim.Schedule{Shape: optim.Constant, Peak: 1e-3},
		Report: func(m train.Metrics) { answered(answer{Seconds: m.Seconds, Loss: m.Loss["loss"]}) },
	})
	if err != nil {
		return err
	}
	for _, x := range f.Tensors() { // the tape has copies, as in distill/pipeline
		if err := x.Release(); err != nil {
			return err
		}
	}
	parameters := 0
	for _, p := range t.Params().Table {
		parameters += p.Len()
	}
	profile, err := profiled(os.Getenv("PROFILE"))
	if err != nil {
		return err
	}
	defer profile()
	answered(answer{Parameters: parameters, Kernel: pool.Variant()})
	if err := t.Run(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

// profiled writes a processor profile to a file until the function is called.
func profiled(name string) (stop func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	f, err := os.Create(name)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	return func() { pprof.StopCPUProfile(); closeOrSay(f) }, err
}

func closeOrSay(c io.Closer) {
	if err := c.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "ours: warning:", err)
	}
}
