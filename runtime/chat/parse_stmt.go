package chat

// stmts reads statements up to the end or to a tag named in until, whose name
// token is then the current one.
func (p *parser) stmts(until ...string) ([]stmt, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	var out []stmt
	for {
		switch p.cur().kind {
		case tokEOF:
			if len(until) > 0 {
				return nil, p.errorf("template ends where %q was expected", until[len(until)-1])
			}
			return out, nil
		case tokData:
			out = append(out, dataStmt(p.next().text))
		case tokVarBegin:
			s, err := p.printStmt()
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		default: // tokBlockBegin
			p.next()
			if len(until) > 0 && p.word(until...) {
				return out, nil
			}
			s, err := p.tag()
			if err != nil {
				return nil, err
			}
			if s != nil {
				out = append(out, s)
			}
		}
	}
}

func (p *parser) printStmt() (stmt, error) {
	p.next()
	i := p.pos
	e, err := p.tuple(tupleOpts{cond: true})
	if err != nil {
		return nil, err
	}
	s := &printStmt{span: p.from(i), e: e}
	_, err = p.expect(tokVarEnd)
	return s, err
}

// tag reads one {% … %} after its opening bracket, with its body.
func (p *parser) tag() (stmt, error) {
	name, err := p.expect(tokName)
	if err != nil {
		return nil, err
	}
	start := p.pos - 1
	p.tags = append(p.tags, name.text)
	s, err := p.tagBody(name.text, start)
	if err == nil {
		_, err = p.expect(tokBlockEnd)
	}
	if err != nil {
		return nil, err
	}
	p.tags = p.tags[:len(p.tags)-1]
	return s, nil
}

func (p *parser) tagBody(name string, start int) (stmt, error) {
	switch name {
	case "if":
		return p.ifTag(start)
	case "for":
		return p.forTag(start)
	case "set":
		return p.setTag(start)
	case "macro":
		return p.macroTag(start)
	case "call":
		return p.callTag(start)
	case "filter":
		return p.filterTag(start)
	case "with":
		return p.withTag(start)
	case "generation":
		return p.generationTag()
	case "break", "continue":
		if p.loops == 0 {
			return nil, p.errorAt(p.from(start), "%s outside of a loop", name)
		}
		if name == "break" {
			return jumpStmt(ctrlBreak), nil
		}
		return jumpStmt(ctrlContinue), nil
	case "include", "extends", "import", "from", "block":
		return nil, p.errorAt(p.from(start), "tag %q is refused: a chat template stands alone", name)
	}
	return nil, p.errorAt(p.from(start), "unknown tag %q", name)
}

// body reads the rest of the opening tag and the statements up to until.
func (p *parser) body(until ...string) ([]stmt, error) {
	if _, err := p.expect(tokBlockEnd); err != nil {
		return nil, err
	}
	return p.stmts(until...)
}

func (p *parser) ifTag(start int) (stmt, error) {
	s := &ifStmt{}
	for {
		i := p.pos
		test, err := p.tuple(tupleOpts{})
		if err != nil {
			return nil, err
		}
		b := branch{span: p.from(i), test: test}
		if b.body, err = p.body("elif", "else", "endif"); err != nil {
			return nil, err
		}
		s.branches = append(s.branches, b)
		switch p.next().text {
		case "elif":
			continue
		case "else":
			if s.orElse, err = p.body("endif"); err != nil {
				return nil, err
			}
			p.next()
		}
		return s, nil
	}
}

