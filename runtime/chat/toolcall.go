package chat

import (
	"encoding/json"
	"strings"
)

// Format is a way in which models write tool calls.
type Format uint8

// Formats of tool calls.
const (
	FormatNone Format = iota
	// FormatHermes is <tool_call>{"name": …, "arguments": {…}}</tool_call>
	// (Hermes, Qwen2.5, Qwen3, QwQ), and inside the same tags Qwen3-Coder's
	// <function=name><parameter=key>value</parameter></function>.
	FormatHermes
	// FormatLlama3 is {"name": …, "parameters": {…}} as the whole reply,
	// perhaps behind <|python_tag|>, which may also bring name.call(key="value")
	// or Python code.
	FormatLlama3
	// FormatMistral is [TOOL_CALLS][{"name": …, "arguments": {…}}] or
	// [TOOL_CALLS]name[ARGS]{…}.
	FormatMistral
	// FormatDeepSeek is <｜tool▁call▁begin｜>function<｜tool▁sep｜>name, then the
	// arguments in a json fence (R1, V3), or …begin｜>name<｜tool▁sep｜>{…} (V3.1).
	FormatDeepSeek
)

func (f Format) String() string {
	return [...]string{"none", "hermes", "llama3", "mistral", "deepseek"}[f]
}

// DetectFormat guesses the format from a chat template's source.
func DetectFormat(template string) Format {
	has := func(s string) bool { return strings.Contains(template, s) }
	switch {
	case has("[TOOL_CALLS]"):
		return FormatMistral
	case has("tool▁call▁begin"):
		return FormatDeepSeek
	case has("<tool_call>"):
		return FormatHermes
	case has("<|python_tag|>") || has("<|start_header_id|>") && has(`"parameters"`):
		return FormatLlama3
	}
	return FormatNone
}

// maxHeld is the most text of one tool call, in bytes; a longer one is content.
const maxHeld = 256 << 10

// toolSplitter finds tool calls in the answer.
type toolSplitter struct {
	format Format
	buf    string
	scan   jsonScan
	count  int
	marker string // of the call that buf[space:] begins with, "" in text
	space  int    // white space before it, given back if the call is malformed
	fresh  bool   // nothing but calls so far: a bare { may begin a call
	after  bool   // a call just ended: white space is dropped
}

func (t *toolSplitter) write(s string, final bool, emit func(Delta)) {
	t.buf += s
	for t.step(final, emit) {
	}
}

func (t *toolSplitter) step(final bool, emit func(Delta)) bool {
	switch {
	case t.marker != "":
		return t.call(final, emit)
	case t.after:
		t.buf = strings.TrimLeftFunc(t.buf, func(r rune) bool {
			return isSpace(r) || t.format == FormatLlama3 && (r == ';' || r == ',')
		})
		if t.buf == "" {
			return false
		}
		t.after = false
	}
	return t.text(final, emit)
}

// text passes text on up to the next marker.
func (t *toolSplitter) text(final bool, emit func(Delta)) bool {
	at, marker, held := t.find()
	if marker == "" {
		safe := len(t.buf)
		if !final {
			safe = len(strings.TrimRightFunc(t.buf[:len(t.buf)-held], isSpace))
		}
		if safe > 0 {
			t.content(safe, emit)
		}
		return false
	}
	if n := len(strings.TrimRightFunc(t.buf[:at], isSpace)); n > 0 {
		t.content(n, emit)
		at -= n
	}
	t.marker, t.space, t.scan = marker, at, jsonScan{}
	return true
}

// content gives the first n bytes as text.
func (t *toolSplitter) content(n int, emit func(Delta)) {
	if strings.TrimFunc(t.buf[:n], isSpace) != "" {
		t.fresh = false
	}
	emit(Delta{Kind: DeltaContent, Text: t.buf[:n]})
	t.buf = t.buf[n:]
}

// find returns the first marker, or how much of the end may become one.
func (t *toolSplitter) find() (at int, marker string, held int) {
	at = len(t.buf)
	if t.format == FormatNone {
		return at, "", 0
	}
	if t.format == FormatLlama3 && t.fresh {
		if rest := strings.TrimLeftFunc(t.buf, isSpace); strings.HasPrefix(rest, "{") {
			return len(t.buf) - len(rest), "{", 0
		}
	}
	for _, m := range markers[t.format] {
		if i := strings.Index(t.buf, m); i >= 0 && i < at {
			at, marker = i, m
		}
		held = max(held, partial(t.buf, m))
	}
	return at, marker, held
}

var markers = [...][]string{
	FormatNone:     nil,
	FormatHermes:   {"<tool_call>"},
	FormatLlama3:   {"<|python_tag|>"},
	FormatMistral:  {"[TOOL_CALLS]"},
	FormatDeepSeek: {dsCallsBegin, dsCallsEnd, dsCallBegin},
}

