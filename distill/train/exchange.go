package train

// Exchanger is the other processes of a run. Rank r of n owns leaves
// r·Leaves/n to (r+1)·Leaves/n - 1, which are a subtree; all take every step and
// write every checkpoint together, with the same Options. An error ends the run;
// the caller then ends the other processes, which may be waiting for this one.
type Exchanger interface {
	Rank() int
	Size() int // a power of two
	// Exchange sends out to a rank and receives as many bytes as in has from it,
	// which exchanges with this one at the same time. One call at a time, from
	// any goroutine; neither slice is kept.
	Exchange(rank int, out, in []byte) error
}

// alone is a run of one process.
type alone struct{}

func (alone) Rank() int                          { return 0 }
func (alone) Size() int                          { return 1 }
func (alone) Exchange(int, []byte, []byte) error { return nil }
