//go:build mpi

package mpi

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// TestScaling is opt-in (QWQ_BENCH_MPI=steps): the 31.7 M model of SPEED.md, 2,048
// tokens a step in 2 leaves, one rank of one thread against two of one thread each,
// alternating. It prints the time of a step and requires the same loss curve.
func TestScaling(t *testing.T) {
	var steps int
	if _, err := fmt.Sscan(os.Getenv("QWQ_BENCH_MPI"), &steps); err != nil || steps < 2 {
		t.Skip("QWQ_BENCH_MPI is not a number of steps")
	}
	path := modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Layers: 8, Hidden: 512, FFN: 1376, Heads: 8, KVHeads: 4, HeadDim: 64, Vocab: 16384, Tied: true, Biases: true, Context: 512})
	j := job{Model: path, Threads: 1, Steps: steps, Leaves: 2, Rows: 2, Length: 512}
	each(t, func(t *testing.T, i int) {
		var first string
		for _, c := range []struct {
			ranks int
			shard bool
		}{{1, false}, {2, false}, {2, true}, {1, false}} {
			j.Shard = c.shard
			out, talk, err := run(t, i, c.ranks, j)
			if err != nil {
				t.Fatalf("%v\n%s%s", err, out, talk)
			}
			if first == "" {
				first = fmt.Sprint(curve(out))
			} else if fmt.Sprint(curve(out)) != first {
				t.Errorf("%d ranks: another loss curve", c.ranks)
			}
			_, times, _ := strings.Cut(out, "best ")
			fmt.Printf("%s, %d ranks, sharded %v: best %s", mpiruns[i].name, c.ranks, c.shard, times)
		}
	})
}
