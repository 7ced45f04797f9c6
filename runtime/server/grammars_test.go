package server

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/qwq-edge/qwq/runtime/grammar"
	"github.com/qwq-edge/qwq/runtime/sched"
)

// TestGrammars: a schema is compiled once for many that ask at a time, what is kept is
// bounded, options tell grammars apart, and who would wait long is told to come again.
func TestGrammars(t *testing.T) {
	c := newGrammars(100 << 10)
	const doc = `{"type":"object","properties":{"a":{"type":"string","maxLength":9}}}`
	var wg sync.WaitGroup
	got := make([]*grammar.Grammar, 16)
	for i := range got {
		wg.Go(func() {
			g, err := c.schema([]byte(doc), grammar.SchemaOptions{})
			if err != nil {
				t.Error(err)
			}
			got[i] = g
		})
	}
	wg.Wait()
	for _, g := range got {
		if g != got[0] {
			t.Fatal("compiled more than once")
		}
	}
	if g, err := c.schema([]byte(doc), grammar.SchemaOptions{Open: true}); err != nil || g == got[0] {
		t.Errorf("with other options: %v, the same %t", err, g == got[0])
	}
	if _, err := c.schema([]byte(doc), grammar.SchemaOptions{Limits: grammar.Limits{States: 3}}); err == nil {
		t.Error("a limit is passed over")
	}
	for i := range 300 {
		if _, err := c.gbnf(fmt.Sprintf("root ::= \"%d\" [a-z]*", i)); err != nil {
			t.Fatal(err)
		}
		held := 0
		for e := c.order.Front(); e != nil; e = e.Next() {
			held += e.Value.(*compiled).g.Bytes()
		}
		if held != c.bytes || held > c.most || len(c.items) != c.order.Len() {
			t.Fatalf("%d bytes in %d items, %d counted, %d allowed", held, len(c.items), c.bytes, c.most)
		}
	}
	c.turn <- struct{}{} // somebody compiles for long
	var busy *sched.BusyError
	if _, err := c.gbnf("root ::= \"x\""); !errors.As(err, &busy) {
		t.Errorf("got %v, want to be told to come again", err)
	}
}
