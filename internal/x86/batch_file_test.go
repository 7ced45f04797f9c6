//go:build linux && amd64 && !noasm

package x86

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/internal/cpu"
)

// BenchmarkFileBatch multiplies a few tokens with rows in a mapped file of half a
// gigabyte: as Integers does it, by packed panels, and one token alone, piece by piece in
// turn; the medians in GB/s of rows. It wants QWQ_BENCH_FILE as BenchmarkFileStream.
func BenchmarkFileBatch(b *testing.B) {
	dir := os.Getenv("QWQ_BENCH_FILE")
	if dir == "" {
		b.Skip("QWQ_BENCH_FILE names no directory for 512 MiB")
	}
	const size, piece = 512 << 20, 8 << 20
	m := mappedFile(b, dir, size)
	r := rand.New(rand.NewPCG(1, 1))
	for _, v := range cpu.Kernels() {
		l := levels[v]
		for _, t := range integerTypes {
			f, _ := formatOf(t)
			for _, k := range []int{896, 1024, 4864} {
				n, ok := t.RowBytes(k)
				if !ok {
					continue
				}
				rows := piece / n / 32 * 32
				for _, tokens := range []int{2, 3, 4, 6, 8} {
					a, _ := activations(r, tokens, k)
					one, _ := activations(r, 1, k)
					y := make([]float32, rows*tokens)
					scratch := aligned(ScratchBytes(l, t, k))
					uses := []func(w []byte){
						func(w []byte) { Integers(l, y, rows, t, w[:rows*n], rows, a, scratch) },
						func(w []byte) { gemm(l, y, rows, t, f, w[:rows*n], rows, a, scratch) },
						func(w []byte) { Integers(l, y, rows, t, w[:rows*n], rows, one, scratch) },
					}
					b.Run(fmt.Sprintf("%s/%v/%d/%d", v, t, k, tokens), func(b *testing.B) {
						rates := make([][]float64, len(uses))
						for b.Loop() {
							for at := 0; at+piece <= size; at += piece {
								use := at / piece % len(uses)
								start := time.Now()
								uses[use](m[at : at+piece])
								rates[use] = append(rates[use], float64(rows*n)/float64(time.Since(start)))
							}
						}
						for i, name := range []string{"few", "packed", "one"} {
							slices.Sort(rates[i])
							b.ReportMetric(rates[i][len(rates[i])/2], name+"-GB/s")
						}
						b.ReportMetric(0, "ns/op")
					})
				}
			}
		}
	}
}
