package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/grammar"
	"github.com/qwq-edge/qwq/runtime/sched"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// Bounds of tools and of the calls in one answer.
const (
	mostTools = 128
	mostName  = 128 // bytes
	mostCalls = 16
)

// States of the grammars of all functions of a request together, and of each in spite of
// that.
const (
	mostStates  = 64 << 10
	leastStates = 2 << 10
)

// leastMarker is the length in bytes below which a token is no marker of its own.
const leastMarker = 8

// Ways to choose tools.
const (
	choiceAuto     = "auto"
	choiceNone     = "none"
	choiceRequired = "required"
)

// choice is which tools the model may or must call.
type choice struct {
	mode string // auto ("" too), none or required
	name string // the one that must be called; "": any
	one  bool   // at most one call
}

// function is a tool as all APIs describe it.
type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
}

// callForm is how a format writes calls:
//
//	open name end mid arguments close (next name end mid arguments close)* final
type callForm struct{ open, end, mid, close, next, final string }

var callForms = map[chat.Format]callForm{
	chat.FormatHermes: {open: "<tool_call>\n{\"name\": \"", end: `"`, mid: `, "arguments": `, close: "}\n</tool_call>", next: "\n<tool_call>\n{\"name\": \""},
	chat.FormatLlama3: {open: `{"name": "`, end: `"`, mid: `, "parameters": `, close: "}"},
	chat.FormatMistral: {
		open: `[TOOL_CALLS][{"name": "`, end: `"`, mid: `, "arguments": `, close: "}", next: `, {"name": "`, final: "]",
	},
	chat.FormatDeepSeek: {
		open: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>", end: "\n", mid: "```json\n",
		close: "\n```<｜tool▁call▁end｜>", next: "\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>", final: "<｜tool▁calls▁end｜>",
	},
}

// callRule makes a model write calls that can be read, with arguments that are valid
// for their functions.
type callRule struct {
	lazy                          bool // text is free until the first id of open comes by itself
	open, mid, close, next, final []int32
	names                         *grammar.Grammar
	args                          map[string]*grammar.Grammar // by name and end
	eog                           []int32
	most                          int
}

// callWish is what a callRule is made of.
type callWish struct {
	format chat.Format
	tags   bool // calls are not JSON
	tools  []function
	choice choice
}

// rule makes the rule of a wish; nil has none.
func (w *callWish) rule(tok *tokenizer.Tokenizer) (*callRule, error) {
	if w == nil {
		return nil, nil
	}
	return newCallRule(tok, w.format, w.tags, w.tools, w.choice)
}

// newCallRule makes the rule of a format of calls. A lazy one that cannot be made is nil:
// the model writes freely then. tags: its calls are not JSON.
func newCallRule(tok *tokenizer.Tokenizer, format chat.Format, tags bool, tools []function, c choice) (*callRule, error) {
	form := callForms[format]
	encode := func(s string) []int32 { return tok.Encode(s, tokenizer.EncodeOptions{}) }
	r := &callRule{
		lazy: c.mode != choiceRequired, open: encode(form.open), mid: encode(form.mid), close: encode(form.close), next: encode(form.next), final: encode(form.final),
		args: map[string]*grammar.Grammar{}, eog: tok.EOGs(), most: mostCalls,
	}
	if c.one || form.next == "" {
		r.most = 1
	}
	switch first := tok.Token(r.open[0]); {
	case r.lazy && (format == chat.FormatLlama3 || !strings.HasPrefix(form.open, string(first)) || len(first) < leastMarker || len(r.eog) == 0 || tags):
		return nil, nil // an ordinary token begins calls, or they may look otherwise
	case len(r.eog) == 0:
		return nil, bad("tool_choice", "the model has no token that ends a text: calls cannot be required of it")
	}
	var names []string
	for i, f := range tools {
		if c.name != "" && f.Name != c.name {
			continue
		}
		g, err := arguments(f.Parameters, grammar.Limits{States: max(leastStates, mostStates/len(tools))})
		if busy := (*sched.BusyError)(nil); errors.As(err, &busy) {
			return nil, busy
		}
		if err != nil && r.lazy {
			g = grammar.AnyObject()
		} else if err != nil {
			return nil, bad("tools", "tools[%d]: the parameters of %s cannot be required: %v", i, f.Name, err)
		}
		key := f.Name + form.end
		r.args[key] = g
		names = append(names, gbnfLiteral(key))
	}
	var err error
	r.names, err = allGrammars.gbnf("root ::= " + strings.Join(names, " | "))
	return r, err
}

