package chat

import (
	"fmt"
	"sync"
	"time"
)

// machine is the state of one rendering.
type machine struct {
	t     *Template
	ctx   *Dict
	frame *frame
	out   []byte // output so far; macros and set blocks cut their part off the end
	block string // the text that a filter block filters
	now   func() time.Time

	filters map[string]filterFunc // tables are reached through here: some entries look up others
	tests   map[string]testFunc
	strings map[string]methodFunc

	lim     Limits
	steps   int64
	memory  int64
	depth   int
	tree    int   // Go recursion through expressions and statements
	pending error // see overrun
}

// maxTree bounds the Go stack: expressions and statements entered and not left.
const maxTree = 10_000

var machines = sync.Pool{New: func() any { return new(machine) }}

// Context holds a template's variables by name. Values may be nil, bools,
// integers, floats, strings, json.RawMessage, slices, maps with string keys
// (sorted, since Go maps have no order), *Dict, *List, Message and Func.
type Context map[string]any

// Func is a function that a template may call. kwargs is nil when the call
// names no argument. Arguments and results are of the types that Context
// accepts.
type Func func(args []any, kwargs *Dict) (any, error)

// Render executes the template. The context is read, never changed.
func (t *Template) Render(ctx Context) (string, error) {
	return t.render(ctx, t.now)
}

func (t *Template) render(ctx Context, now func() time.Time) (string, error) {
	c := converter{}
	d := &Dict{frozen: true}
	for k, v := range ctx {
		x, err := c.value(v)
		if err != nil {
			return "", &Error{Template: t.name, Line: 1, Err: fmt.Errorf("variable %q: %w", k, err)}
		}
		if err := d.Set(k, x); err != nil {
			return "", err
		}
	}
	m := machines.Get().(*machine)
	defer m.release()
	lim := t.lim.withDefaults(c.size)
	*m = machine{t: t, ctx: d, now: now, filters: filters, tests: tests, strings: strMethods, lim: lim, steps: lim.Steps, memory: lim.Memory, out: m.out[:0]}
	m.frame = newFrame(&t.main, nil)
	if _, err := m.run(t.body); err != nil {
		return "", t.fail(span{line: 1, lo: -1}, err)
	}
	return string(m.out), nil
}

const keptBuffer = 1 << 20

func (m *machine) release() {
	out := m.out
	if cap(out) > keptBuffer {
		out = nil
	}
	*m = machine{out: out[:0]}
	machines.Put(m)
}

func (m *machine) run(body []stmt) (ctrl, error) {
	if m.tree++; m.tree > maxTree {
		return 0, fmt.Errorf("statements nested too deep: %w", ErrLimit)
	}
	for _, s := range body {
		if m.steps--; m.steps < 0 {
			return 0, m.step(0)
		}
		if c, err := s.exec(m); c != 0 || err != nil {
			m.tree--
			return c, err
		}
	}
	m.tree--
	return 0, nil
}

func (m *machine) eval(e expr) (any, error) {
	if m.steps--; m.steps < 0 {
		return nil, m.step(0)
	}
	if m.tree++; m.tree > maxTree {
		return nil, fmt.Errorf("expressions nested too deep: %w", ErrLimit)
	}
	v, err := e.eval(m)
	m.tree--
	if err != nil {
		return nil, m.t.fail(e.at(), err)
	}
	return v, nil
}

// write appends to the output.
func (m *machine) write(s string) error {
	if int64(len(m.out)+len(s)) > m.lim.Output {
		return fmt.Errorf("output longer than %d bytes: %w", m.lim.Output, ErrLimit)
	}
	m.out = append(m.out, s...)
	return nil
}

// capture runs body in its scope and returns what it printed instead of
// printing it. A break or continue inside passes through.
func (m *machine) capture(body []stmt) (string, ctrl, error) {
	start := len(m.out)
	c, err := m.run(body)
	if err != nil {
		return "", 0, err
	}
	n := len(m.out) - start
	if err := m.grow(int64(n)); err != nil {
		return "", 0, err
	}
	s := string(m.out[start:])
	m.out = m.out[:start]
	return s, c, nil
}

// lookup reads a variable: scopes from the inside out, then the context, then
// the globals.
func (m *machine) lookup(n *nameExpr) any {
	for _, r := range n.refs {
		f := m.frame
		for range r.hops {
			f = f.up
		}
		if v := f.slots[r.slot]; v != unset {
			return v
		}
	}
	if v, ok := m.ctx.Get(n.name); ok {
		return v
	}
	if g, ok := globals[n.name]; ok {
		return g
	}
	if m.t.dialect == HuggingFaceJS && n.name == "null" {
		return nil
	}
	return &undefined{name: n.name}
}
