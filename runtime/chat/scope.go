package chat

// Names are resolved once, when the template is parsed. Every macro, call
// block and recursive loop is a function with one array of slots; every scope
// (loop body, set block, …) owns some of these slots. A name may be set in
// several scopes around its use, and whether it is set is known only at run
// time, so a use holds all candidates, innermost first.

// function is the static part of a frame.
type function struct {
	slots int
}

// scope is a region of the source in which set does not leak out.
type scope struct {
	fn    *function
	up    *scope
	names map[string]int
	slots []int // slots to clear when the scope is entered
}

// ref is a candidate: up hops frames, then a slot.
type ref struct {
	hops, slot int
}

func (s *scope) declare(name string) int {
	if i, ok := s.names[name]; ok {
		return i
	}
	i := s.fn.slots
	s.fn.slots++
	if s.names == nil {
		s.names = map[string]int{}
	}
	s.names[name] = i
	s.slots = append(s.slots, i)
	return i
}

// resolve lists the candidates for name seen from s.
func (s *scope) resolve(name string) []ref {
	var out []ref
	hops := 0
	for ; s != nil; s = s.up {
		if i, ok := s.names[name]; ok {
			out = append(out, ref{hops, i})
		}
		if s.up != nil && s.up.fn != s.fn {
			hops++
		}
	}
	return out
}

// frame holds the variables of one running function. A slot that was never
// set holds unset.
type frame struct {
	slots []any
	up    *frame
}

type unsetType struct{}

var unset any = unsetType{}

func newFrame(fn *function, up *frame) *frame {
	f := &frame{slots: make([]any, fn.slots), up: up}
	for i := range f.slots {
		f.slots[i] = unset
	}
	return f
}

func (f *frame) clear(s *scope) {
	for _, i := range s.slots {
		f.slots[i] = unset
	}
}
