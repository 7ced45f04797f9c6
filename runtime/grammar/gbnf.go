package grammar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SyntaxError is a fault in the text of a grammar.
type SyntaxError struct {
	Line, Column int // from 1; columns count bytes
	Err          string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("grammar: line %d, column %d: %s", e.Line, e.Column, e.Err)
}

// maxRepeat is the largest number in braces.
const maxRepeat = 1 << 20

// ParseGBNF reads a grammar in GBNF: rules "name ::= …" with "literals",
// [classes], [^classes], any character (.), (groups), alternatives (|) and
// the repetitions * + ? {m} {m,} {,n} {m,n}; # starts a comment. A rule ends
// at the line's end, except inside parentheses and around |. The text that
// matches the rule root is what the grammar allows.
//
// Left recursion, names without a rule and a root that no finite text
// matches are errors.
func ParseGBNF(text string, l Limits) (*Grammar, error) {
	l = l.filled()
	rules, root, err := gbnfRules(text, l)
	if err != nil {
		return nil, err
	}
	return link(rules, root, l)
}

// gbnfRules reads the rules and the number of the one that is called root.
func gbnfRules(text string, l Limits) ([]rule, int, error) {
	p := &gbnf{src: text, limits: l, index: map[string]int{}, uses: map[string]int{}}
	if len(text) > l.Bytes {
		return nil, 0, &LimitError{"bytes of text", l.Bytes}
	}
	if !utf8.ValidString(text) {
		return nil, 0, &SyntaxError{1, 1, "the text is no UTF-8"}
	}
	if err := p.parse(); err != nil {
		return nil, 0, err
	}
	return p.rules, p.index["root"], nil
}

// gbnf is the parser's state.
type gbnf struct {
	src    string
	at     int
	depth  int
	limits Limits
	rules  []rule
	index  map[string]int // by name, for those named so far
	uses   map[string]int // where a name was first used
}

// parse reads all rules. Faults are panics of *SyntaxError or *LimitError,
// which come out here.
func (p *gbnf) parse() (err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *SyntaxError:
			err = e
		case *LimitError:
			err = e
		default:
			panic(e)
		}
	}()
	p.space(true)
	for p.at < len(p.src) {
		p.ruleLine()
		p.space(true)
	}
	var missing []string
	for name, i := range p.index {
		if p.rules[i].body == nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		first := slices.MinFunc(missing, func(a, b string) int { return p.uses[a] - p.uses[b] })
		p.at = p.uses[first]
		p.fail("no rule %s", first)
	}
	if _, ok := p.index["root"]; !ok {
		p.fail("no rule root")
	}
	return nil
}

func (p *gbnf) fail(format string, args ...any) {
	before := p.src[:p.at]
	panic(&SyntaxError{1 + strings.Count(before, "\n"), p.at - strings.LastIndexByte(before, '\n'), fmt.Sprintf(format, args...)})
}

func (p *gbnf) peek() byte {
	if p.at < len(p.src) {
		return p.src[p.at]
	}
	return 0
}

// space skips blanks and comments, line ends too if lines.
func (p *gbnf) space(lines bool) {
	for p.at < len(p.src) {
		switch c := p.src[p.at]; {
		case c == ' ', c == '\t':
		case lines && (c == '\r' || c == '\n'):
		case c == '#':
			for p.at < len(p.src) && p.src[p.at] != '\n' && p.src[p.at] != '\r' {
				p.at++
			}
			continue
		default:
			return
		}
		p.at++
	}
}

func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func (p *gbnf) name() string {
	start := p.at
	for isName(p.peek()) {
		p.at++
	}
	if p.at == start {
		p.at = start
		p.fail("expected a name")
	}
	return p.src[start:p.at]
}

// ruleOf returns the index of a rule, which is made at its first use.
func (p *gbnf) ruleOf(name string, at int) int {
	i, ok := p.index[name]
	if !ok {
		if i = len(p.rules); i >= p.limits.Rules {
			panic(&LimitError{"rules", p.limits.Rules})
		}
		p.index[name] = i
		p.uses[name] = at
		p.rules = append(p.rules, rule{name: name})
	}
	return i
}

func (p *gbnf) ruleLine() {
	start := p.at
	name := p.name()
	i := p.ruleOf(name, start)
	if p.rules[i].body != nil {
		p.at = start
		p.fail("a second rule %s", name)
	}
	p.space(false)
	if !strings.HasPrefix(p.src[p.at:], "::=") {
		p.fail("expected ::= after the name %s", name)
	}
	p.at += 3
	p.space(true)
	body := p.alternatives(false)
	p.rules[i].body = body
	if c := p.peek(); p.at < len(p.src) && c != '\n' && c != '\r' {
		p.fail("unexpected %q", c)
	}
}

func (p *gbnf) alternatives(nested bool) *node {
	var all []*node
	for {
		all = append(all, p.sequence(nested))
		at := p.at
		p.space(true)
		if p.peek() != '|' {
			if !nested {
				p.at = at // the line end closes the rule
			}
			return alt(all...)
		}
		p.at++
		p.space(true)
	}
}

