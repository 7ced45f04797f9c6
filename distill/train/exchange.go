package train

// Exchanger is the other processes of a run. Rank r of n owns leaves
// r·Leaves/n to (r+1)·Leaves/n - 1, which are a subtree; all take every step
// together. An error ends the run.
type Exchanger interface {
	Rank() int
	Size() int // a power of two
	// Count is the sum over all ranks.
	Count(n [2]int64) ([2]int64, error)
	// Combine replaces grad and sums on every rank by their sum in tree order:
	// ranks 0 and 1, 2 and 3 and so on are added, the lower rank's on the left,
	// then pairs of pairs.
	Combine(grad []float32, sums []float64) error
}

// alone is a run of one process.
type alone struct{}

func (alone) Rank() int                          { return 0 }
func (alone) Size() int                          { return 1 }
func (alone) Count(n [2]int64) ([2]int64, error) { return n, nil }
func (alone) Combine([]float32, []float64) error { return nil }
