package chat

import (
	"encoding/json"
	"strings"
)

func readMistral(c *cursor) ([]ToolCall, bool) {
	back := c.i
	if !c.space() {
		return nil, false
	}
	switch c.s[c.i] {
	case '[':
		return readMistralList(c)
	case '{':
		body, ok := c.json()
		if !ok {
			return nil, false
		}
		call, ok := decodeCall(body, false)
		return []ToolCall{call}, ok
	}
	call, ok := readMistralNamed(c)
	if !ok && !c.more {
		c.i = back
	}
	return []ToolCall{call}, ok
}

func readMistralList(c *cursor) ([]ToolCall, bool) {
	body, ok := c.json()
	if !ok {
		return nil, false
	}
	var raw []json.RawMessage
	if json.Unmarshal([]byte(body), &raw) != nil || len(raw) == 0 {
		return nil, false
	}
	calls := make([]ToolCall, len(raw))
	for i, r := range raw {
		if calls[i], ok = decodeCall(string(r), false); !ok {
			return nil, false
		}
	}
	return calls, true
}

// readMistralNamed reads name[CALL_ID]id[ARGS]{…}; the id is optional, and so
// is [ARGS] before a bracket.
func readMistralNamed(c *cursor) (ToolCall, bool) {
	var call ToolCall
	ok := false
	if call.Name, ok = c.word(); !ok {
		return call, false
	}
	if c.literal("[CALL_ID]") {
		if call.ID, ok = c.word(); !ok {
			return call, false
		}
	} else if c.more {
		return call, false
	}
	if !c.literal("[ARGS]") && (c.more || !strings.HasPrefix(c.rest(), "{")) {
		return call, false
	}
	if !c.space() || c.s[c.i] != '{' {
		return call, false
	}
	body, ok := c.json()
	if !ok || !json.Valid([]byte(body)) {
		return call, false
	}
	call.Arguments = json.RawMessage(body)
	return call, true
}

const maxWord = 256

// word reads a name: letters, digits, dots, dashes, underscores. At least one
// character must follow, so that the name is known to be whole.
func (c *cursor) word() (string, bool) {
	s := c.rest()
	n := 0
	for n < len(s) && n <= maxWord && (isDigitOrUnderscore(s[n]) || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' || s[n] == '.' || s[n] == '-') {
		n++
	}
	if n == len(s) {
		c.more = true
		return "", false
	}
	if n == 0 || n > maxWord {
		return "", false
	}
	c.i += n
	return s[:n], true
}
