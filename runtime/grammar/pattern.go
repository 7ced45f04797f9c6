package grammar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// patternDFA makes the automaton of the strings in which a regular expression
// (RE2 syntax) matches somewhere. Word boundaries and (?m) are refused. A dot
// leaves out every line end of ECMAScript, so that what is generated matches
// there too.
func patternDFA(pattern string, limit int) (*runeDFA, error) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, err
	}
	for _, in := range prog.Inst {
		if in.Op == syntax.InstEmptyWidth && syntax.EmptyOp(in.Arg)&^(syntax.EmptyBeginText|syntax.EmptyEndText) != 0 {
			return nil, errors.New("word boundaries and line anchors are not supported")
		}
	}
	p := &patternBuilder{prog: prog, d: &runeDFA{}, index: map[string]int{}, mark: make([]int, len(prog.Inst)), limit: limit}
	p.state([]uint32{uint32(prog.Start)}, true)
	for i := 0; i < len(p.sets); i++ {
		if err := p.edges(i); err != nil {
			return nil, err
		}
	}
	return p.d.trim(), nil
}

// patternBuilder is the subset construction over a compiled expression.
type patternBuilder struct {
	prog  *syntax.Prog
	d     *runeDFA
	index map[string]int
	sets  [][]uint32 // by state: instructions that take a code point; nil: matched, all follows
	mark  []int
	round int
	limit int
	work  int
}

// state returns the state of what can be reached from seeds, begin telling
// that nothing was taken before.
func (p *patternBuilder) state(seeds []uint32, begin bool) int {
	set, matched, end := p.closure(seeds, begin, false)
	if !matched && end {
		_, matched, _ = p.closure(seeds, begin, true)
		return p.add(set, matched, "e")
	}
	if matched {
		return p.add(nil, true, "m")
	}
	return p.add(set, false, "e")
}

func (p *patternBuilder) add(set []uint32, accept bool, tag string) int {
	key := []byte(tag)
	if accept {
		key = append(key, '+')
	}
	for _, s := range set {
		key = binary.LittleEndian.AppendUint32(key, s)
	}
	i, ok := p.index[string(key)]
	if !ok {
		i = len(p.sets)
		p.index[string(key)] = i
		if tag == "m" {
			set = nil
		} else if set == nil {
			set = []uint32{}
		}
		p.sets = append(p.sets, set)
		p.d.accept = append(p.d.accept, accept)
	}
	return i
}

// closure follows what takes nothing; end tells that the text ends here.
func (p *patternBuilder) closure(seeds []uint32, begin, end bool) (set []uint32, matched, wantsEnd bool) {
	p.round++
	todo := slices.Clone(seeds)
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if p.mark[i] == p.round {
			continue
		}
		p.mark[i] = p.round
		p.work++
		switch in := &p.prog.Inst[i]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, in.Out)
		case syntax.InstEmptyWidth:
			op := syntax.EmptyOp(in.Arg)
			if op&syntax.EmptyBeginText != 0 && !begin {
				continue
			}
			if op&syntax.EmptyEndText != 0 && !end {
				wantsEnd = true
				continue
			}
			todo = append(todo, in.Out)
		case syntax.InstMatch:
			matched = true
		case syntax.InstFail:
		default:
			set = append(set, i)
		}
	}
	slices.Sort(set)
	return set, matched, wantsEnd
}

// edges adds the edges of state i.
func (p *patternBuilder) edges(i int) error {
	set := p.sets[i]
	if set == nil {
		p.d.edges = append(p.d.edges, []runeEdge{{anyRune[0], i}})
		return nil
	}
	cuts := []rune{0, utf8.MaxRune + 1}
	ranges := make([][]runeRange, len(set))
	for k, s := range set {
		ranges[k] = instRanges(&p.prog.Inst[s])
		for _, r := range ranges[k] {
			cuts = append(cuts, r.lo, r.hi+1)
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	at := make([]int, len(set)) // the range of each that may hold the next cut
	var out []runeEdge
	var seeds []uint32
	for c := range len(cuts) - 1 {
		lo, hi := cuts[c], cuts[c+1]-1
		seeds = append(seeds[:0], uint32(p.prog.Start)) // a match may begin anywhere
		for k, s := range set {
			for at[k] < len(ranges[k]) && ranges[k][at[k]].hi < lo {
				at[k]++
			}
			if at[k] < len(ranges[k]) && ranges[k][at[k]].lo <= lo {
				seeds = append(seeds, p.prog.Inst[s].Out)
			}
		}
		to := p.state(seeds, false)
		if n := len(out); n > 0 && out[n-1].to == to {
			out[n-1].hi = hi
		} else {
			out = append(out, runeEdge{runeRange{lo, hi}, to})
		}
		if p.work += len(set); len(p.sets) > p.limit || p.work > maxWork {
			return fmt.Errorf("the pattern needs more than %d states", p.limit)
		}
	}
	p.d.edges = append(p.d.edges, out)
	return nil
}

// instRanges are the code points that an instruction takes.
func instRanges(in *syntax.Inst) []runeRange {
	switch in.Op {
	case syntax.InstRuneAny:
		return anyRune
	case syntax.InstRuneAnyNotNL:
		return otherRanges([]runeRange{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}})
	}
	var out []runeRange
	if len(in.Rune) == 1 {
		r := in.Rune[0]
		out = append(out, runeRange{r, r})
		if syntax.Flags(in.Arg)&syntax.FoldCase != 0 {
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				out = append(out, runeRange{f, f})
			}
		}
	}
	for i := 0; i+1 < len(in.Rune); i += 2 {
		out = append(out, runeRange{in.Rune[i], in.Rune[i+1]})
	}
	return normalRanges(out)
}
