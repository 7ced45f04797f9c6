package server

import (
	"container/list"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/qwq-edge/qwq/runtime/grammar"
	"github.com/qwq-edge/qwq/runtime/sched"
)

// grammars compiles grammars and schemas, one at a time: a hostile one keeps one processor
// busy for a second, and the scheduler has the others. What was compiled last is kept, for
// clients send the same schema with every request.
type grammars struct {
	turn chan struct{} // holds the turn

	mu    sync.Mutex
	most  int // bytes
	bytes int
	items map[[32]byte]*list.Element // of *compiled
	order list.List                  // the one used last is first
}

type compiled struct {
	key [32]byte
	g   *grammar.Grammar
}

const (
	keptGrammars = 4 << 20 // bytes
	waitGrammar  = 2 * time.Second
)

// allGrammars serves all models: a grammar knows nothing of them.
var allGrammars = newGrammars(keptGrammars)

func newGrammars(most int) *grammars {
	return &grammars{turn: make(chan struct{}, 1), most: most, items: map[[32]byte]*list.Element{}}
}

// schema is grammar.FromSchema.
func (c *grammars) schema(doc []byte, o grammar.SchemaOptions) (*grammar.Grammar, error) {
	return c.compile(fmt.Sprintf("schema %+v", o), doc, func() (*grammar.Grammar, error) { return grammar.FromSchema(doc, o) })
}

// gbnf is grammar.ParseGBNF.
func (c *grammars) gbnf(text string) (*grammar.Grammar, error) {
	return c.compile("gbnf", []byte(text), func() (*grammar.Grammar, error) { return grammar.ParseGBNF(text, grammar.Limits{}) })
}

// compile returns what is kept, or makes it. It waits for its turn, but not for long: the
// error is a *sched.BusyError then.
func (c *grammars) compile(kind string, text []byte, do func() (*grammar.Grammar, error)) (*grammar.Grammar, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", kind)
	h.Write(text)
	key := [32]byte(h.Sum(nil))
	if g := c.get(key); g != nil {
		return g, nil
	}
	t := time.NewTimer(waitGrammar)
	defer t.Stop()
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-t.C:
		return nil, &sched.BusyError{Reason: "too many grammars at a time", After: 5 * time.Second}
	}
	if g := c.get(key); g != nil { // who had the turn before made it
		return g, nil
	}
	g, err := do()
	if err == nil {
		c.put(key, g)
	}
	return g, err
}

func (c *grammars) get(key [32]byte) *grammar.Grammar {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*compiled).g
}

func (c *grammars) put(key [32]byte, g *grammar.Grammar) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g.Bytes() > c.most {
		return
	}
	c.items[key] = c.order.PushFront(&compiled{key, g})
	for c.bytes += g.Bytes(); c.bytes > c.most; {
		old := c.order.Remove(c.order.Back()).(*compiled)
		delete(c.items, old.key)
		c.bytes -= old.g.Bytes()
	}
}
