package chat

import "strconv"

// expr reads a whole expression, inline if included.
func (p *parser) expr() (expr, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	i := p.pos
	e, err := p.or()
	for err == nil && p.skipWord("if") {
		c := &condExpr{then: e}
		if c.test, err = p.or(); err != nil {
			return nil, err
		}
		if p.skipWord("else") {
			if c.orElse, err = p.expr(); err != nil {
				return nil, err
			}
		}
		c.span = p.from(i)
		e = c
	}
	return e, err
}

func (p *parser) or() (expr, error) {
	i := p.pos
	e, err := p.and()
	for n := 0; err == nil && p.skipWord("or"); n++ {
		b := &orExpr{a: e}
		b.b, err = p.and()
		b.span = p.from(i)
		e, err = p.chain(b, err, n)
	}
	return e, err
}

func (p *parser) and() (expr, error) {
	i := p.pos
	e, err := p.not()
	for n := 0; err == nil && p.skipWord("and"); n++ {
		b := &andExpr{a: e}
		b.b, err = p.not()
		b.span = p.from(i)
		e, err = p.chain(b, err, n)
	}
	return e, err
}

// maxChain bounds a + b + c …: each operator makes the tree one deeper.
const maxChain = 2000

func (p *parser) chain(e expr, err error, n int) (expr, error) {
	if err == nil && n >= maxChain {
		err = p.errorf("more than %d operators in a row: %w", maxChain, ErrLimit)
	}
	return e, err
}

func (p *parser) not() (expr, error) {
	i := p.pos
	if !p.skipWord("not") {
		return p.compare()
	}
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	e, err := p.not()
	return &notExpr{span: p.from(i), e: e}, err
}

func (p *parser) compare() (expr, error) {
	i := p.pos
	e, err := p.sum()
	if err != nil {
		return nil, err
	}
	var ops []compareOp
	for {
		op := compareOp{kind: p.cur().kind}
		switch {
		case op.kind >= tokEq && op.kind <= tokGe:
			p.next()
		case p.word("in"):
			p.next()
			op.kind = opIn
		case p.word("not") && p.peek().kind == tokName && p.peek().text == "in":
			p.next()
			p.next()
			op.kind = opNotIn
		default:
			if len(ops) == 0 {
				return e, nil
			}
			return &compareExpr{span: p.from(i), a: e, ops: ops}, nil
		}
		if op.b, err = p.sum(); err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
}

func (p *parser) sum() (expr, error) {
	return p.leftAssoc((*parser).concat, tokAdd, tokSub)
}

func (p *parser) concat() (expr, error) {
	i := p.pos
	e, err := p.product()
	if err != nil || p.cur().kind != tokTilde {
		return e, err
	}
	c := &concatExpr{parts: []expr{e}}
	for p.skip(tokTilde) {
		if e, err = p.product(); err != nil {
			return nil, err
		}
		c.parts = append(c.parts, e)
	}
	c.span = p.from(i)
	return c, nil
}

func (p *parser) product() (expr, error) {
	return p.leftAssoc((*parser).power, tokMul, tokDiv, tokFloorDiv, tokMod)
}

func (p *parser) power() (expr, error) {
	return p.leftAssoc(func(p *parser) (expr, error) { return p.unary(true) }, tokPow)
}

func (p *parser) leftAssoc(operand func(*parser) (expr, error), kinds ...tokenKind) (expr, error) {
	i := p.pos
	e, err := operand(p)
	for n := 0; err == nil; n++ {
		k := p.cur().kind
		found := false
		for _, want := range kinds {
			found = found || k == want
		}
		if !found {
			return e, nil
		}
		p.next()
		b := &binaryExpr{op: k, a: e}
		b.b, err = operand(p)
		b.span = p.from(i)
		e, err = p.chain(b, err, n)
	}
	return nil, err
}

func (p *parser) unary(filters bool) (expr, error) {
	i := p.pos
	var e expr
	var err error
	if k := p.cur().kind; k == tokSub || k == tokAdd {
		if err := p.nest(); err != nil {
			return nil, err
		}
		defer func() { p.depth-- }()
		p.next()
		u := &signExpr{neg: k == tokSub}
		u.e, err = p.unary(false)
		u.span = p.from(i)
		e = u
	} else {
		e, err = p.primary()
	}
	if err != nil {
		return nil, err
	}
	if e, err = p.postfix(e, i); err != nil || !filters {
		return e, err
	}
	return p.filtersAndTests(e, i)
}

func (p *parser) primary() (expr, error) {
	t := p.next()
	at := t.span
	switch t.kind {
	case tokName:
		switch t.text {
		case "true", "True":
			return &constExpr{at, true}, nil
		case "false", "False":
			return &constExpr{at, false}, nil
		case "none", "None":
			return &constExpr{at, nil}, nil
		}
		n := &nameExpr{span: at, name: t.text, scope: p.scope}
		p.names = append(p.names, n)
		return n, nil
	case tokString:
		s := t.text
		for p.cur().kind == tokString {
			s += p.next().text
		}
		return &constExpr{at, s}, nil
	case tokInt:
		v, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			return nil, p.errorAt(at, "bad integer")
		}
		return &constExpr{at, v}, nil
	case tokFloat:
		v, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return nil, p.errorAt(at, "bad float")
		}
		return &constExpr{at, v}, nil
	case tokLParen:
		e, err := p.tuple(tupleOpts{cond: true, parens: true})
		if err == nil {
			_, err = p.expect(tokRParen)
		}
		return e, err
	case tokLBracket:
		return p.listLiteral()
	case tokLBrace:
		return p.dictLiteral()
	}
	return nil, p.errorAt(at, "unexpected %s", t.show())
}

