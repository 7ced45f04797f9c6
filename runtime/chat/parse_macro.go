package chat

func (p *parser) macroTag(start int) (stmt, error) {
	name, err := p.expect(tokName)
	if err != nil {
		return nil, err
	}
	s := &macroStmt{slot: p.scope.declare(name.text)}
	s.def = &macroDef{name: name.text}
	if err := p.macroBody(s.def, start, "endmacro"); err != nil {
		return nil, err
	}
	return s, nil
}

// macroBody reads a signature (for call blocks an optional one) and the body.
func (p *parser) macroBody(d *macroDef, start int, end string) error {
	loops := p.loops
	p.loops = 0
	defer func() { p.loops = loops }()
	var err error
	d.scope, err = p.inScope(&d.fn, func(sc *scope) error {
		if end == "endmacro" || p.cur().kind == tokLParen {
			if err := p.signature(d, sc); err != nil {
				return err
			}
		}
		if end == "endcall" {
			return nil
		}
		d.span = p.from(start)
		return p.macroStmts(d, sc, end)
	})
	if err == nil && end == "endmacro" {
		p.next()
	}
	return err
}

func (p *parser) macroStmts(d *macroDef, sc *scope, end string) error {
	d.caller, d.varargs, d.kwargs = -1, -1, -1
	first := len(p.names)
	body, err := p.body(end)
	if err != nil {
		return err
	}
	d.body = body
	for _, n := range p.names[first:] {
		switch n.name {
		case "caller":
			d.caller = sc.declare("caller")
		case "varargs":
			d.varargs = sc.declare("varargs")
		case "kwargs":
			d.kwargs = sc.declare("kwargs")
		}
	}
	return nil
}

func (p *parser) signature(d *macroDef, sc *scope) error {
	if _, err := p.expect(tokLParen); err != nil {
		return err
	}
	for !p.skip(tokRParen) {
		if len(d.params) > 0 {
			if _, err := p.expect(tokComma); err != nil {
				return err
			}
		}
		name, err := p.expect(tokName)
		if err != nil {
			return err
		}
		prm := param{name: name.text, slot: sc.declare(name.text)}
		if p.skip(tokAssign) {
			if prm.def, err = p.expr(); err != nil {
				return err
			}
		} else if n := len(d.params); n > 0 && d.params[n-1].def != nil {
			return p.errorAt(name.span, "parameter %q without a default follows one with a default", name.text)
		}
		d.params = append(d.params, prm)
	}
	return nil
}

// callTag reads {% call(args) macro(...) %}body{% endcall %}.
func (p *parser) callTag(start int) (stmt, error) {
	d := &macroDef{name: "caller"}
	loops := p.loops
	p.loops = 0
	defer func() { p.loops = loops }()
	outer := p.scope
	s := &callStmt{def: d}
	_, err := p.inScope(&d.fn, func(sc *scope) error {
		d.scope = sc
		if p.cur().kind == tokLParen {
			if err := p.signature(d, sc); err != nil {
				return err
			}
		}
		i := p.pos
		p.scope = outer // the call itself is evaluated outside of the body
		e, err := p.expr()
		p.scope = sc
		if err != nil {
			return err
		}
		call, ok := e.(*callExpr)
		if !ok {
			return p.errorAt(p.from(i), "expected a call")
		}
		s.call, s.span, d.span = call, p.from(start), p.from(start)
		return p.macroStmts(d, sc, "endcall")
	})
	p.next()
	return s, err
}
