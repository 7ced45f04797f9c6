package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/quant"
)

var tableTypes = []quant.Type{
	quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.IQ4_NL,
	quant.Q2_K, quant.Q3_K, quant.Q4_K, quant.Q5_K, quant.Q6_K, quant.F16, quant.BF16, quant.F32,
}

// tableK is the 0.5B shape's columns, or the next that the type's blocks fit.
func tableK(t quant.Type, k int) int { return (k + t.Block() - 1) / t.Block() * t.Block() }

// tableMatrix repeats some random rows in buf.
func tableMatrix(b *testing.B, r *rand.Rand, buf []byte, t quant.Type, rows, k int) quant.Matrix {
	some := randomMatrix(b, r, t, min(rows, 64), k).Data
	n, _ := t.RowBytes(k)
	data := buf[:rows*n]
	for at := 0; at < len(data); {
		at += copy(data[at:], some)
	}
	return quant.Matrix{Type: t, Rows: rows, Cols: k, Data: data}
}

// BenchmarkTableGEMM is the product of 512 tokens with one matrix, quantization of the
// tokens included, on one thread; %peak is of the int8 or fp32 peak of this run.
func BenchmarkTableGEMM(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	buf := make([]byte, 4*4864*1024)
	p := newPool(b, 1, "")
	for _, t := range tableTypes {
		for _, shape := range [][2]int{{4864, 896}, {896, 4864}} {
			rows, k := shape[0], tableK(t, shape[1])
			m := tableMatrix(b, r, buf, t, rows, k)
			x, y := randomF32(r, 512, k), []F32{newF32(512, rows)}
			b.Run(fmt.Sprintf("%v/K=%d", t, k), func(b *testing.B) {
				for b.Loop() {
					if err := p.MatMul(y, x, []quant.Matrix{m}, Fuse{}); err != nil {
						b.Fatal(err)
					}
				}
				rate := 2 * 512 * float64(rows*k) * float64(b.N) / b.Elapsed().Seconds()
				peak := p.PeakInt8
				if t == quant.F16 || t == quant.BF16 || t == quant.F32 {
					peak = p.PeakFP32
				}
				b.ReportMetric(rate/1e9, "GOP/s")
				if top := peak(); top > 0 {
					b.ReportMetric(100*rate/top, "%peak")
				}
			})
		}
	}
}

// BenchmarkTableGEMV is the product of one token with 512 MB of rows on one thread;
// %read is of the rate at which a buffer of that size is read in this run.
func BenchmarkTableGEMV(b *testing.B) {
	if testing.Short() {
		b.Skip("takes 1 GB of memory")
	}
	const size = 512e6
	r := rand.New(rand.NewPCG(1, 1))
	buf, plain := make([]byte, size), ReadBuffer(size)
	p := newPool(b, 1, "")
	for _, t := range tableTypes {
		for _, k := range []int{896, 4864} {
			k = tableK(t, k)
			n, _ := t.RowBytes(k)
			m := tableMatrix(b, r, buf, t, size/n, k)
			x, y := randomF32(r, 1, k), []F32{newF32(1, m.Rows)}
			b.Run(fmt.Sprintf("%v/K=%d", t, k), func(b *testing.B) {
				for b.Loop() {
					if err := p.MatMul(y, x, []quant.Matrix{m}, Fuse{}); err != nil {
						b.Fatal(err)
					}
				}
				rate := float64(len(m.Data)) * float64(b.N) / b.Elapsed().Seconds()
				b.ReportMetric(rate/1e9, "GB/s")
				b.ReportMetric(100*rate/p.ReadRate(plain, 2), "%read")
			})
		}
	}
}
