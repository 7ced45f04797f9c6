package tape

// buffer is float32 memory with a count of its users: the graph while it may
// use a tensor, and every backward that keeps it.
type buffer struct {
	data []float32
	refs int
	view bool // somebody else's memory: neither freed nor written in place
}

// memory hands out buffers and takes them back. Lengths repeat from layer to
// layer and step to step, so the free ones are kept by length.
type memory struct {
	free    map[int][]*buffer
	touched map[int]bool // lengths asked for since the last trim
	used    int          // floats in use
	peak    int          // the most since the last trim
}

// alloc returns n floats of undefined content with one user.
func (m *memory) alloc(n int) *buffer {
	if m.free == nil {
		m.free, m.touched = map[int][]*buffer{}, map[int]bool{}
	}
	m.touched[n] = true
	m.used += n
	m.peak = max(m.peak, m.used)
	list := m.free[n]
	if len(list) == 0 {
		return &buffer{data: make([]float32, n), refs: 1}
	}
	b := list[len(list)-1]
	m.free[n] = list[:len(list)-1]
	b.refs = 1
	return b
}

// drop is one user less.
func (m *memory) drop(b *buffer) {
	b.refs--
	if b.refs > 0 || b.view {
		return
	}
	if b.refs < 0 {
		panic("tape: buffer dropped twice")
	}
	m.used -= len(b.data)
	m.free[len(b.data)] = append(m.free[len(b.data)], b)
}

// trim gives free buffers of lengths that nobody asked for since the last trim
// to the garbage collector.
func (m *memory) trim() {
	for n := range m.free {
		if !m.touched[n] {
			delete(m.free, n)
		}
	}
	clear(m.touched)
	m.peak = m.used
}
