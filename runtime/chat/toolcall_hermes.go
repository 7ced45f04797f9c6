package chat

import (
	"encoding/json"
	"strings"
)

func readHermes(c *cursor) ([]ToolCall, bool) {
	back := c.i
	if !c.space() {
		return nil, false
	}
	switch c.s[c.i] {
	case '{':
		body, ok := c.json()
		if !ok {
			return nil, false
		}
		call, ok := decodeCall(body, false)
		if ok {
			c.optional("</tool_call>")
		}
		return []ToolCall{call}, ok
	case '<':
		if c.literal("<function=") {
			return readFunctionTag(c)
		}
	}
	if !c.more {
		c.i = back
	}
	return nil, false
}

// readFunctionTag is Qwen3-Coder's form. Values are text; what reads as JSON
// other than a string becomes that.
func readFunctionTag(c *cursor) ([]ToolCall, bool) {
	const end = "</function>"
	from := max(c.i, c.scan.pos)
	n := strings.Index(c.s[from:], end)
	if n < 0 {
		c.scan.pos, c.more = max(from, len(c.s)-len(end)), true
		return nil, false
	}
	body := c.s[c.i : from+n]
	c.i = from + n + len(end)
	name, body, ok := strings.Cut(body, ">")
	if !ok || strings.TrimSpace(name) == "" {
		return nil, false
	}
	args := NewDict()
	for {
		var key, val string
		if _, body, ok = strings.Cut(body, "<parameter="); !ok {
			break
		}
		if key, body, ok = strings.Cut(body, ">"); !ok {
			return nil, false
		}
		val, body, _ = strings.Cut(body, "</parameter>")
		val = strings.TrimSuffix(strings.TrimPrefix(val, "\n"), "\n")
		var v any = val
		if parsed, err := ParseJSON([]byte(val)); err == nil {
			if _, isText := parsed.(string); !isText {
				v = parsed
			}
		}
		if err := args.Set(strings.TrimSpace(key), v); err != nil {
			return nil, false
		}
	}
	raw, err := dumpJSON(args)
	if err != nil {
		return nil, false
	}
	c.optional("</tool_call>")
	return []ToolCall{{Name: strings.TrimSpace(name), Arguments: json.RawMessage(raw)}}, true
}