func (p *gbnf) sequence(nested bool) *node {
	var all []*node
	for {
		n := p.item(nested)
		if n == nil {
			break
		}
		all = append(all, p.repetition(n))
		p.space(nested)
	}
	if len(all) == 0 {
		return empty
	}
	return seq(all...)
}

// item reads what a repetition may follow; nil where the sequence ends.
func (p *gbnf) item(nested bool) *node {
	switch c := p.peek(); {
	case c == '"':
		return p.literal()
	case c == '[':
		return p.class()
	case c == '.':
		p.at++
		return class(otherRanges(nil)...)
	case c == '(':
		if p.depth++; p.depth > p.limits.Depth {
			panic(&LimitError{"nested groups", p.limits.Depth})
		}
		p.at++
		p.space(true)
		n := p.alternatives(true)
		if p.peek() != ')' {
			p.fail("expected )")
		}
		p.at++
		p.depth--
		return n
	case isName(c):
		at := p.at
		name := p.name()
		if nested || p.at < len(p.src) {
			end := p.at
			p.space(false)
			if strings.HasPrefix(p.src[p.at:], "::=") {
				p.fail("a rule begins inside another")
			}
			p.at = end
		}
		return ref(p.ruleOf(name, at))
	case c == '<' || c == '!':
		p.fail("token references are not supported")
	case c == '*' || c == '+' || c == '?' || c == '{':
		p.fail("%q repeats nothing", c)
	}
	return nil
}

func (p *gbnf) repetition(n *node) *node {
	for {
		p.space(false)
		lo, hi := 0, -1
		switch p.peek() {
		case '*':
		case '+':
			lo = 1
		case '?':
			hi = 1
		case '{':
			lo, hi = p.braces()
		default:
			return n
		}
		p.at++
		if p.depth++; p.depth > p.limits.Depth {
			panic(&LimitError{"nested groups", p.limits.Depth})
		}
		defer func() { p.depth-- }()
		n = repeat(n, lo, hi)
	}
}

// braces reads {m}, {m,}, {,n} or {m,n} up to the closing brace.
func (p *gbnf) braces() (lo, hi int) {
	start := p.at
	end := strings.IndexByte(p.src[p.at:], '}')
	if end < 0 {
		p.fail("{ without }")
	}
	body := p.src[p.at+1 : p.at+end]
	p.at += end
	first, last, comma := strings.Cut(body, ",")
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	number := func(s string) int {
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil || n > maxRepeat {
			p.at = start
			p.fail("{%s} is not {m}, {m,}, {,n} or {m,n} with numbers up to %d", body, maxRepeat)
		}
		return int(n)
	}
	hi = -1
	switch {
	case !comma:
		lo = number(first)
		return lo, lo
	case first != "":
		lo = number(first)
	case last == "":
		number("")
	}
	if last != "" {
		if hi = number(last); hi < lo {
			p.at = start
			p.fail("{%s}: %d is less than %d", body, hi, lo)
		}
	}
	return lo, hi
}

func (p *gbnf) literal() *node {
	start := p.at
	p.at++
	var b []byte
	for p.peek() != '"' {
		if p.at >= len(p.src) || p.peek() == '\n' {
			p.at = start
			p.fail("the literal does not end")
		}
		b = utf8.AppendRune(b, p.char())
	}
	p.at++
	return lit(string(b))
}

func (p *gbnf) class() *node {
	start := p.at
	p.at++
	not := p.peek() == '^'
	if not {
		p.at++
	}
	var r []runeRange
	for p.peek() != ']' {
		if p.at >= len(p.src) || p.peek() == '\n' {
			p.at = start
			p.fail("the class does not end")
		}
		lo := p.char()
		hi := lo
		if p.peek() == '-' && !strings.HasPrefix(p.src[p.at:], "-]") && p.at+1 < len(p.src) && p.src[p.at+1] != '\n' {
			p.at++
			if hi = p.char(); hi < lo {
				p.fail("the range ends below its start")
			}
		}
		r = append(r, runeRange{lo, hi})
	}
	p.at++
	r = normalRanges(r)
	if not {
		r = otherRanges(r)
	}
	return class(r...)
}

// char reads one code point, escaped or not.
func (p *gbnf) char() rune {
	r, n := utf8.DecodeRuneInString(p.src[p.at:])
	if r != '\\' {
		p.at += n
		return r
	}
	p.at++
	digits := 0
	switch c := p.peek(); c {
	case 'n':
		r = '\n'
	case 'r':
		r = '\r'
	case 't':
		r = '\t'
	case '\\', '"', '[', ']', '-', '^', '/', '\'':
		r = rune(c)
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		p.fail("unknown escape \\%c", c)
	}
	p.at++
	if digits == 0 {
		return r
	}
	if p.at+digits > len(p.src) {
		p.fail("%d hexadecimal digits expected", digits)
	}
	v, err := strconv.ParseUint(p.src[p.at:p.at+digits], 16, 32)
	if err != nil || !utf8.ValidRune(rune(v)) || v > utf8.MaxRune {
		p.fail("%q is not the hexadecimal number of a character", p.src[p.at:p.at+digits])
	}
	p.at += digits
	return rune(v)
}
