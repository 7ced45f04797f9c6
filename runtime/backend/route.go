package backend

import "slices"

// Route says which rows go to which expert: the choice of Ops.Experts, for
// devices that group rows on the host. The zero value works; it is reused.
type Route struct {
	Used  int       // experts of a row
	IDs   []int32   // [rows, Used] a row's experts, ascending
	Probs []float32 // [rows, Used] their weights

	first []int   // [experts+1] where an expert's entries begin in slots
	slots []int32 // [rows*Used] places in IDs, by expert
}

// Choose takes the used largest of each row of p, the softmax of the router's
// logits: [rows, experts]. norm scales a row's weights to a sum of 1.
func (r *Route) Choose(p Tensor, used int, norm bool) {
	n := p.Rows * used
	r.Used = used
	r.IDs, r.Probs, r.slots = room(r.IDs, n), room(r.Probs, n), room(r.slots, n)
	r.first = room(r.first, p.Cols+1)
	clear(r.first)
	for row := range p.Rows {
		of := p.Data[row*p.Cols : (row+1)*p.Cols]
		ids, w := r.IDs[row*used:(row+1)*used], r.Probs[row*used:(row+1)*used]
		largest(ids, of)
		sum := float32(0)
		for i, e := range ids {
			w[i] = of[e]
			sum += w[i]
			r.first[e+1]++
		}
		if norm {
			for i := range w {
				w[i] /= sum
			}
		}
	}
	for e := range p.Cols {
		r.first[e+1] += r.first[e]
	}
	for slot, e := range r.IDs { // first[e] moves to the end of e's entries
		r.slots[r.first[e]] = int32(slot)
		r.first[e]++
	}
	copy(r.first[1:], r.first[:p.Cols])
	r.first[0] = 0
}

// Slots are the places in IDs and Probs that expert e has, ascending. The row of
// a slot is slot / Used.
func (r *Route) Slots(e int) []int32 { return r.slots[r.first[e]:r.first[e+1]] }

// largest fills ids with the places of the largest of p, ascending; of equal
// values the first. NaN is smaller than everything.
func largest(ids []int32, p []float32) {
	n := 0
	for e, x := range p {
		at := n
		for at > 0 && less(p[ids[at-1]], x) {
			at--
		}
		if at == len(ids) {
			continue
		}
		n = min(n+1, len(ids))
		copy(ids[at+1:n], ids[at:n-1])
		ids[at] = int32(e)
	}
	slices.Sort(ids)
}

func less(a, b float32) bool { return a < b || a != a && b == b }

func room[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }
