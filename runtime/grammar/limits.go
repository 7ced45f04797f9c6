package grammar

import "fmt"

// Limits bounds what one grammar may ask for. The zero value is the default.
type Limits struct {
	Bytes  int // length of the text; 0: MaxBytes
	Depth  int // nesting of groups, of JSON values in a schema; 0: 128
	Rules  int // rules, JSON objects in a schema; 0: 10,000
	States int // states of the automaton, and its edges by eight; 0: 65,536
}

// MaxBytes is how long the text of a grammar may be where Limits do not say.
const MaxBytes = 1 << 20

func (l Limits) filled() Limits {
	for _, x := range []struct {
		v *int
		d int
	}{{&l.Bytes, MaxBytes}, {&l.Depth, 128}, {&l.Rules, 10000}, {&l.States, 1 << 16}} {
		if *x.v <= 0 {
			*x.v = x.d
		}
	}
	return l
}

// maxHeads bounds how many readings of a text are followed at once.
const maxHeads = 256

// LimitError says that a grammar needs more than it may have.
type LimitError struct {
	What  string
	Limit int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("grammar: more than %d %s", e.Limit, e.What)
}
