package chat

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string // "system", "user", "assistant", "tool", …
	Content Content
	// ReasoningContent is what the model thought; templates read it as
	// reasoning_content or thinking. Empty means the key is absent.
	ReasoningContent string
	ToolCalls        []ToolCall
	ToolCallID       string // of a tool's answer
	Name             string
	// Extra holds further keys, passed to the template behind the others.
	Extra *Dict
}

// Content is a text, a list of typed parts, or None. The zero value is the
// empty text.
type Content struct {
	Text  string
	Parts []Part // when not nil, Text is not used
	Null  bool   // None: an assistant that only calls tools
}

// Text returns a Content of one text.
func Text(s string) Content { return Content{Text: s} }

// Part is a piece of typed content. Fields other than type and text stand in
// Extra ("image_url", …).
type Part struct {
	Type  string
	Text  string
	Extra *Dict
}

// ToolCall is a call that the model made.
type ToolCall struct {
	ID   string
	Name string
	// Arguments is a JSON object, or a JSON string that contains one.
	Arguments json.RawMessage
}

// String returns the text of c; of parts, the texts joined.
func (c Content) String() string {
	if c.Parts == nil {
		return c.Text
	}
	var b strings.Builder
	for _, p := range c.Parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

func (c Content) onlyText() bool {
	for _, p := range c.Parts {
		if p.Type != "text" {
			return false
		}
	}
	return true
}

// form says how a template wants some values, see Caps.
type form struct {
	stringArgs bool // tool-call arguments as JSON text
	emptyNull  bool // "" in place of None
	flatParts  bool // text parts joined to one text
	wrapText   bool // text as a list of one part
	noNone     bool // tools and documents undefined in place of None
}

func (m Message) dict(f form) *Dict {
	d := NewDict()
	set := func(k string, v any) { d.entries = append(d.entries, entry{k, v}) }
	set("role", m.Role)
	set("content", m.Content.value(f))
	if m.ReasoningContent != "" {
		set("thinking", m.ReasoningContent)
		set("reasoning_content", m.ReasoningContent)
	}
	if m.ToolCalls != nil {
		l := NewList()
		for _, c := range m.ToolCalls {
			l.Append(c.dict(f))
		}
		set("tool_calls", l)
	}
	if m.ToolCallID != "" {
		set("tool_call_id", m.ToolCallID)
	}
	if m.Name != "" {
		set("name", m.Name)
	}
	if m.Extra != nil {
		for _, e := range m.Extra.entries {
			if d.find(e.key) < 0 {
				d.entries = append(d.entries, e)
			}
		}
	}
	return d
}

func (c Content) value(f form) any {
	switch {
	case c.Parts == nil && c.Null && c.Text == "" && !f.emptyNull:
		return nil
	case c.Parts == nil && f.wrapText:
		return NewList(Part{Type: "text", Text: c.Text}.dict())
	case c.Parts == nil || f.flatParts && c.onlyText():
		return c.String()
	}
	l := NewList()
	for _, p := range c.Parts {
		l.Append(p.dict())
	}
	return l
}

func (p Part) dict() *Dict {
	d := &Dict{entries: []entry{{"type", p.Type}}}
	if p.Type == "text" || p.Text != "" {
		d.entries = append(d.entries, entry{"text", p.Text})
	}
	if p.Extra != nil {
		d.entries = append(d.entries, p.Extra.entries...)
	}
	return d
}

func (c ToolCall) dict(f form) *Dict {
	fn := &Dict{entries: []entry{{"name", c.Name}, {"arguments", c.arguments(f)}}}
	d := NewDict()
	if c.ID != "" {
		d.entries = append(d.entries, entry{"id", c.ID})
	}
	d.entries = append(d.entries, entry{"type", "function"}, entry{"function", fn})
	return d
}

func (c ToolCall) arguments(f form) any {
	raw := string(c.Arguments)
	v, err := ParseJSON(c.Arguments)
	if s, ok := v.(string); ok && err == nil {
		raw = s
		v, err = ParseJSON([]byte(s))
	}
	_, isDict := v.(*Dict)
	if f.stringArgs || err != nil || !isDict {
		return raw
	}
	return v
}

// UnmarshalJSON reads a message as the OpenAI API writes it; unknown keys go
// to Extra.
func (m *Message) UnmarshalJSON(data []byte) error {
	v, err := ParseJSON(data)
	if err != nil {
		return err
	}
	d, ok := v.(*Dict)
	if !ok {
		return fmt.Errorf("chat: message: expected an object, got %s", typeName(v))
	}
	*m = Message{Content: Content{Null: true}}
	for _, e := range d.entries {
		if err := m.set(e.key.(string), e.val); err != nil {
			return fmt.Errorf("chat: message field %q: %w", e.key, err)
		}
	}
	return nil
}

func (m *Message) set(key string, v any) error {
	for name, field := range map[string]*string{"role": &m.Role, "reasoning_content": &m.ReasoningContent, "tool_call_id": &m.ToolCallID, "name": &m.Name} {
		if key != name || v == nil {
			continue
		}
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("expected a string, got %s", typeName(v))
		}
		*field = s
		return nil
	}
	switch key {
	case "role", "reasoning_content", "tool_call_id", "name":
		return nil
	case "content":
		return m.Content.set(v)
	case "tool_calls":
		return m.setCalls(v)
	}
	if m.Extra == nil {
		m.Extra = NewDict()
	}
	return m.Extra.Set(key, v)
}

