package x86

import (
	"testing"
	"time"

	"github.com/qwq-edge/qwq/internal/kerneltest"
)

func TestPeak(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		for _, f := range []func(Level, int) int{PeakInt8, PeakFP32} {
			if one, three := f(levels[v], 1), f(levels[v], 3); three != 3*one || one == 0 != (v == "generic" || !Assembly) {
				t.Errorf("%d operations in a round, %d in three", one, three)
			}
		}
	})
}

func BenchmarkPeak(b *testing.B) {
	for name, f := range map[string]func(Level, int) int{"int8": PeakInt8, "fp32": PeakFP32} {
		for _, v := range kernels() {
			b.Run(name+"/"+v, func(b *testing.B) {
				ops := 0
				start := time.Now()
				for b.Loop() {
					ops += f(levels[v], 100)
				}
				b.ReportMetric(float64(ops)/float64(time.Since(start).Nanoseconds()), "GOP/s")
			})
		}
	}
}
