package dialog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// MaxTurns is how many turns a State remembers; the oldest are forgotten.
const MaxTurns = 4096

const (
	maxTokens = 1 << 30
	maxWidth  = 1 << 16
)

// State is what is known of one session. The zero value is one without turns.
type State struct {
	Vector []float32 // the tracker's state, [width]; nil before the first turn
	Turns  []Turn    // in their order, at most MaxTurns
	Next   int       // index of the next turn
}

// Turn is one turn of a session.
type Turn struct {
	Index    int     // counted from 0 over the whole session
	Tokens   int     // in the model's window
	Topic    int     // turns of equal topics follow one another
	Boundary float32 // probability that a topic ended before this turn
	Shift    bool    // Boundary is above the tracker's threshold
	Vector   []float32
}

// topic is the last turn's.
func (s *State) topic() int {
	if len(s.Turns) == 0 {
		return 0
	}
	return s.Turns[len(s.Turns)-1].Topic
}

func (s *State) add(t Turn) {
	if len(s.Turns) >= MaxTurns {
		s.Turns = append(s.Turns[:0], s.Turns[len(s.Turns)-MaxTurns+1:]...)
	}
	s.Turns = append(s.Turns, t)
	s.Next++
}

// magic begins a written State; its last byte is the version.
const magic = "QDS\x01"

// turnBytes is the size of a turn without its vector.
const turnBytes = 4 * 5

// MarshalBinary writes the state: magic, width, next index, number of turns, the
// tracker's vector, and the turns; little endian.
func (s *State) MarshalBinary() ([]byte, error) {
	d := len(s.Vector)
	le := binary.LittleEndian
	b := append([]byte(nil), magic...)
	b = le.AppendUint32(b, uint32(d))
	b = le.AppendUint32(b, uint32(s.Next))
	b = le.AppendUint32(b, uint32(len(s.Turns)))
	floats := func(x []float32) {
		for _, v := range x {
			b = le.AppendUint32(b, math.Float32bits(v))
		}
	}
	floats(s.Vector)
	for _, t := range s.Turns {
		if len(t.Vector) != d {
			return nil, fmt.Errorf("dialog: turn %d has %d values, the state %d", t.Index, len(t.Vector), d)
		}
		shift := uint32(0)
		if t.Shift {
			shift = 1
		}
		for _, v := range []uint32{uint32(t.Index), uint32(t.Tokens), uint32(t.Topic), math.Float32bits(t.Boundary), shift} {
			b = le.AppendUint32(b, v)
		}
		floats(t.Vector)
	}
	return b, nil
}

// UnmarshalBinary reads what MarshalBinary wrote. On an error s is what it was.
func (s *State) UnmarshalBinary(b []byte) error {
	const head = len(magic) + 12
	if len(b) < head || string(b[:len(magic)]) != magic {
		return errors.New("dialog: not a dialog state of version 1")
	}
	le := binary.LittleEndian
	at := len(magic)
	next := func() uint32 {
		v := le.Uint32(b[at:])
		at += 4
		return v
	}
	d, index, n := next(), next(), next()
	if d > maxWidth || n > MaxTurns || index > math.MaxInt32 || n > index || d == 0 && n > 0 {
		return fmt.Errorf("dialog: offset %d: a state of width %d with %d of %d turns", len(magic), d, n, index)
	}
	if want := head + 4*int(d) + int(n)*(turnBytes+4*int(d)); len(b) != want {
		return fmt.Errorf("dialog: %d bytes, %d turns of width %d make %d", len(b), n, d, want)
	}
	var bad error
	floats := func(n uint32) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = math.Float32frombits(next())
			if v := float64(x[i]); math.IsNaN(v) || math.IsInf(v, 0) {
				bad = fmt.Errorf("dialog: offset %d: value %v", at-4, v)
			}
		}
		return x
	}
	out := State{Next: int(index)}
	if d > 0 {
		out.Vector = floats(d)
	}
	for i := range n {
		number, tokens, topic := next(), next(), next()
		if number != index-n+i || tokens > maxTokens || topic > math.MaxInt32 || i > 0 && int(topic) < out.topic() {
			return fmt.Errorf("dialog: turn %d of the state is number %d with %d tokens, topic %d after %d", i, number, tokens, topic, out.topic())
		}
		t := Turn{Index: int(number), Tokens: int(tokens), Topic: int(topic), Boundary: floats(1)[0]}
		t.Shift = next() == 1
		t.Vector = floats(d)
		out.Turns = append(out.Turns, t)
	}
	if bad != nil {
		return bad
	}
	*s = out
	return nil
}
