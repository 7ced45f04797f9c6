package chat

import (
	"encoding/json"
	"strings"
)

const (
	dsCallsBegin = "<｜tool▁calls▁begin｜>"
	dsCallsEnd   = "<｜tool▁calls▁end｜>"
	dsCallBegin  = "<｜tool▁call▁begin｜>"
	dsCallEnd    = "<｜tool▁call▁end｜>"
	dsSep        = "<｜tool▁sep｜>"
)

func readDeepSeek(c *cursor, marker string) ([]ToolCall, bool) {
	if marker != dsCallBegin {
		return nil, true // the brackets around all calls say nothing themselves
	}
	back := c.i
	call, ok := readDeepSeekCall(c)
	if !ok {
		if !c.more && c.scan.pos == 0 {
			c.i = back
		}
		return nil, false
	}
	c.optional(dsCallEnd)
	return []ToolCall{call}, true
}

func readDeepSeekCall(c *cursor) (ToolCall, bool) {
	head, ok := c.until(dsSep)
	if !ok || !c.space() {
		return ToolCall{}, false
	}
	name := strings.TrimSpace(head)
	if c.s[c.i] != '{' {
		if name, ok = c.until("\n"); !ok || !c.space() {
			return ToolCall{}, false
		}
		name = strings.TrimSpace(name)
	}
	fence := false
	if c.s[c.i] == '`' {
		if fence = c.literal("```json"); !fence || !c.space() {
			return ToolCall{}, false
		}
	}
	if name == "" || c.s[c.i] != '{' {
		return ToolCall{}, false
	}
	body, ok := c.json()
	if !ok || !json.Valid([]byte(body)) {
		return ToolCall{}, false
	}
	if fence {
		c.optional("```")
		if c.more {
			return ToolCall{}, false
		}
	}
	return ToolCall{Name: name, Arguments: json.RawMessage(body)}, true
}

// until reads a short piece of text up to end, and end.
func (c *cursor) until(end string) (string, bool) {
	s := c.rest()
	limit := min(len(s), maxWord+len(end))
	n := strings.Index(s[:limit], end)
	if n < 0 {
		c.more = limit < maxWord+len(end)
		return "", false
	}
	c.i += n + len(end)
	return s[:n], true
}
