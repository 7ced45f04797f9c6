package student

import (
	"fmt"
	"slices"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// Cut says which units of a teacher a student keeps, by the teacher's numbers.
// FFN, Heads and KVHeads have one list for each layer of the student, all of one
// length. nil keeps all.
type Cut struct {
	Layers  []int   // ascending
	Hidden  []int   // columns of the residual stream
	FFN     [][]int // units of the feed-forward block
	KVHeads [][]int
	Heads   [][]int   // query heads, those of the first kept group first
	Vocab   []int32   // the teacher's id of each of the student's
	Keys    []gguf.KV // tokenizer keys for Vocab, see Trim
}

// Choose keeps what the statistics say matters most: the layers that change their
// input most, and the widest-used columns, units and heads. shape.Vocab must be the
// teacher's, or the length of trim's ids.
func Choose(h arch.Hyper, s *Stats, shape Shape, trim *Trimmed) (*Cut, error) {
	t := ShapeOf(h)
	if err := prunable(h); err != nil {
		return nil, err
	}
	if err := shape.within(t); err != nil {
		return nil, err
	}
	c := &Cut{}
	switch {
	case trim != nil && len(trim.IDs) == shape.Vocab:
		c.Vocab, c.Keys = trim.IDs, trim.Keys
	case trim != nil || shape.Vocab != t.Vocab:
		return nil, fmt.Errorf("student: a vocabulary of %d of the teacher's %d without the list of its ids", shape.Vocab, t.Vocab)
	}
	if s.dims != h.Dims() {
		return nil, fmt.Errorf("student: statistics of another teacher: %+v, this one is %+v", s.dims, h.Dims())
	}
	if s.rows == 0 {
		return nil, fmt.Errorf("student: statistics of no rows")
	}
	c.Layers = best(s.Distances(), shape.Layers)
	c.Hidden = best(s.Hidden(), shape.Hidden)
	group, keep := t.Heads/t.KVHeads, shape.Heads/shape.KVHeads
	for _, l := range c.Layers {
		c.FFN = append(c.FFN, best(s.FFN(l), shape.FFN))
		heads := s.Heads(l)
		groups := make([]float64, t.KVHeads)
		for i, x := range heads {
			groups[i/group] += x
		}
		kv := best(groups, shape.KVHeads)
		var q []int
		for _, g := range kv {
			for _, i := range best(heads[g*group:(g+1)*group], keep) {
				q = append(q, g*group+i)
			}
		}
		c.KVHeads, c.Heads = append(c.KVHeads, kv), append(c.Heads, q)
	}
	return c, nil
}

// best is the n places of the largest numbers, of equal ones the first, ascending.
func best(x []float64, n int) []int {
	at := make([]int, len(x))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(a, b int) int {
		switch {
		case x[a] > x[b]:
			return -1
		case x[a] < x[b]:
			return 1
		}
		return 0
	})
	at = at[:n]
	slices.Sort(at)
	return at
}

// Shape is the sizes of the student that a cut of t makes.
func (c *Cut) Shape(t Shape) (Shape, error) {
	s := t
	if c.Layers != nil {
		s.Layers = len(c.Layers)
	}
	if c.Hidden != nil {
		s.Hidden = len(c.Hidden)
	}
	if c.Vocab != nil {
		s.Vocab = len(c.Vocab)
	}
	for _, p := range []struct {
		name  string
		lists [][]int
		size  *int
	}{{"FFN", c.FFN, &s.FFN}, {"KVHeads", c.KVHeads, &s.KVHeads}, {"Heads", c.Heads, &s.Heads}} {
		most := *p.size
		if p.lists == nil {
			continue
		}
		if len(p.lists) != s.Layers {
			return s, fmt.Errorf("student: %d lists of %s for %d layers", len(p.lists), p.name, s.Layers)
		}
		*p.size = len(p.lists[0])
		for l, list := range p.lists {
			if len(list) != *p.size {
				return s, fmt.Errorf("student: %s: %d in layer %d, %d in layer 0", p.name, len(list), l, *p.size)
			}
			if err := distinct(p.name, list, most); err != nil {
				return s, err
			}
		}
	}
	if !slices.IsSorted(c.Layers) {
		return s, fmt.Errorf("student: layers %v are not ascending", c.Layers)
	}
	ids := make([]int, len(c.Vocab))
	for i, id := range c.Vocab {
		ids[i] = int(id)
	}
	for _, p := range []struct {
		name string
		list []int
		most int
	}{{"Layers", c.Layers, t.Layers}, {"Hidden", c.Hidden, t.Hidden}, {"Vocab", ids, t.Vocab}} {
		if err := distinct(p.name, p.list, p.most); err != nil {
			return s, err
		}
	}
	if err := s.within(t); err != nil {
		return s, err
	}
	return s, c.groups(s, t)
}

// groups checks that each query head of the student shares keys with the group it
// shared them with in the teacher.
func (c *Cut) groups(s, t Shape) error {
	for l := range s.Layers {
		for i := range s.Heads {
			q, g := i, i/(s.Heads/s.KVHeads)
			if c.Heads != nil {
				q = c.Heads[l][i]
			}
			if c.KVHeads != nil {
				g = c.KVHeads[l][g]
			}
			if q/(t.Heads/t.KVHeads) != g {
				return fmt.Errorf("student: layer %d: head %d is the teacher's %d of group %d, but its keys are of group %d", l, i, q, q/(t.Heads/t.KVHeads), g)
			}
		}
	}
	return nil
}

func distinct(name string, list []int, most int) error {
	seen := make(map[int]bool, len(list))
	for i, x := range list {
		if x < 0 || x >= most || seen[x] {
			return fmt.Errorf("student: %s[%d] is %d: twice, or not from 0 to %d", name, i, x, most-1)
		}
		seen[x] = true
	}
	return nil
}

// places is where the student's indices of an axis lie in the teacher's layer;
// nil: all in order.
func (c *Cut) places(a arch.Axis, layer, dim int) []int {
	per := func(lists [][]int) []int {
		if lists == nil {
			return nil
		}
		return lists[layer]
	}
	switch a {
	case arch.Hidden:
		return c.Hidden
	case arch.FFN:
		return per(c.FFN)
	case arch.QHeads:
		return wide(per(c.Heads), dim)
	case arch.KVHeads:
		return wide(per(c.KVHeads), dim)
	case arch.Vocab:
		if c.Vocab == nil {
			return nil
		}
		out := make([]int, len(c.Vocab))
		for i, id := range c.Vocab {
			out[i] = int(id)
		}
		return out
	}
	return nil
}

// wide is the columns of heads. Whole heads, so that the order of a head's rows in
// the file does not matter.
func wide(heads []int, dim int) []int {
	if heads == nil {
		return nil
	}
	var out []int
	for _, h := range heads {
		for i := range dim {
			out = append(out, h*dim+i)
		}
	}
	return out
}
