//go:build linux

package x86

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/quant"
)

// processorTime is what this process has used, in ns: the measure of a machine
// that does other work too.
func processorTime() int64 {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkStream multiplies one token with half a gigabyte of rows in small
// pages: what decoding does. The rate is to be compared with a plain read.
func BenchmarkStream(b *testing.B) {
	const size = 512 << 20
	m, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = unix.Munmap(m) }()
	_ = unix.Madvise(m, unix.MADV_NOHUGEPAGE)
	for i := range m {
		m[i] = byte(i * 7 >> 3)
	}
	r := rand.New(rand.NewPCG(1, 1))
	y := make([]float32, size/64)
	for _, v := range cpu.Kernels() {
		for _, t := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q5_0, quant.Q4_K, quant.Q6_K, quant.F16} {
			for _, k := range []int{896, 4864} {
				n, ok := t.RowBytes(k)
				if !ok {
					continue
				}
				rows := size / n
				a, _ := activations(r, 1, k)
				x := make([]float32, k)
				scratch := aligned(ScratchBytes(levels[v], t, k))
				b.Run(fmt.Sprintf("%s/%v/%d", v, t, k), func(b *testing.B) {
					b.SetBytes(int64(rows * n))
					start := processorTime()
					for b.Loop() {
						if t == quant.F16 {
							Floats(levels[v], y, rows, t, m[:rows*n], rows, x, 1)
						} else {
							Integers(levels[v], y, rows, t, m[:rows*n], rows, a, scratch)
						}
					}
					b.ReportMetric(float64(rows*n)*float64(b.N)/float64(processorTime()-start), "GB/cpu-s")
				})
			}
		}
	}
}
