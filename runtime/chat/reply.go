package chat

import (
	"strings"
	"unicode/utf8"
)

// DeltaKind says what a piece of a reply is.
type DeltaKind uint8

// Kinds of pieces.
const (
	DeltaContent   DeltaKind = iota // text for the user
	DeltaReasoning                  // what the model thinks first
	DeltaToolCall                   // a whole tool call
)

// Delta is a piece of a reply.
type Delta struct {
	Kind  DeltaKind
	Text  string    // of DeltaContent and DeltaReasoning
	Call  *ToolCall // of DeltaToolCall
	Index int       // of the call in the reply, from 0
}

// ParserOptions say what to look for in a reply.
type ParserOptions struct {
	// Format is how the model writes tool calls; FormatNone leaves them in
	// the text.
	Format Format
	// InThink: the prompt has opened the reasoning (see ThinkOpen).
	InThink bool
	// NoThink leaves reasoning in the text.
	NoThink bool
	// ThinkOpen and ThinkClose are the markers, by default <think> and
	// </think>.
	ThinkOpen, ThinkClose string
}

// Parser takes a reply apart while it is being written. The pieces it gives,
// joined by kind, do not depend on how the reply is cut. It never gives a part
// of a marker as text: what may be the beginning of one is held back.
// White space between the parts of a reply is dropped; all other text comes
// out, as content if a tool call turns out to be malformed. Not safe for
// concurrent use.
type Parser struct {
	think *thinker // nil: no reasoning
	tools toolSplitter
	utf8  []byte // an unfinished character
	out   []Delta
}

// NewParser returns a parser for one reply.
func NewParser(o ParserOptions) *Parser {
	p := &Parser{}
	if !o.NoThink {
		p.think = &thinker{open: o.ThinkOpen, close: o.ThinkClose}
		if p.think.open == "" {
			p.think.open = defaultOpen
		}
		if p.think.close == "" {
			p.think.close = defaultClose
		}
		if o.InThink {
			p.think.state = thinkBegin
		}
	}
	p.tools = toolSplitter{format: o.Format, fresh: true}
	return p
}

// Write takes the next piece of the reply and returns what has become certain.
// The slice is valid until the next call.
func (p *Parser) Write(s string) []Delta {
	p.out = p.out[:0]
	p.feed(p.whole(s), false)
	return p.out
}

// Close returns the rest at the end of the reply.
func (p *Parser) Close() []Delta {
	p.out = p.out[:0]
	s := string(p.utf8)
	p.utf8 = nil
	p.feed(s, true)
	return p.out
}

// whole holds an unfinished character at the end of s back, so that white
// space is recognised whatever the chunks are.
func (p *Parser) whole(s string) string {
	if len(p.utf8) > 0 {
		s = string(p.utf8) + s
		p.utf8 = nil
	}
	for n := 1; n < utf8.UTFMax && n <= len(s); n++ {
		c := s[len(s)-n]
		if c < utf8.RuneSelf {
			break
		}
		if utf8.RuneStart(c) {
			if !utf8.FullRuneInString(s[len(s)-n:]) {
				p.utf8 = []byte(s[len(s)-n:])
				return s[:len(s)-n]
			}
			break
		}
	}
	return s
}

func (p *Parser) feed(s string, final bool) {
	if p.think == nil {
		p.tools.write(s, final, p.emit)
		return
	}
	p.think.write(s, final, func(kind DeltaKind, s string) {
		if kind == DeltaReasoning {
			p.emit(Delta{Kind: kind, Text: s})
			return
		}
		p.tools.write(s, false, p.emit)
	})
	if final {
		p.tools.write("", true, p.emit)
	}
}

// emit joins neighbours of one kind.
func (p *Parser) emit(d Delta) {
	if d.Kind != DeltaToolCall {
		if d.Text == "" {
			return
		}
		if n := len(p.out); n > 0 && p.out[n-1].Kind == d.Kind {
			p.out[n-1].Text += d.Text
			return
		}
	}
	p.out = append(p.out, d)
}

// Reply is a whole reply taken apart.
type Reply struct {
	Content   string
	Reasoning string
	ToolCalls []ToolCall
}

// ParseReply takes a whole reply apart.
func ParseReply(text string, o ParserOptions) Reply {
	p := NewParser(o)
	var c collector
	c.add(p.Write(text))
	c.add(p.Close())
	return c.reply()
}

type collector struct {
	content, reasoning strings.Builder
	calls              []ToolCall
}

func (c *collector) add(deltas []Delta) {
	for _, d := range deltas {
		switch d.Kind {
		case DeltaContent:
			c.content.WriteString(d.Text)
		case DeltaReasoning:
			c.reasoning.WriteString(d.Text)
		case DeltaToolCall:
			c.calls = append(c.calls, *d.Call)
		}
	}
}

func (c *collector) reply() Reply {
	return Reply{Content: c.content.String(), Reasoning: c.reasoning.String(), ToolCalls: c.calls}
}

// Message is the reply as a turn of the conversation.
func (r Reply) Message() Message {
	m := Message{Role: "assistant", Content: Text(r.Content), ReasoningContent: r.Reasoning, ToolCalls: r.ToolCalls}
	m.Content.Null = r.Content == "" && len(r.ToolCalls) > 0
	return m
}
