// Command ours is our side of bench/peers: it keeps a model open and answers
// each command on stdin with one line of JSON on stdout. The peer's side is
// peer.py; both know
//
//	open FILE THREADS CONTEXT BATCH  opens a model in place of the last one
//	pp N                             reads a prompt of N tokens
//	depth N                          keeps N positions in the KV cache for tg to start after
//	tg N                             writes N tokens
//	greedy N ID,ID,…                 continues the prompt; ids, and by how much each led the next
//
// and ours alone "machine THREADS", which measures the limits of the machine,
// and "read THREADS", its memory only. It is a measuring tool: nothing in the
// project imports it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// answer is one line; what a command does not set is absent.
type answer struct {
	Error   string    `json:"error,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
	Kernel  string    `json:"kernel,omitempty"`
	KVBytes int64     `json:"kv_bytes,omitempty"` // of one position
	IDs     []int32   `json:"ids,omitempty"`
	Margins []float32 `json:"margins,omitempty"` // logit of an id less that of the second
	Read    float64   `json:"read,omitempty"`    // bytes/s
	Int8    float64   `json:"int8,omitempty"`    // operations/s, a product and its sum being two
	FP32    float64   `json:"fp32,omitempty"`
}

func main() {
	var w worker
	out := json.NewEncoder(os.Stdout)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		start := time.Now()
		a, err := w.do(strings.Fields(in.Text()))
		if err != nil {
			a = answer{Error: err.Error()}
		} else if a.Seconds == 0 {
			a.Seconds = time.Since(start).Seconds()
		}
		if err := out.Encode(a); err != nil {
			os.Exit(1)
		}
	}
}

// worker is the open model and what it measures the machine with.
type worker struct {
	m      *engine.Model
	base   *engine.Seq // of depth positions, nil for 0
	depth  int
	buffer []byte
	pools  map[int]*kernel.Pool
}

func (w *worker) do(args []string) (answer, error) {
	n, err := 0, error(nil)
	if len(args) < 2 {
		return answer{}, fmt.Errorf("%d words in a command, want 2 or more", len(args))
	}
	if args[0] != "open" {
		if n, err = strconv.Atoi(args[1]); err != nil {
			return answer{}, err
		}
	}
	switch args[0] {
	case "machine", "read":
		return w.machine(n, args[0] == "machine")
	case "open":
		return w.open(args[1:])
	}
	if w.m == nil {
		return answer{}, fmt.Errorf("%s before open", args[0])
	}
	switch args[0] {
	case "pp":
		return answer{}, w.generate(engine.Request{IDs: w.prompt(n), MaxTokens: 1, IgnoreEOS: true}, nil)
	case "depth":
		return answer{}, w.fill(n)
	case "tg":
		return w.write(n)
	case "greedy":
		return w.greedy(n, args[2:])
	}
	return answer{}, fmt.Errorf("unknown command %q", args[0])
}

// open opens FILE THREADS CONTEXT BATCH.
func (w *worker) open(args []string) (answer, error) {
	if len(args) != 4 {
		return answer{}, fmt.Errorf("open wants FILE THREADS CONTEXT BATCH")
	}
	var n [3]int
	for i, s := range args[1:] {
		var err error
		if n[i], err = strconv.Atoi(s); err != nil {
			return answer{}, err
		}
	}
	if w.m != nil {
		if err := w.fill(0); err != nil {
			return answer{}, err
		}
		if err := w.m.Close(); err != nil {
			return answer{}, err
		}
	}
	start := time.Now()
	m, err := engine.Open(args[0], engine.Options{Threads: n[0], Context: n[1], Batch: n[2], KV: "f16", Sequences: 2})
	if err != nil {
		return answer{}, err
	}
	w.m = m
	return answer{Seconds: time.Since(start).Seconds(), Kernel: m.Info().Kernel, KVBytes: m.Info().KVBytes}, nil
}

// prompt is n ids, the same on both sides.
func (w *worker) prompt(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32((7919*i + 3) % w.m.Vocabulary())
	}
	return ids
}

// fill reads n tokens into a KV cache that stays.
func (w *worker) fill(n int) error {
	if w.base != nil {
		w.base.Release()
		w.base = nil
	}
	if w.depth = n; n == 0 {
		return nil
	}
	s, err := w.m.NewSeq(engine.Request{IDs: w.prompt(n), MaxTokens: 1, IgnoreEOS: true})
	if err != nil {
		return err
	}
	for w.base = s; s.Pending() > 0; {
		if err := w.m.Step(context.Background(), []*engine.Seq{s}); err != nil {
			return err
		}
	}
	return nil
}

// write makes n tokens, the first from the id after the depth.
func (w *worker) write(n int) (answer, error) {
	s, err := w.m.NewSeqFrom(w.base, engine.Request{IDs: w.prompt(w.depth + 1), MaxTokens: n, IgnoreEOS: true})
	if err != nil {
		return answer{}, err
	}
	defer s.Release()
	if s.Pending() != 1 {
		return answer{}, fmt.Errorf("%d tokens pending at depth %d, want 1", s.Pending(), w.depth)
	}
	start, one := time.Now(), []*engine.Seq{s}
	for s.Finish() == "" {
		if err := w.m.Step(context.Background(), one); err != nil {
			return answer{}, err
		}
	}
	return answer{Seconds: time.Since(start).Seconds()}, nil
}

func (w *worker) greedy(n int, args []string) (answer, error) {
	r := engine.Request{MaxTokens: n, IgnoreEOS: true, Logprobs: 2}
	for s := range strings.SplitSeq(strings.Join(args, ","), ",") {
		id, err := strconv.ParseInt(s, 10, 32)
		if err != nil {
			return answer{}, err
		}
		r.IDs = append(r.IDs, int32(id))
	}
	var a answer
	err := w.generate(r, func(t engine.Token) {
		a.IDs, a.Margins = append(a.IDs, t.ID), append(a.Margins, t.Top[0].Logprob-t.Top[1].Logprob)
	})
	return a, err
}

func (w *worker) generate(r engine.Request, each func(engine.Token)) error {
	for t, err := range w.m.Generate(context.Background(), r) {
		if err != nil {
			return err
		}
		if each != nil {
			each(t)
		}
	}
	return nil
}

// machine measures what n threads read from memory and, if all, compute.
func (w *worker) machine(n int, all bool) (answer, error) {
	if w.pools[n] == nil {
		p, err := kernel.New(kernel.Options{Threads: n})
		if err != nil {
			return answer{}, err
		}
		if w.pools == nil {
			w.pools, w.buffer = map[int]*kernel.Pool{}, kernel.ReadBuffer(256<<20)
		}
		w.pools[n] = p
	}
	p := w.pools[n]
	a := answer{Read: p.ReadRate(w.buffer, 3)}
	if all {
		a.Int8, a.FP32 = p.PeakInt8(), p.PeakFP32()
	}
	return a, nil
}