func (c *Content) set(v any) error {
	*c = Content{}
	switch x := v.(type) {
	case nil:
		c.Null = true
	case string:
		c.Text = x
	case *List:
		c.Parts = []Part{}
		for i, e := range x.items {
			d, ok := e.(*Dict)
			if !ok {
				return fmt.Errorf("part %d: expected an object, got %s", i, typeName(e))
			}
			c.Parts = append(c.Parts, partOf(d))
		}
	default:
		return fmt.Errorf("expected a string, a list or null, got %s", typeName(v))
	}
	return nil
}

func partOf(d *Dict) Part {
	var p Part
	for _, e := range d.entries {
		s, isText := e.val.(string)
		switch {
		case e.key == "type" && isText:
			p.Type = s
		case e.key == "text" && isText:
			p.Text = s
		default:
			if p.Extra == nil {
				p.Extra = NewDict()
			}
			p.Extra.entries = append(p.Extra.entries, e)
		}
	}
	return p
}

func (m *Message) setCalls(v any) error {
	if v == nil {
		return nil
	}
	l, ok := v.(*List)
	if !ok {
		return fmt.Errorf("expected a list, got %s", typeName(v))
	}
	m.ToolCalls = []ToolCall{}
	for i, e := range l.items {
		d, ok := e.(*Dict)
		if !ok {
			return fmt.Errorf("call %d: expected an object, got %s", i, typeName(e))
		}
		var c ToolCall
		if id, ok := d.Get("id"); ok {
			c.ID, _ = id.(string)
		}
		if fn, ok := d.Get("function"); ok {
			if d, ok = fn.(*Dict); !ok {
				return fmt.Errorf("call %d: function: expected an object, got %s", i, typeName(fn))
			}
		}
		name, _ := d.Get("name")
		if c.Name, ok = name.(string); !ok {
			return fmt.Errorf("call %d has no name", i)
		}
		args, _ := d.Get("arguments")
		b, err := dumpJSON(args)
		if err != nil {
			return fmt.Errorf("call %d: %w", i, err)
		}
		c.Arguments = b
		m.ToolCalls = append(m.ToolCalls, c)
	}
	return nil
}

// dumpJSON writes v in the compact form with key order kept.
func dumpJSON(v any) (json.RawMessage, error) {
	m := &machine{t: &Template{}}
	m.lim = Limits{}.withDefaults(1 << 24)
	m.steps, m.memory = m.lim.Steps, m.lim.Memory
	w := jsonWriter{m: m, comma: ", ", colon: ": "}
	return w.value(nil, v, 0)
}
