package backend

// arena hands out float32 scratch for the tensors of a step. It grows while
// the first steps find their size; after that a step allocates nothing.
type arena struct {
	slabs    [][]float32
	cur, off int // next free float is slabs[cur][off]
}

// arenaMark is a position to release back to.
type arenaMark struct{ cur, off int }

const (
	arenaAlign = 16      // floats: 64 bytes
	arenaMin   = 1 << 14 // floats: 64 KiB
)

// reset frees everything and joins the slabs into one.
func (a *arena) reset() {
	if len(a.slabs) > 1 {
		total := 0
		for _, s := range a.slabs {
			total += len(s)
		}
		a.slabs = append(a.slabs[:0:0], make([]float32, total))
	}
	a.cur, a.off = 0, 0
}

func (a *arena) mark() arenaMark { return arenaMark{a.cur, a.off} }

func (a *arena) release(m arenaMark) { a.cur, a.off = m.cur, m.off }

// alloc returns n floats of undefined content.
func (a *arena) alloc(n int) []float32 {
	if n == 0 {
		return nil
	}
	size := (n + arenaAlign - 1) &^ (arenaAlign - 1)
	for a.cur < len(a.slabs) && a.off+size > len(a.slabs[a.cur]) {
		a.cur, a.off = a.cur+1, 0
	}
	if a.cur == len(a.slabs) {
		a.slabs = append(a.slabs, make([]float32, max(size, arenaMin)))
	}
	p := a.slabs[a.cur][a.off : a.off+n : a.off+n]
	a.off += size
	return p
}
