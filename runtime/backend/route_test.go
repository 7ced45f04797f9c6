package backend

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRoute: the choice is that of a sort, ties and NaN included, and the slots
// are the same choice turned round.
func TestRoute(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	nan := float32(math.NaN())
	var r Route
	for range 300 {
		rows, experts := 1+rng.IntN(5), 1+rng.IntN(9)
		used := 1 + rng.IntN(experts)
		p := Tensor{Rows: rows, Cols: experts}
		for range rows * experts {
			x := float32(rng.IntN(4)) // ties
			if rng.IntN(12) == 0 {
				x = nan
			}
			p.Data = append(p.Data, x)
		}
		r.Choose(p, used, false)
		seen := 0
		for row := range rows {
			of := p.Data[row*experts : (row+1)*experts]
			order := make([]int32, experts)
			for i := range order {
				order[i] = int32(i)
			}
			slices.SortStableFunc(order, func(a, b int32) int {
				switch x, y := of[a], of[b]; {
				case less(y, x):
					return -1
				case less(x, y):
					return 1
				}
				return 0
			})
			want := slices.Sorted(slices.Values(order[:used]))
			if got := r.IDs[row*used : (row+1)*used]; !slices.Equal(got, want) {
				t.Fatalf("%v: chose %v, want %v", of, got, want)
			}
		}
		for e := range experts {
			slots := r.Slots(e)
			if !slices.IsSorted(slots) {
				t.Fatalf("slots %v", slots)
			}
			for _, s := range slots {
				if r.IDs[s] != int32(e) {
					t.Fatalf("slot %d of expert %d is of %d", s, e, r.IDs[s])
				}
			}
			seen += len(slots)
		}
		if seen != rows*used {
			t.Fatalf("%d slots of %d", seen, rows*used)
		}
	}
	r.Choose(Tensor{Rows: 1, Cols: 3, Data: []float32{0.5, 0.3, 0.2}}, 2, true)
	if r.Probs[0] != 0.625 || r.Probs[1] != 0.375 {
		t.Errorf("weights %v", r.Probs)
	}
}
