//go:build linux && amd64 && !noasm

package x86

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qwq-edge/qwq/internal/cpu"
)

// BenchmarkFileStream multiplies one token with rows in a mapped file of half a
// gigabyte, and beside each piece times what the level has otherwise (rows side by
// side, or packed) and a plain read of the next ones: the medians of pieces of 32 MiB,
// GB/s. The memory of a shared machine varies by the minute, so only rates of one run
// compare. It writes the file, so it wants QWQ_BENCH_FILE, a directory.
func BenchmarkFileStream(b *testing.B) {
	dir := os.Getenv("QWQ_BENCH_FILE")
	if dir == "" {
		b.Skip("QWQ_BENCH_FILE names no directory for 512 MiB")
	}
	const size, piece = 512 << 20, 32 << 20
	m := mappedFile(b, dir, size)
	r := rand.New(rand.NewPCG(1, 1))
	y := make([]float32, piece/64)
	for _, v := range cpu.Kernels() {
		l := levels[v]
		for _, t := range integerTypes {
			for _, k := range []int{896, 1024, 2048, 3072, 4864} {
				n, ok := t.RowBytes(k)
				if !ok || streamOf(l, t).step == 0 {
					continue
				}
				rows := piece / n / 16 * 16
				a, _ := activations(r, 1, k)
				scratch := aligned(ScratchBytes(l, t, k))
				uses := []func(w []byte){
					func(w []byte) { streamed(l, y, t, w[:rows*n], rows, a, scratch) },
					func(w []byte) {
						if g := gemvRows(l, t); g > 0 {
							gemv(l, g, y, t, w[:rows*n], rows, a)
							return
						}
						f, _ := formatOf(t)
						gemm(l, y, rows, t, f, w[:rows*n], rows, a, scratch)
					},
					func(w []byte) { Read(l, w[:rows*n/256*256]) },
				}
				b.Run(fmt.Sprintf("%s/%v/%d", v, t, k), func(b *testing.B) {
					rates := make([][]float64, len(uses))
					for b.Loop() {
						for at := 0; at+piece <= size; at += piece {
							use := at / piece % len(uses)
							start := time.Now()
							uses[use](m[at : at+piece])
							rates[use] = append(rates[use], float64(rows*n)/float64(time.Since(start)))
						}
					}
					for i, name := range []string{"stream", "other", "read"} {
						slices.Sort(rates[i])
						b.ReportMetric(rates[i][len(rates[i])/2], name+"-GB/s")
					}
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}

// mappedFile is a file of random bytes in the page cache, mapped.
func mappedFile(b *testing.B, dir string, size int) []byte {
	b.Helper()
	f, err := os.CreateTemp(dir, "stream")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	if err := os.Remove(f.Name()); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 1<<20)
	r := rand.New(rand.NewPCG(2, 2))
	for i := range data {
		data[i] = byte(r.Uint32() & 0x3f) // finite scales
	}
	for range size >> 20 {
		if _, err := f.Write(data); err != nil {
			b.Fatal(err)
		}
	}
	m, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.Munmap(m) })
	return m
}