func (p *parser) forTag(start int) (stmt, error) {
	s := &forStmt{span: p.toks[start].span}
	targetAt := p.pos
	if err := p.skipTarget(); err != nil {
		return nil, err
	}
	if err := p.expectWord("in"); err != nil {
		return nil, err
	}
	var err error
	if s.iter, err = p.tuple(tupleOpts{stop: "recursive"}); err != nil {
		return nil, err
	}
	iterEnd := p.pos
	recursive := p.findRecursive()
	if recursive {
		s.fn = &function{}
	}
	p.loops++
	s.scope, err = p.inScope(s.fn, func(sc *scope) error {
		s.loopSlot = sc.declare("loop")
		p.pos = targetAt
		if s.target, err = p.target(false); err != nil {
			return err
		}
		p.pos = iterEnd
		if p.skipWord("if") {
			if s.test, err = p.expr(); err != nil {
				return err
			}
		}
		p.skipWord("recursive")
		s.span = p.from(start)
		s.body, err = p.body("endfor", "else")
		return err
	})
	p.loops--
	if err != nil {
		return nil, err
	}
	if p.next().text == "else" {
		s.elseScope, err = p.inScope(nil, func(*scope) error {
			s.orElse, err = p.body("endfor")
			return err
		})
		p.next()
	}
	return s, err
}

// findRecursive looks for the word recursive at the end of the tag.
func (p *parser) findRecursive() bool {
	for i := p.pos; i < len(p.toks); i++ {
		if k := p.toks[i].kind; k == tokBlockEnd || k == tokEOF {
			return i > 0 && p.toks[i-1].kind == tokName && p.toks[i-1].text == "recursive"
		}
	}
	return false
}

// skipTarget moves behind a loop target, which is parsed again in its scope.
func (p *parser) skipTarget() error {
	for depth := 0; ; p.next() {
		switch p.cur().kind {
		case tokLParen:
			depth++
		case tokRParen:
			depth--
		case tokComma:
		case tokName:
			if depth == 0 && p.word("in") && p.toks[p.pos-1].kind != tokComma {
				return nil
			}
		default:
			return p.errorf("unexpected %s in a loop's target", p.cur().show())
		}
	}
}

func (p *parser) setTag(start int) (stmt, error) {
	target, err := p.target(true)
	if err != nil {
		return nil, err
	}
	if p.skip(tokAssign) {
		e, err := p.tuple(tupleOpts{cond: true})
		return &setStmt{span: p.from(start), target: target, e: e}, err
	}
	s := &setBlock{target: target}
	if s.filters, err = p.filterChain(nil); err != nil {
		return nil, err
	}
	s.span = p.from(start)
	s.scope, err = p.inScope(nil, func(*scope) error {
		s.body, err = p.body("endset")
		return err
	})
	p.next()
	return s, err
}

func (p *parser) filterTag(start int) (stmt, error) {
	f, err := p.filterInline()
	if err != nil {
		return nil, err
	}
	s := &filterStmt{span: p.from(start), filters: f}
	s.scope, err = p.inScope(nil, func(*scope) error {
		s.body, err = p.body("endfilter")
		return err
	})
	p.next()
	return s, err
}

func (p *parser) withTag(start int) (stmt, error) {
	s := &withStmt{}
	var targets []target
	_, err := p.inScope(nil, func(sc *scope) error {
		s.scope = sc
		for p.cur().kind != tokBlockEnd {
			if len(s.values) > 0 {
				if _, err := p.expect(tokComma); err != nil {
					return err
				}
			}
			tg, err := p.target(false)
			if err != nil {
				return err
			}
			if _, err := p.expect(tokAssign); err != nil {
				return err
			}
			p.scope = sc.up // values are read outside
			e, err := p.expr()
			p.scope = sc
			if err != nil {
				return err
			}
			targets, s.values = append(targets, tg), append(s.values, e)
		}
		s.targets, s.span = targets, p.from(start)
		var err error
		s.body, err = p.body("endwith")
		return err
	})
	p.next()
	return s, err
}

func (p *parser) generationTag() (stmt, error) {
	s := &scopeStmt{}
	var err error
	s.scope, err = p.inScope(nil, func(*scope) error {
		s.body, err = p.body("endgeneration")
		return err
	})
	p.next()
	return s, err
}
