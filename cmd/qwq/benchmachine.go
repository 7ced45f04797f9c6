package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/telemetry"
)

// limits are what some threads can do at most on this machine.
type limits struct {
	Threads   int     `json:"threads"`
	Bandwidth float64 `json:"bandwidth"` // bytes/s read from memory
	Int8      float64 `json:"peak_int8"` // operations/s; 0: not known, plain Go computes
	FP32      float64 `json:"peak_fp32"`
}

// prober measures limits.
type prober struct{ buffer []byte }

func newProber() prober {
	return prober{readBuffer(telemetry.Read(telemetry.Host()).Memory.Free())}
}

// readBuffer is 256 MiB, less on a small machine.
func readBuffer(free uint64) []byte {
	size := uint64(256 << 20)
	if free > 0 {
		size = max(min(size, free/8), 8<<20)
	}
	return kernel.ReadBuffer(int(size))
}

// limits measures with some threads (0: one per core), and with one.
func (p prober) limits(threads int) (n, one limits, err error) {
	if one, err = p.measure(1); err != nil || threads == 1 {
		return one, one, err
	}
	n, err = p.measure(threads)
	return n, one, err
}

func (p prober) measure(threads int) (limits, error) {
	pool, err := kernel.New(kernel.Options{Threads: threads})
	if err != nil {
		return limits{}, err
	}
	defer pool.Close()
	return limits{pool.Threads(), pool.ReadRate(p.buffer, 3), pool.PeakInt8(), pool.PeakFP32()}, nil
}

// weights count what a token needs of a model.
type weights struct {
	step          int64 // bytes that a step reads: every tensor once, of an embedding that is not the output matrix too only single rows
	codes, floats int64 // weights in matrices but the embedding and the output matrix: quantized ones, and F32, F16 and BF16
}

func weigh(c *cli.Context) (w weights, err error) {
	f, err := openFile(c)
	if err != nil {
		return w, err
	}
	defer f.Close()
	for _, t := range f.Tensors() {
		if t.Name != "token_embd.weight" || f.Tensor("output.weight") == nil {
			w.step += int64(t.Size)
		}
		switch {
		case t.Name == "token_embd.weight" || t.Name == "output.weight" || len(t.Dims) < 2:
		case slices.Contains([]quant.Type{quant.F32, quant.F16, quant.BF16}, t.Type):
			w.floats += int64(t.Elements())
		default:
			w.codes += int64(t.Elements())
		}
	}
	return w, nil
}

// share is the time that the products with the weights would take at the peak,
// as a part of the time that a token takes; nil where the peak is not known.
func (w weights) share(tokensPerSecond float64, l limits) *float64 {
	if l.Int8 == 0 || l.FP32 == 0 {
		return nil
	}
	s := tokensPerSecond * (2*float64(w.codes)/l.Int8 + 2*float64(w.floats)/l.FP32)
	return &s
}

// limitsTable prints what the machine did at most, once for each thread count.
func limitsTable(w io.Writer, rs []result) error {
	var all []limits
	for _, r := range rs {
		for _, l := range []limits{r.OneThread, r.Machine} {
			if !slices.ContainsFunc(all, func(x limits) bool { return x.Threads == l.Threads }) {
				all = append(all, l)
			}
		}
	}
	fmt.Fprintf(w, "\n%-12s %8s %12s %12s %12s\n", "machine", "threads", "read", "int8", "fp32")
	for _, l := range all {
		fmt.Fprintf(w, "%-12s %8d %12s %12s %12s\n", rs[0].Kernel, l.Threads, prog.Size(int64(l.Bandwidth))+"/s", giga(l.Int8, "GOP/s"), giga(l.FP32, "GFLOP/s"))
	}
	return nil
}

func giga(perSecond float64, unit string) string {
	if perSecond == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %s", perSecond/1e9, unit)
}
