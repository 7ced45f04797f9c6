package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
)

// BenchmarkGemm has the products of a training step of 2,048 tokens, hidden 512,
// FFN 1,408 and vocabulary 16,384 in chunks of 512 tokens: y = x·wᵀ, dx = dy·w,
// dw += dyᵀ·x. peak is what the processor does with registers alone in the same
// run, on as many threads.
func BenchmarkGemm(b *testing.B) {
	shapes := []struct {
		name    string
		m, n, k int
		ta, tb  bool
	}{
		{"attn", 2048, 512, 512, false, true}, {"up", 2048, 1408, 512, false, true}, {"down", 2048, 512, 1408, false, true},
		{"updx", 2048, 512, 1408, false, false}, {"updw", 1408, 512, 2048, true, false}, {"attndw", 512, 512, 2048, true, false},
		{"head", 512, 16384, 512, false, true}, {"headdx", 512, 512, 16384, false, false}, {"headdw", 16384, 512, 512, true, false},
	}
	for _, threads := range []int{1, 2} {
		p := newPool(b, threads, "")
		for _, bf16 := range []bool{false, true} {
			gemm, peak := p.Gemm, p.PeakFP32
			if bf16 {
				gemm, peak = p.GemmBF16, func() float64 { return peakBF16(p) }
			}
			for _, s := range shapes {
				c, x, y := gemmOperands(b, rand.New(rand.NewPCG(1, 1)), s.m, s.n, s.k, s.ta, s.tb)
				b.Run(fmt.Sprintf("threads=%d/bf16=%v/%s", threads, bf16, s.name), func(b *testing.B) {
					for b.Loop() {
						if err := gemm(c, x, y, s.ta, s.tb, s.ta); err != nil {
							b.Fatal(err)
						}
					}
					rate := 2 * float64(s.m) * float64(s.n) * float64(s.k) * float64(b.N) / float64(b.Elapsed().Nanoseconds())
					b.ReportMetric(rate, "GFLOP/s")
					b.StopTimer()
					top := peak() / 1e9
					if top > 0 {
						b.ReportMetric(100*rate/top, "%peak")
					}
				})
			}
		}
	}
}

// peakBF16 is the operations per second of all threads, the best of five.
func peakBF16(p *Pool) (best float64) {
	rates := make([]float64, p.Threads())
	for range 5 {
		p.Parallel(len(rates), 1, func(_, lo, _ int) { rates[lo] = kerneltest.PeakBF16() })
		sum := 0.0
		for _, r := range rates {
			sum += r
		}
		best = max(best, sum)
	}
	return best
}
