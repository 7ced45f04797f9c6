//go:build unix

package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qwq-edge/qwq/quant"
)

// cpuTime is the processor time this process has used. Rates per second of it
// hold on a machine that does other work too.
func cpuTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMatMul has the shapes of a Qwen2.5-0.5B layer: gate-up and down, for
// decoding (1 token) and prefill (64).
func BenchmarkMatMul(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, threads := range []int{1, 2} {
		p := newPool(b, threads, "")
		for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q5_0, quant.Q4_K, quant.Q6_K, quant.F16, quant.F32, quant.BF16} {
			for _, shape := range [][2]int{{896, 4864}, {4864, 896}} {
				if shape[1]%typ.Block() != 0 {
					continue
				}
				m := randomMatrix(b, r, typ, shape[0], shape[1])
				for _, tokens := range []int{1, 64} {
					x, y := randomF32(r, tokens, shape[1]), []F32{newF32(tokens, shape[0])}
					b.Run(fmt.Sprintf("threads=%d/%v/%dx%d/tokens=%d", threads, typ, shape[0], shape[1], tokens), func(b *testing.B) {
						b.SetBytes(int64(len(m.Data)))
						start := cpuTime()
						for b.Loop() {
							if err := p.MatMul(y, x, []quant.Matrix{m}, Fuse{}); err != nil {
								b.Fatal(err)
							}
						}
						macs := float64(tokens*shape[0]*shape[1]) * float64(b.N)
						b.ReportMetric(macs/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
						b.ReportMetric(macs/float64(cpuTime()-start), "GMAC/cpu-s")
					})
				}
			}
		}
	}
}

// BenchmarkNormActs is a norm and a product of few rows with its result, of codes
// made apart or with the norm.
func BenchmarkNormActs(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	const cols = 896
	p := newPool(b, 1, "")
	w, norm := []quant.Matrix{randomMatrix(b, r, quant.Q8_0, 1, cols)}, randomF32(r, 1, cols).Data
	for _, tokens := range []int{1, 512} {
		x, n, y := randomF32(r, tokens, cols), newF32(tokens, cols), []F32{newF32(tokens, 1)}
		for name, f := range map[string]func() uint64{
			"apart":    func() uint64 { p.RMSNorm(n, x, norm, 1e-6); return 0 },
			"together": func() uint64 { return p.RMSNormActs(n, x, norm, 1e-6) },
		} {
			b.Run(fmt.Sprintf("tokens=%d/%s", tokens, name), func(b *testing.B) {
				b.SetBytes(int64(4 * len(x.Data)))
				for b.Loop() {
					if err := p.MatMul(y, n, w, Fuse{Acts: f()}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkDecode is all matrices of one token of a Qwen2.5-0.5B-shaped model in
// Q8_0 (494 M weights): 24 layers and the head, each layer with weights of its own
// in memory. tokens/s is what they alone allow.
func BenchmarkDecode(b *testing.B) {
	const hidden, ffn, kv, vocab, layers = 896, 4864, 128, 151936, 24
	r := rand.New(rand.NewPCG(1, 1))
	codes := randomMatrix(b, r, quant.Q8_0, vocab, hidden).Data
	matrix := func(at *int, rows, cols int) quant.Matrix { // the same bytes serve all layers, shifted
		n, _ := quant.Q8_0.RowBytes(cols)
		*at = (*at + 34*4096) % (len(codes) - rows*n) / 34 * 34
		return quant.Matrix{Type: quant.Q8_0, Rows: rows, Cols: cols, Data: codes[*at : *at+rows*n]}
	}
	at := 0
	var qkv, o, gateUp, down [layers][]quant.Matrix
	for i := range layers {
		qkv[i] = []quant.Matrix{matrix(&at, hidden, hidden), matrix(&at, kv, hidden), matrix(&at, kv, hidden)}
		o[i] = []quant.Matrix{matrix(&at, hidden, hidden)}
		gateUp[i] = []quant.Matrix{matrix(&at, ffn, hidden), matrix(&at, ffn, hidden)}
		down[i] = []quant.Matrix{matrix(&at, hidden, ffn)}
	}
	head := []quant.Matrix{{Type: quant.Q8_0, Rows: vocab, Cols: hidden, Data: codes}}
	x, inner := randomF32(r, 1, hidden), randomF32(r, 1, ffn)
	yq, yo, yf, yh := []F32{newF32(1, hidden), newF32(1, kv), newF32(1, kv)}, []F32{newF32(1, hidden)}, []F32{newF32(1, ffn)}, []F32{newF32(1, vocab)}
	for _, threads := range []int{1, 2} {
		p := newPool(b, threads, "")
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			b.SetBytes(494e6 * 34 / 32)
			start := cpuTime()
			for b.Loop() {
				for i := range layers {
					for _, err := range []error{p.MatMul(yq, x, qkv[i], Fuse{}), p.MatMul(yo, x, o[i], Fuse{}),
						p.MatMul(yf, x, gateUp[i], Fuse{GateUp: SiLU}), p.MatMul(yo, inner, down[i], Fuse{})} {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
				if err := p.MatMul(yh, x, head, Fuse{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
			b.ReportMetric(float64(b.N)/(cpuTime()-start).Seconds(), "tokens/cpu-s")
		})
	}
}

// BenchmarkAttend is one decoded token of a layer with 14 query heads, 2 KV heads
// of 64 and 1000 positions.
func BenchmarkAttend(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, typ := range []quant.Type{quant.F32, quant.F16, quant.Q8_0} {
		for _, threads := range []int{1, 2} {
			p := newPool(b, threads, "")
			s := newSequence(b, p, r, typ, 2, 64, 1000, 1000)
			q, y := randomF32(r, 1, 896), newF32(1, 896)
			b.Run(fmt.Sprintf("%v/threads=%d", typ, threads), func(b *testing.B) {
				start := cpuTime()
				for b.Loop() {
					if err := p.Attend(y, q, []KVPages{s.at(999, 1)}, Mask{Scale: 0.125, QHeads: 14}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric((cpuTime()-start).Seconds()*1e6/float64(b.N), "cpu-us/op")
			})
		}
	}
}
