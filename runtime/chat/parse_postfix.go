package chat

import "strconv"

func (p *parser) postfix(e expr, start int) (expr, error) {
	var err error
	for n := 0; err == nil; n++ {
		switch p.cur().kind {
		case tokDot:
			e, err = p.attribute(e, start)
		case tokLBracket:
			e, err = p.subscript(e, start)
		case tokLParen:
			e, err = p.call(e, start)
		default:
			return e, nil
		}
		e, err = p.chain(e, err, n)
	}
	return nil, err
}

func (p *parser) attribute(e expr, start int) (expr, error) {
	p.next()
	t := p.next()
	switch t.kind {
	case tokName:
		return &attrExpr{span: p.from(start), e: e, name: t.text, key: t.text}, nil
	case tokInt:
		v, err := strconv.ParseInt(t.text, 10, 64)
		return &itemExpr{span: p.from(start), e: e, key: &constExpr{t.span, v}}, err
	}
	return nil, p.errorAt(t.span, "expected a name or a number after the dot, got %s", t.show())
}

func (p *parser) subscript(e expr, start int) (expr, error) {
	p.next()
	var keys []expr
	for p.cur().kind != tokRBracket {
		if len(keys) > 0 {
			if _, err := p.expect(tokComma); err != nil {
				return nil, err
			}
		}
		k, err := p.subscriptKey()
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	p.next()
	at := p.from(start)
	switch len(keys) {
	case 0:
		return nil, p.errorAt(at, "empty subscript")
	case 1:
		return &itemExpr{span: at, e: e, key: keys[0]}, nil
	}
	return &itemExpr{span: at, e: e, key: &listExpr{span: at, items: keys, kind: kindTuple}}, nil
}

// subscriptKey reads an index or start:stop:step.
func (p *parser) subscriptKey() (expr, error) {
	i := p.pos
	s := &sliceExpr{}
	var err error
	for n := range s.part {
		if n > 0 {
			p.next() // the colon
		}
		if k := p.cur().kind; k != tokColon && k != tokRBracket && k != tokComma {
			if s.part[n], err = p.expr(); err != nil {
				return nil, err
			}
		}
		if p.cur().kind != tokColon {
			if n == 0 {
				if s.part[0] == nil {
					return nil, p.errorf("expected an expression, got %s", p.cur().show())
				}
				return s.part[0], nil
			}
			break
		}
	}
	s.span = p.from(i)
	return s, nil
}

func (p *parser) call(e expr, start int) (expr, error) {
	c := &callExpr{fn: e}
	var err error
	if c.args, err = p.callArgs(); err != nil {
		return nil, err
	}
	c.span = p.from(start)
	return c, nil
}

// callArgs reads (a, b, *list, name=value, **dict).
func (p *parser) callArgs() (argList, error) {
	var a argList
	if _, err := p.expect(tokLParen); err != nil {
		return a, err
	}
	for first := true; p.cur().kind != tokRParen; first = false {
		if !first {
			if _, err := p.expect(tokComma); err != nil {
				return a, err
			}
			if p.cur().kind == tokRParen {
				break
			}
		}
		if err := p.callArg(&a); err != nil {
			return a, err
		}
	}
	p.next()
	return a, nil
}

func (p *parser) callArg(a *argList) error {
	var err error
	switch {
	case p.cur().kind == tokMul && a.star == nil && a.starStar == nil:
		p.next()
		a.star, err = p.expr()
	case p.cur().kind == tokPow && a.starStar == nil:
		p.next()
		a.starStar, err = p.expr()
	case p.cur().kind == tokName && p.peek().kind == tokAssign && a.starStar == nil:
		name := p.next().text
		p.next()
		var e expr
		e, err = p.expr()
		a.names, a.named = append(a.names, name), append(a.named, e)
	case len(a.named) > 0 || a.star != nil || a.starStar != nil:
		return p.errorf("positional argument after a named one")
	default:
		var e expr
		e, err = p.expr()
		a.pos = append(a.pos, e)
	}
	return err
}

func (p *parser) filtersAndTests(e expr, start int) (expr, error) {
	var err error
	for n := 0; err == nil; n++ {
		switch {
		case p.cur().kind == tokPipe:
			e, err = p.filter(e, start)
		case p.word("is"):
			e, err = p.test(e, start)
		case p.cur().kind == tokLParen: // x|filter(a)(b) calls the result
			e, err = p.call(e, start)
		default:
			return e, nil
		}
		e, err = p.chain(e, err, n)
	}
	return nil, err
}

func (p *parser) dottedName() (string, error) {
	t, err := p.expect(tokName)
	if err != nil {
		return "", err
	}
	name := t.text
	for p.cur().kind == tokDot {
		p.next()
		if t, err = p.expect(tokName); err != nil {
			return "", err
		}
		name += "." + t.text
	}
	return name, nil
}

func (p *parser) filter(e expr, start int) (expr, error) {
	p.next() // the bar
	return p.filterNamed(e, start)
}

func (p *parser) filterNamed(e expr, start int) (expr, error) {
	name, err := p.dottedName()
	if err != nil {
		return nil, err
	}
	f := &filterExpr{e: e, name: name, fn: filters[name]}
	if p.cur().kind == tokLParen {
		if f.args, err = p.callArgs(); err != nil {
			return nil, err
		}
	}
	f.span = p.from(start)
	return f, nil
}

// filterChain reads |a|b(…), the filters of a set block; e is nil there and
// stands for the block's text.
func (p *parser) filterChain(e expr) (expr, error) {
	var err error
	for start := p.pos; err == nil && p.cur().kind == tokPipe; {
		if e == nil {
			e = blockText
		}
		e, err = p.filter(e, start)
	}
	return e, err
}

// filterInline reads the filters of {% filter a|b %}.
func (p *parser) filterInline() (expr, error) {
	e, err := p.filterNamed(blockText, p.pos)
	if err != nil {
		return nil, err
	}
	return p.filterChain(e)
}

func (p *parser) test(e expr, start int) (expr, error) {
	p.next() // is
	t := &testExpr{e: e}
	t.not = p.skipWord("not")
	name, err := p.dottedName()
	if err != nil {
		return nil, err
	}
	t.name, t.fn = name, tests[name]
	switch k := p.cur().kind; {
	case k == tokLParen:
		if t.args, err = p.callArgs(); err != nil {
			return nil, err
		}
	case (k == tokName && !p.word("else", "or", "and", "is", "if", "recursive", "in", "not")) ||
		k == tokString || k == tokInt || k == tokFloat || k == tokLBracket || k == tokLBrace:
		i := p.pos
		arg, err := p.primary()
		if err == nil {
			arg, err = p.postfix(arg, i)
		}
		if err != nil {
			return nil, err
		}
		t.args.pos = []expr{arg}
	}
	t.span = p.from(start)
	return t, nil
}

// target reads what for, set and with assign to: names, tuples of them and,
// for set, an attribute of a namespace.
func (p *parser) target(attr bool) (target, error) {
	t := target{span: p.cur().span}
	first, err := p.oneTarget(attr)
	if err != nil {
		return t, err
	}
	if p.cur().kind != tokComma {
		return first, nil
	}
	t.parts = []target{first}
	for p.skip(tokComma) {
		if k := p.cur().kind; k == tokAssign || k == tokRParen || k == tokBlockEnd || p.word("in") {
			break
		}
		next, err := p.oneTarget(attr)
		if err != nil {
			return t, err
		}
		t.parts = append(t.parts, next)
	}
	return t, nil
}

func (p *parser) oneTarget(attr bool) (target, error) {
	t := target{span: p.cur().span}
	if p.skip(tokLParen) {
		if err := p.nest(); err != nil {
			return t, err
		}
		defer func() { p.depth-- }()
		t, err := p.target(attr)
		if err == nil {
			_, err = p.expect(tokRParen)
		}
		return t, err
	}
	name, err := p.expect(tokName)
	if err != nil {
		return t, err
	}
	switch name.text {
	case "true", "false", "none", "True", "False", "None":
		return t, p.errorAt(name.span, "cannot assign to %q", name.text)
	}
	if attr && p.skip(tokDot) {
		field, err := p.expect(tokName)
		if err != nil {
			return t, err
		}
		t.ns = &nameExpr{span: name.span, name: name.text, scope: p.scope}
		p.names = append(p.names, t.ns)
		t.attr = field.text
		return t, nil
	}
	t.slot = p.scope.declare(name.text)
	return t, nil
}
