package chat

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Options set how a template is parsed and rendered. The zero value is
// Python's jinja2 as transformers configures it.
type Options struct {
	Limits  Limits
	Dialect Dialect
	// Now gives strftime_now its time; nil means time.Now.
	Now func() time.Time
}

// Template is a parsed template. It does not change after Parse; any number of
// goroutines may render it.
type Template struct {
	name    string
	src     string
	body    []stmt
	main    function
	lim     Limits
	dialect Dialect
	now     func() time.Time
	caps    capsOnce
}

// Parse reads a template as transformers' jinja2 would. name is used in error
// texts.
func Parse(name, src string) (*Template, error) {
	return ParseWith(name, src, Options{})
}

// ParseWith is Parse with options.
func ParseWith(name, src string, o Options) (*Template, error) {
	t := &Template{name: name, lim: o.Limits, dialect: o.Dialect, now: o.Now}
	if t.now == nil {
		t.now = time.Now
	}
	if len(src) > maxSource {
		return nil, &Error{Template: name, Line: 1, Err: fmt.Errorf("template of %d bytes is longer than %d: %w", len(src), maxSource, ErrLimit)}
	}
	t.src = normalizeNewlines(src)
	if err := t.parse(); err != nil {
		var s *syntaxError
		if errors.As(err, &s) {
			return nil, &Error{Template: name, Line: int(s.at.line), Expr: snippet(t.src, s.at), Err: s.err}
		}
		return nil, err
	}
	return t, nil
}

// Source returns the template's text.
func (t *Template) Source() string { return t.src }

// Name returns the name given to Parse.
func (t *Template) Name() string { return t.name }

func (t *Template) parse() error {
	toks, err := lex(t.src)
	if err != nil {
		return err
	}
	p := &parser{t: t, toks: toks, scope: &scope{fn: &t.main}}
	body, err := p.stmts()
	if err != nil {
		return err
	}
	if p.cur().kind != tokEOF {
		return p.errorf("unexpected %s", p.cur().show())
	}
	t.body = body
	for _, n := range p.names {
		n.refs = n.scope.resolve(n.name)
	}
	return nil
}

type parser struct {
	t     *Template
	toks  []token
	pos   int
	depth int
	scope *scope
	names []*nameExpr
	loops int      // loops around the current tag, for break and continue
	tags  []string // open tags, for error texts
}

func (p *parser) cur() *token { return &p.toks[p.pos] }

func (p *parser) peek() *token { return &p.toks[min(p.pos+1, len(p.toks)-1)] }

func (p *parser) next() *token {
	t := &p.toks[p.pos]
	if p.pos < len(p.toks)-1 {
		p.pos++
	}
	return t
}

func (p *parser) skip(k tokenKind) bool {
	if p.cur().kind == k {
		p.next()
		return true
	}
	return false
}

// word reports whether the current token is one of the given names.
func (p *parser) word(names ...string) bool {
	if p.cur().kind != tokName {
		return false
	}
	for _, n := range names {
		if p.cur().text == n {
			return true
		}
	}
	return false
}

func (p *parser) skipWord(name string) bool {
	if p.word(name) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(k tokenKind) (*token, error) {
	if p.cur().kind != k {
		return nil, p.errorf("expected %s, got %s", k, p.cur().show())
	}
	return p.next(), nil
}

func (p *parser) expectWord(name string) error {
	if !p.skipWord(name) {
		return p.errorf("expected %q, got %s", name, p.cur().show())
	}
	return nil
}

func (t *token) show() string {
	switch t.kind {
	case tokName, tokInt, tokFloat:
		return fmt.Sprintf("%q", t.text)
	case tokString:
		return "a string"
	}
	return fmt.Sprintf("%q", t.kind.String())
}

func (p *parser) errorf(format string, a ...any) error {
	return p.errorAt(p.cur().span, format, a...)
}

func (p *parser) errorAt(at span, format string, a ...any) error {
	err := fmt.Errorf(format, a...)
	if len(p.tags) > 0 {
		err = fmt.Errorf("%w (inside %s)", err, strings.Join(p.tags[max(0, len(p.tags)-3):], ", "))
	}
	return &syntaxError{at, err}
}

// nest guards the recursion of the parser and of everything that later walks
// the tree.
func (p *parser) nest() error {
	p.depth++
	if p.depth > maxNest {
		return p.errorf("nested deeper than %d: %w", maxNest, ErrLimit)
	}
	return nil
}

// from is the span from the token at index i to the last one read.
func (p *parser) from(i int) span {
	first, last := p.toks[i].span, p.toks[max(i, p.pos-1)].span
	return span{first.line, first.lo, last.hi}
}

// inScope runs f in a new scope of the same function, or of a new one.
func (p *parser) inScope(fn *function, f func(*scope) error) (*scope, error) {
	if fn == nil {
		fn = p.scope.fn
	}
	s := &scope{fn: fn, up: p.scope}
	p.scope = s
	defer func() { p.scope = s.up }()
	return s, f(s)
}
