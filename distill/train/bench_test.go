package train

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// plainLoss is cross-entropy with the pool's softmax, as cheap as a loss gets.
func plainLoss(p *kernel.Pool, vocab int) Loss {
	return func(_ context.Context, b *distill.Batch, lo, _ int, logits []float32, scale float64, sums []float64) error {
		m := kernel.F32{Rows: len(logits) / vocab, Cols: vocab, Data: logits}
		p.Softmax(m)
		for r := range m.Rows {
			if y := b.Next[lo+r]; y >= 0 {
				sums[0] -= math.Log(float64(m.At(r)[y]))
				m.At(r)[y]--
			}
		}
		p.Parallel(m.Rows, 8, func(_, from, to int) {
			for r := from; r < to; r++ {
				f := float32(scale)
				if b.Next[lo+r] < 0 {
					f = 0
				}
				x := m.At(r)
				for i := range x {
					x[i] *= f
				}
			}
		})
		return nil
	}
}

// BenchmarkStep is a step of the 31.7 M model of SPEED.md: vocabulary 16,384,
// hidden 512, 8 layers, 8 heads, 4 KV heads of 64, FFN 1,376, tied; one leaf of 4
// rows of 512. QWQ_BENCH_THREADS sets the threads.
func BenchmarkStep(b *testing.B) {
	const vocab = 16384
	f, err := gguf.Open(modeltest.Write(b, modeltest.Spec{Arch: "qwen2", Layers: 8, Hidden: 512, FFN: 1376, Heads: 8, KVHeads: 4, HeadDim: 64, Vocab: vocab, Tied: true, Biases: true, Context: 512}))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	threads, _ := strconv.Atoi(os.Getenv("QWQ_BENCH_THREADS"))
	for _, c := range []struct {
		name string
		o    tape.Options
	}{{"recompute", tape.Options{Recompute: true}}, {"fp32", tape.Options{}}, {"bf16", tape.Options{Precision: tape.BF16}}} {
		b.Run(c.name, func(b *testing.B) { // the least memory first: the peak is the process's
			pool, err := kernel.New(kernel.Options{Threads: threads})
			if err != nil {
				b.Fatal(err)
			}
			defer pool.Close()
			dev := tape.New(pool, c.o)
			m, err := model.New(f, dev)
			if err != nil {
				b.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 1))
			batch := &distill.Batch{Rows: 4, Length: 512, Docs: []int32{512, 512, 512, 512}}
			for range 2048 {
				batch.IDs, batch.Next = append(batch.IDs, r.Int32N(vocab)), append(batch.Next, r.Int32N(vocab))
			}
			src := source(func(int, int) (*distill.Batch, error) { return batch, nil })
			t, err := New(pool, dev, m, src, plainLoss(pool, vocab), Options{Steps: 1 << 30, Clip: 1, Optim: optim.Options{Decoupled: true, Decay: 0.1}, Schedule: optim.Schedule{Peak: 1e-3}})
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for _, e := range t.params.Table {
				n += e.Len()
			}
			for b.Loop() {
				if _, err := t.next(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*2048/b.Elapsed().Seconds(), "tokens/s")
			b.ReportMetric(float64(n)/1e6, "M-params")
			b.ReportMetric(float64(dev.PeakBytes())/1e6, "MB-tensors")
			b.ReportMetric(peakRSS(), "MB-peak-rss")
			runtime.KeepAlive(t)
		})
	}
}

// peakRSS is VmHWM of the process in MB, 0 where there is no such file.
func peakRSS() float64 {
	b, _ := os.ReadFile("/proc/self/status")
	var kb float64
	if _, rest, ok := bytes.Cut(b, []byte("VmHWM:")); ok {
		if _, err := fmt.Sscan(string(rest), &kb); err != nil {
			return 0
		}
	}
	return kb / 1024 * 1.048576
}