// arguments is the grammar of a function's arguments.
func arguments(schema json.RawMessage, limits grammar.Limits) (*grammar.Grammar, error) {
	if s := strings.TrimSpace(string(schema)); s == "" || s == "null" || s == "{}" {
		schema = json.RawMessage(anyObject)
	}
	return allGrammars.schema(schema, grammar.SchemaOptions{Limits: limits})
}

// gbnfLiteral writes a name, whose characters checkName has let through, and its end.
func gbnfLiteral(s string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// checkName refuses names that the forms of calls cannot carry.
func checkName(s string) error {
	if s == "" || len(s) > mostName {
		return fmt.Errorf("a name of %d bytes, want 1 to %d", len(s), mostName)
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-.:/", c) >= 0) {
			return fmt.Errorf("the name %q has other characters than letters, digits, _ - . : /", s)
		}
	}
	return nil
}

// What an answer under a callRule does next.
const (
	callWait  = iota // free text, until a call begins
	callName         // a function's name
	callArgs         // its arguments
	callAfter        // another call, or the end
	callEnd          // nothing more
)

// calling follows one answer under a callRule.
type calling struct {
	*callRule
	v       *grammar.Vocabulary
	token   func(id int32) []byte
	state   int
	count   int
	name    []byte
	err     error // of a token that was allowed: readings became too many
	matcher *grammar.Matcher
}

// begin returns the ids that have to come first.
func (c *calling) begin() []int32 {
	if c.lazy {
		return nil
	}
	c.toName()
	return c.open
}

func (c *calling) toName() {
	c.state, c.name, c.matcher = callName, nil, c.v.Matcher(c.names)
}

// allowed sets what may come in a mask of words words; nil: everything.
func (c *calling) allowed(one []uint64) ([]uint64, error) {
	if c.err != nil {
		return nil, c.err
	}
	switch c.state {
	case callWait:
		return nil, nil
	case callName, callArgs:
		return c.matcher.Allowed()
	}
	clear(one)
	set := func(id int32) { one[id/64] |= 1 << (id % 64) }
	if c.state == callAfter && c.count < c.most {
		set(c.next[0])
	}
	if c.state == callAfter && len(c.final) > 0 {
		set(c.final[0])
		return one, nil
	}
	for _, id := range c.eog {
		set(id)
	}
	return one, nil
}

// accept goes past a token and returns the ids that have to follow it.
func (c *calling) accept(id int32) []int32 {
	switch c.state {
	case callWait:
		if id == c.open[0] {
			c.toName()
			return c.open[1:]
		}
	case callName:
		c.name = append(c.name, c.token(id)...)
		if c.err = c.matcher.Accept(id); c.err == nil && c.matcher.Done() {
			c.state, c.matcher = callArgs, c.v.Matcher(c.args[string(c.name)])
			return c.mid
		}
	case callArgs:
		if c.err = c.matcher.Accept(id); c.err == nil && c.matcher.Done() {
			c.state = callAfter
			c.count++
			return c.close
		}
	case callAfter:
		switch {
		case c.count < c.most && id == c.next[0]:
			c.toName()
			return c.next[1:]
		case len(c.final) > 0 && id == c.final[0]:
			c.state = callEnd
			return c.final[1:]
		}
	}
	return nil
}
