package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/model"
)

// chain is text with something to learn: each id has four followers, one of them
// likely, chosen by the id before it as well.
type chain struct{}

func (chain) Leaf(step, i int) (*distill.Batch, error) {
	r := rand.New(rand.NewPCG(uint64(step), uint64(i)))
	b := &distill.Batch{Rows: 4, Length: 32}
	for range b.Rows {
		b.Docs = append(b.Docs, int32(b.Length))
		last, id := 0, r.IntN(64)
		for k := range b.Length {
			b.IDs = append(b.IDs, int32(id))
			way := last % 4
			if r.IntN(4) == 0 {
				way = r.IntN(4)
			}
			last, id = id, (id*5+way*17+3)%64
			if b.Next = append(b.Next, int32(id)); k == b.Length-1 {
				b.Next[len(b.Next)-1] = -1
			}
		}
	}
	return b, nil
}

// TestBF16 is the same 500 steps in float32 and in mixed precision: the mean loss
// of the last 50 may differ by 1 %.
func TestBF16(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	f := file(t)
	var last [2]float64
	for i, precision := range []tape.Precision{tape.FP32, tape.BF16} {
		pool, err := kernel.New(kernel.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		if pool.GemmRung() != "bf16" {
			t.Skip("slow where the processor does not multiply bfloat16")
		}
		dev := tape.New(pool, tape.Options{Precision: precision})
		m, err := model.New(f, dev)
		if err != nil {
			t.Fatal(err)
		}
		first := 0.0
		tr, err := New(pool, dev, m, chain{}, hard, Options{
			Steps: 500, Names: []string{"loss", "rows"}, Clip: 1, Optim: optim.Options{Decoupled: true, Decay: 0.1},
			Schedule: optim.Schedule{Shape: optim.Cosine, Peak: 3e-3, Warmup: 20},
			Report: func(m Metrics) {
				if m.Step == 1 {
					first = m.Loss["loss"]
				}
				if m.Step > 450 {
					last[i] += m.Loss["loss"] / 50
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		run(t, tr)
		if !(last[i] < 0.5*first) {
			t.Errorf("precision %d: loss from %v to %v", precision, first, last[i])
		}
	}
	if d := math.Abs(last[1]/last[0] - 1); !(d > 0 && d < 0.01) {
		t.Errorf("loss %v in float32, %v in bfloat16", last[0], last[1])
	}
	t.Logf("loss %.4f in float32, %.4f in bfloat16", last[0], last[1])
}