// call reads the call at the start of buf.
func (t *toolSplitter) call(final bool, emit func(Delta)) bool {
	held := t.buf[t.space:]
	whole := len(held) >= maxHeld
	if whole {
		held = held[:maxHeld]
	}
	c := &cursor{s: held, i: len(t.marker), final: final || whole, scan: &t.scan}
	calls, ok := t.read(c)
	switch {
	case c.more && !c.final:
		return false
	case c.more: // the reply or our patience ends inside the call
		t.marker = ""
		t.content(t.space+len(held), emit)
	case !ok:
		t.marker = ""
		t.content(t.space+c.i, emit)
	default:
		for i := range calls {
			emit(Delta{Kind: DeltaToolCall, Call: &calls[i], Index: t.count})
			t.count++
		}
		t.buf, t.marker = t.buf[t.space+c.i:], ""
		t.after = true
	}
	return true
}

func (t *toolSplitter) read(c *cursor) ([]ToolCall, bool) {
	switch t.format {
	case FormatHermes:
		return readHermes(c)
	case FormatLlama3:
		return readLlama3(c, t.marker)
	case FormatMistral:
		return readMistral(c)
	}
	return readDeepSeek(c, t.marker)
}

// cursor walks over held text. A reader that reaches the end sets more; on a
// refusal it leaves i behind what is text for certain.
type cursor struct {
	s     string
	i     int
	final bool
	more  bool
	scan  *jsonScan
}

func (c *cursor) rest() string { return c.s[c.i:] }

// space skips white space; false means the text ends here.
func (c *cursor) space() bool {
	c.i = len(c.s) - len(strings.TrimLeftFunc(c.rest(), isSpace))
	if c.i == len(c.s) {
		c.more = true
		return false
	}
	return true
}

// literal skips s. If the text ends inside s, more is set.
func (c *cursor) literal(s string) bool {
	if strings.HasPrefix(c.rest(), s) {
		c.i += len(s)
		return true
	}
	if strings.HasPrefix(s, c.rest()) {
		c.more = true
	}
	return false
}

// optional skips white space and s if they are there. At the end of the reply
// a beginning of s counts as s.
func (c *cursor) optional(s string) {
	start := c.i
	if c.space() && c.literal(s) {
		return
	}
	if c.more && c.final {
		c.more, c.i = false, len(c.s)
		return
	}
	c.i = start
}

// json skips a balanced object or array and returns it.
func (c *cursor) json() (string, bool) {
	end, ok := c.scan.find(c.s, c.i)
	if !ok {
		c.more = true
		return "", false
	}
	v := c.s[c.i:end]
	c.i = end
	return v, true
}

// jsonScan finds the end of a JSON value that begins with a bracket. It
// continues where it stopped when the text has grown.
type jsonScan struct {
	start, pos, depth int
	quoted, escaped   bool
}

func (j *jsonScan) find(s string, start int) (int, bool) {
	if j.pos == 0 || j.start != start {
		*j = jsonScan{start: start, pos: start}
	}
	for ; j.pos < len(s); j.pos++ {
		c := s[j.pos]
		switch {
		case j.escaped:
			j.escaped = false
		case j.quoted:
			j.escaped = c == '\\'
			j.quoted = c != '"'
		case c == '"':
			j.quoted = true
		case c == '{' || c == '[':
			j.depth++
		case c == '}' || c == ']':
			if j.depth--; j.depth <= 0 {
				return j.pos + 1, true
			}
		}
	}
	return 0, false
}

// wireCall is a call as models write it.
type wireCall struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Arguments  json.RawMessage `json:"arguments"`
	Parameters json.RawMessage `json:"parameters"`
	Function   json.RawMessage `json:"function"`
}

// decodeCall reads one call. needArgs refuses a call without arguments.
func decodeCall(s string, needArgs bool) (ToolCall, bool) {
	var w wireCall
	if json.Unmarshal([]byte(s), &w) != nil {
		return ToolCall{}, false
	}
	if w.Name == "" && w.Function != nil {
		id := w.ID
		if json.Unmarshal(w.Function, &w.Name) != nil && json.Unmarshal(w.Function, &w) != nil {
			return ToolCall{}, false
		}
		w.ID = id
	}
	args := w.Arguments
	if args == nil {
		args = w.Parameters
	}
	if args == nil && !needArgs {
		args = json.RawMessage("{}")
	}
	args, ok := objectArgs(args)
	return ToolCall{ID: w.ID, Name: w.Name, Arguments: args}, ok && w.Name != ""
}

// objectArgs accepts an object, or a string that holds one.
func objectArgs(raw json.RawMessage) (json.RawMessage, bool) {
	s := strings.TrimSpace(string(raw))
	if strings.HasPrefix(s, `"`) {
		var inner string
		if json.Unmarshal(raw, &inner) != nil {
			return nil, false
		}
		s = strings.TrimSpace(inner)
	}
	return json.RawMessage(s), strings.HasPrefix(s, "{") && json.Valid([]byte(s))
}
