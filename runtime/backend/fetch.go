package backend

import "github.com/qwq-edge/qwq/internal/mmap"

// fetch decides whether a step asks for its experts' matrices before it
// multiplies with them. A page fault reads a page, or with readahead pages of
// experts that nobody chose; asked for whole, an expert is read at the storage's
// speed. Where everything is in memory already the asking costs, so a step asks
// only if the one before it waited for storage, as the first one may have to.
type fetch struct {
	on, now bool
	waits   int64 // mmap.Waits when the last step began; -1: there was none
}

func (f *fetch) begin() {
	if !f.on {
		return
	}
	w := mmap.Waits()
	f.now, f.waits = w != f.waits, w
}

// experts asks for the chosen experts of n.
func (f *fetch) experts(r *Route, n int, stacks ...*cpuWeight) {
	for e := range n {
		if len(r.Slots(e)) == 0 {
			continue
		}
		for _, w := range stacks {
			if w != nil {
				mmap.Fetch(w.expert(e, n).Data)
			}
		}
	}
}
