package grammar

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	maxDigits   = 15   // before the point, and after it, where nothing says otherwise
	boundDigits = 40   // of a bound
	maxResidues = 5000 // of multipleOf
)

var (
	digits   = class(runeRange{'0', '9'})
	nonZero  = class(runeRange{'1', '9'})
	whole    = alt(lit("0"), seq(nonZero, repeat(digits, 0, maxDigits-1)))
	fraction = seq(lit("."), repeat(digits, 1, maxDigits))
	exponent = seq(class(runeRange{'E', 'E'}, runeRange{'e', 'e'}), alt(empty, class(runeRange{'+', '+'}, runeRange{'-', '-'})), repeat(digits, 1, 2))
	anyInt   = alt(lit("0"), seq(alt(empty, lit("-")), nonZero, repeat(digits, 0, maxDigits-1)))
	anyFloat = seq(alt(empty, lit("-")), whole, alt(empty, fraction), alt(empty, exponent))
)

// number makes the numbers that satisfy all schemas.
func (b *schemaBuilder) number(flat []*jsonschema.Schema, integer bool) *node {
	lo, hi, step := numbers(flat)
	if lo.Rat == nil && hi.Rat == nil && step == nil {
		if integer {
			return anyInt
		}
		return anyFloat
	}
	at := pointer(flat[len(flat)-1])
	if integer && step != nil {
		step = lcm(step, big.NewRat(1, 1))
	}
	var out []*node
	zero := new(big.Rat)
	if hi.Rat == nil || hi.Sign() >= 0 {
		low := lo
		if low.Rat == nil || low.Sign() < 0 {
			low = rat{zero, false}
		}
		out = append(out, b.magnitude(low, hi, step, integer, at))
	}
	if lo.Rat == nil || lo.Sign() < 0 { // mirrored, without -0
		low, high := rat{zero, true}, rat{nil, lo.excl}
		if hi.Rat != nil && hi.Sign() < 0 {
			low = rat{new(big.Rat).Neg(hi.Rat), hi.excl}
		}
		if lo.Rat != nil {
			high.Rat = new(big.Rat).Neg(lo.Rat)
		}
		out = append(out, seq(lit("-"), b.magnitude(low, high, step, integer, at)))
	}
	return alt(out...)
}

// bound is a decimal number that digits are compared with.
type bound struct {
	whole, frac string
	excl        bool
	none        bool
}

func newBound(r rat, at string) bound {
	if r.Rat == nil {
		return bound{none: true}
	}
	prec, exact := r.FloatPrec()
	if !exact || prec > boundDigits {
		panic(&SchemaError{at, fmt.Sprintf("a bound with more than %d decimals", boundDigits)})
	}
	w, f, _ := strings.Cut(r.FloatString(prec), ".")
	if len(w) > boundDigits {
		panic(&SchemaError{at, fmt.Sprintf("a bound with more than %d digits", boundDigits)})
	}
	return bound{whole: w, frac: f, excl: r.excl}
}

// decimals builds the automaton of the numbers from lo to hi that are
// multiples of step, all not negative.
type decimals struct {
	lo, hi  bound
	residue int64 // step in units of the last decimal; 0: any
	frac    int   // most decimals
	g       *graph
	index   map[digitState]int
	todo    []digitState
}

// digitState is where a number is: left digits before the point are still to
// come (-1: the point is past), done decimals are past; whether all digits so
// far are those of lo and hi, and the value so far modulo the residue.
type digitState struct {
	left, done int
	low, high  bool
	mod        int64
}

func (b *schemaBuilder) magnitude(lo, hi rat, step *big.Rat, integer bool, at string) *node {
	d := &decimals{lo: newBound(lo, at), hi: newBound(hi, at), g: &graph{}, index: map[digitState]int{}, frac: maxDigits}
	if integer {
		d.frac = 0
	}
	if step != nil {
		prec, exact := step.FloatPrec()
		scaled := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(prec)), nil)
		scaled.Mul(scaled, step.Num()).Div(scaled, step.Denom())
		if !exact || prec > boundDigits || scaled.Cmp(big.NewInt(maxResidues)) > 0 {
			panic(&SchemaError{at, fmt.Sprintf("multipleOf with more than %d residues", maxResidues)})
		}
		d.frac, d.residue = prec, scaled.Int64()
	}
	longest := max(maxDigits, len(d.lo.whole)+1)
	if !d.hi.none {
		longest = len(d.hi.whole)
	}
	start := d.g.state(false)
	for n := len(d.lo.whole); n <= longest; n++ {
		s := digitState{left: n, low: n == len(d.lo.whole), high: !d.hi.none && n == longest}
		for c := byte('0'); c <= '9'; c++ {
			if next, ok := d.next(s, c); ok && (c != '0' || n == 1) {
				d.g.edge(start, d.state(next), lit(string(c)))
			}
		}
	}
	for i := 0; i < len(d.todo); i++ {
		s := d.todo[i]
		from := d.index[s]
		if s.left == 0 {
			if d.frac > 0 {
				t := s
				t.left = -1
				d.g.edge(from, d.state(t), lit("."))
			}
			continue
		}
		for c := byte('0'); c <= '9'; c++ {
			if next, ok := d.next(s, c); ok {
				d.g.edge(from, d.state(next), lit(string(c)))
			}
		}
		if len(d.todo) > b.limits.States {
			panic(&LimitError{"states", b.limits.States})
		}
	}
	return graphNode(d.g)
}

func (d *decimals) state(s digitState) int {
	n, ok := d.index[s]
	if !ok {
		n = d.g.state((s.left == 0 || s.left < 0 && s.done > 0) && d.ends(s))
		d.index[s] = n
		d.todo = append(d.todo, s)
	}
	return n
}

// next takes a digit.
func (d *decimals) next(s digitState, c byte) (digitState, bool) {
	digit := func(b bound) byte {
		switch {
		case s.left > 0:
			return b.whole[len(b.whole)-s.left]
		case s.done < len(b.frac):
			return b.frac[s.done]
		}
		return '0'
	}
	if s.low {
		x := digit(d.lo)
		if c < x {
			return s, false
		}
		s.low = c == x
	}
	if s.high {
		x := digit(d.hi)
		if c > x {
			return s, false
		}
		s.high = c == x
	}
	if s.left > 0 {
		s.left--
	} else if s.done++; s.done > d.frac {
		return s, false
	}
	if d.residue > 0 {
		s.mod = (10*s.mod + int64(c-'0')) % d.residue
	}
	return s, true
}

// ends tells whether the number may end at s.
func (d *decimals) ends(s digitState) bool {
	rest := func(b bound) bool { return strings.Trim(b.frac[min(s.done, len(b.frac)):], "0") != "" }
	if s.low && (rest(d.lo) || d.lo.excl) {
		return false
	}
	if s.high && !rest(d.hi) && d.hi.excl {
		return false
	}
	if d.residue > 0 {
		m := s.mod
		for range d.frac - s.done {
			m = 10 * m % d.residue
		}
		return m == 0
	}
	return true
}
