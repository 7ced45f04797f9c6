package chat

import (
	"encoding/json"
	"strings"
)

func readLlama3(c *cursor, marker string) ([]ToolCall, bool) {
	if marker == "{" {
		if !callKey(c) {
			return nil, false
		}
		c.i = 0
		body, ok := c.json()
		if !ok {
			return nil, false
		}
		call, ok := decodeCall(body, true)
		return []ToolCall{call}, ok
	}
	back := c.i
	if !c.space() {
		return nil, false
	}
	if c.s[c.i] == '{' {
		body, ok := c.json()
		if !ok {
			return nil, false
		}
		call, ok := decodeCall(body, false)
		return []ToolCall{call}, ok
	}
	if !c.final || len(c.s) >= maxHeld {
		c.i, c.more = back, true // code goes on to the end of the reply
		return nil, false
	}
	code := strings.TrimSpace(c.rest())
	c.i = len(c.s)
	if call, ok := builtinCall(code); ok {
		return []ToolCall{call}, true
	}
	args, err := dumpJSON(&Dict{entries: []entry{{"code", code}}})
	return []ToolCall{{Name: "python", Arguments: args}}, err == nil
}

// callKey looks at the first key behind the bracket: text in JSON that is no
// call need not be held back to its end.
func callKey(c *cursor) bool {
	back := c.i
	if !c.space() {
		return false
	}
	for _, k := range []string{`"name"`, `"type"`, `"function"`, `"parameters"`, `"arguments"`, `"id"`} {
		if c.literal(k) {
			c.more = false
			return true
		}
	}
	if !c.more {
		c.i = back
	}
	return false
}

// builtinCall reads name.call(key="value", …).
func builtinCall(code string) (ToolCall, bool) {
	name, rest, ok := strings.Cut(code, ".call(")
	if !ok || nameEnd(name) != len(name) || !strings.HasSuffix(rest, ")") {
		return ToolCall{}, false
	}
	rest = strings.TrimSpace(strings.TrimSuffix(rest, ")"))
	args := NewDict()
	for rest != "" {
		key, val, ok := strings.Cut(rest, "=")
		key = strings.TrimSpace(key)
		if !ok || nameEnd(key) != len(key) {
			return ToolCall{}, false
		}
		r := &jsonReader{s: val}
		r.space()
		v, err := r.value(0)
		if err != nil {
			return ToolCall{}, false
		}
		if err := args.Set(key, v); err != nil {
			return ToolCall{}, false
		}
		more := r.next(',')
		if rest = strings.TrimSpace(val[r.i:]); rest != "" && !more {
			return ToolCall{}, false
		}
	}
	raw, err := dumpJSON(args)
	return ToolCall{Name: name, Arguments: json.RawMessage(raw)}, err == nil && name != ""
}