func (p *parser) listLiteral() (expr, error) {
	l := &listExpr{}
	i := p.pos - 1
	for p.cur().kind != tokRBracket {
		if len(l.items) > 0 {
			if _, err := p.expect(tokComma); err != nil {
				return nil, err
			}
		}
		if p.cur().kind == tokRBracket {
			break
		}
		e, err := p.expr()
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, e)
	}
	p.next()
	l.span = p.from(i)
	return l, nil
}

func (p *parser) dictLiteral() (expr, error) {
	d := &dictExpr{}
	i := p.pos - 1
	for p.cur().kind != tokRBrace {
		if len(d.keys) > 0 {
			if _, err := p.expect(tokComma); err != nil {
				return nil, err
			}
		}
		if p.cur().kind == tokRBrace {
			break
		}
		k, err := p.expr()
		if err != nil {
			return nil, err
		}
		if _, err := p.expect(tokColon); err != nil {
			return nil, err
		}
		v, err := p.expr()
		if err != nil {
			return nil, err
		}
		d.keys, d.vals = append(d.keys, k), append(d.vals, v)
	}
	p.next()
	d.span = p.from(i)
	return d, nil
}

type tupleOpts struct {
	cond   bool   // inline if allowed without brackets
	parens bool   // brackets are there: () is a tuple
	stop   string // a word that ends the tuple
}

// tuple reads a, b, c or a single expression.
func (p *parser) tuple(o tupleOpts) (expr, error) {
	i := p.pos
	t := &listExpr{kind: kindTuple}
	comma := false
	for {
		if len(t.items) > 0 && !p.skip(tokComma) {
			break
		}
		comma = len(t.items) > 0
		if k := p.cur().kind; k == tokRParen || k == tokVarEnd || k == tokBlockEnd || o.stop != "" && p.word(o.stop) {
			break
		}
		e, err := p.or, error(nil)
		if o.cond {
			e = p.expr
		}
		x, err := e()
		if err != nil {
			return nil, err
		}
		t.items = append(t.items, x)
		comma = false
		if p.cur().kind != tokComma {
			break
		}
	}
	if len(t.items) == 1 && !comma {
		return t.items[0], nil
	}
	if len(t.items) == 0 && !o.parens {
		return nil, p.errorf("expected an expression, got %s", p.cur().show())
	}
	t.span = p.from(i)
	return t, nil
}
