package chat

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

type replyCase struct {
	name string
	text string
	o    ParserOptions
	want Reply
}

func calls(pairs ...string) []ToolCall {
	var out []ToolCall
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, ToolCall{Name: pairs[i], Arguments: json.RawMessage(pairs[i+1])})
	}
	return out
}

var (
	hermes   = ParserOptions{Format: FormatHermes}
	llama3   = ParserOptions{Format: FormatLlama3}
	mistral  = ParserOptions{Format: FormatMistral}
	deepseek = ParserOptions{Format: FormatDeepSeek}
)

var replyCases = []replyCase{
	{"plain", "Hello  world\n", ParserOptions{}, Reply{Content: "Hello  world\n"}},
	{"think", "<think>\nWhy?\n\nSo.\n</think>\n\nAnswer </think> x", ParserOptions{}, Reply{Reasoning: "Why?\n\nSo.", Content: "Answer </think> x"}},
	{"prompt opened", "Why?\n</think>\n\nAnswer", ParserOptions{InThink: true}, Reply{Reasoning: "Why?", Content: "Answer"}},
	{"opened twice", "\n<think>\nWhy?</think>A", ParserOptions{InThink: true}, Reply{Reasoning: "Why?", Content: "A"}},
	{"empty think", "<think>\n\n</think>\n\nA", ParserOptions{}, Reply{Content: "A"}},
	{"unfinished", "<think>Hm </thi", ParserOptions{}, Reply{Reasoning: "Hm </thi"}},
	{"no think", "  <thinking> x", ParserOptions{}, Reply{Content: "  <thinking> x"}},
	{"off", "<think>a</think>b", ParserOptions{NoThink: true}, Reply{Content: "<think>a</think>b"}},
	{"other markers", "[THINK]a[/THINK]b", ParserOptions{ThinkOpen: "[THINK]", ThinkClose: "[/THINK]"}, Reply{Reasoning: "a", Content: "b"}},

	{"hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"</tool_call> }\\\"\"}}\n</tool_call>", hermes, Reply{ToolCalls: calls("f", `{"a": "</tool_call> }\""}`)}},
	{"hermes two", "I look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>\n<tool_call>{\"name\":\"g\",\"arguments\":\"{\\\"x\\\":1}\"}</tool_call>\ndone", hermes,
		Reply{Content: "I look.done", ToolCalls: calls("f", `{}`, "g", `{"x":1}`)}},
	{"hermes think", "<think>I call</think>\n\n<tool_call>{\"name\":\"f\"}</tool_call>", hermes, Reply{Reasoning: "I call", ToolCalls: calls("f", "{}")}},
	{"hermes without end tag", "<tool_call>{\"name\":\"f\"}", hermes, Reply{ToolCalls: calls("f", "{}")}},
	{"hermes end tag cut", "<tool_call>{\"name\":\"f\"}\n</tool", hermes, Reply{ToolCalls: calls("f", "{}")}},
	{"hermes cut", "a <tool_call>\n{\"name\": \"f", hermes, Reply{Content: "a <tool_call>\n{\"name\": \"f"}},
	{"hermes bad json", "a <tool_call>{name}</tool_call> b", hermes, Reply{Content: "a <tool_call>{name}</tool_call> b"}},
	{"hermes no call", "use <tool_call> tags, or <tool_", hermes, Reply{Content: "use <tool_call> tags, or <tool_"}},
	{"hermes no name", "<tool_call>{\"x\":1}</tool_call>", hermes, Reply{Content: "<tool_call>{\"x\":1}</tool_call>"}},
	{"coder", "<tool_call>\n<function=f>\n<parameter=a>\nline 1\nline 2\n</parameter>\n<parameter=n>\n3\n</parameter>\n</function>\n</tool_call>", hermes,
		Reply{ToolCalls: calls("f", `{"a": "line 1\nline 2", "n": 3}`)}},

	{"llama", `{"name": "f", "parameters": {"a": 1}}`, llama3, Reply{ToolCalls: calls("f", `{"a": 1}`)}},
	{"llama two", "{\"name\": \"f\", \"parameters\": {}}; {\"type\": \"function\", \"name\": \"g\", \"parameters\": {\"b\": [1]}}", llama3, Reply{ToolCalls: calls("f", "{}", "g", `{"b": [1]}`)}},
	{"llama typed", `{"type": "function", "function": {"name": "g", "arguments": {}}}`, llama3, Reply{ToolCalls: calls("g", "{}")}},
	{"llama tag", "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}", llama3, Reply{ToolCalls: calls("f", "{}")}},
	{"llama builtin", `<|python_tag|>brave_search.call(query="a, b=\"c\"", n=2)`, llama3, Reply{ToolCalls: calls("brave_search", `{"query": "a, b=\"c\"", "n": 2}`)}},
	{"llama code", "<|python_tag|>print(1)\nx = {}", llama3, Reply{ToolCalls: calls("python", `{"code": "print(1)\nx = {}"}`)}},
	{"llama json answer", `{"answer": 42}`, llama3, Reply{Content: `{"answer": 42}`}},
	{"llama named answer", `{"name": "Bob", "age": 3} is it`, llama3, Reply{Content: `{"name": "Bob", "age": 3} is it`}},
	{"llama later", `See {"name": "f", "parameters": {}}`, llama3, Reply{Content: `See {"name": "f", "parameters": {}}`}},

	{"mistral", `[TOOL_CALLS] [{"name": "f", "arguments": {"a": "]"}, "id": "abcdefghi"}, {"name": "g", "arguments": {}}]`, mistral,
		Reply{ToolCalls: []ToolCall{{ID: "abcdefghi", Name: "f", Arguments: json.RawMessage(`{"a": "]"}`)}, {Name: "g", Arguments: json.RawMessage("{}")}}}},
	{"mistral named", `Hm. [TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g-2[CALL_ID]xy12[ARGS]{}`, mistral,
		Reply{Content: "Hm.", ToolCalls: []ToolCall{{Name: "f", Arguments: json.RawMessage(`{"a": 1}`)}, {ID: "xy12", Name: "g-2", Arguments: json.RawMessage("{}")}}}},
	{"mistral bad", `[TOOL_CALLS] what [1]`, mistral, Reply{Content: `[TOOL_CALLS] what [1]`}},
	{"mistral not calls", `[TOOL_CALLS] [1, 2] x`, mistral, Reply{Content: `[TOOL_CALLS] [1, 2] x`}},

	{"deepseek", "A\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": \"é```\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", deepseek,
		Reply{Content: "A", ToolCalls: calls("f", "{\"a\": \"é```\"}", "g", "{}")}},
	{"deepseek 3.1", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": 1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", deepseek, Reply{ToolCalls: calls("f", `{"a": 1}`)}},
	{"deepseek bad", "x <｜tool▁call▁begin｜>f<｜tool▁sep｜>[1] y", deepseek, Reply{Content: "x <｜tool▁call▁begin｜>f<｜tool▁sep｜>[1] y"}},
}

func TestReply(t *testing.T) {
	for _, c := range replyCases {
		t.Run(c.name, func(t *testing.T) {
			got := ParseReply(c.text, c.o)
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%q\ngot  %s\nwant %s", c.text, show(got), show(c.want))
			}
			for n := 1; n <= 7; n++ {
				if got := chunked(c.text, n, c.o, t); !reflect.DeepEqual(got, c.want) {
					t.Errorf("%q in pieces of %d\ngot  %s\nwant %s", c.text, n, show(got), show(c.want))
				}
			}
		})
	}
}

func show(r Reply) string {
	b, _ := json.Marshal(r)
	return string(b)
}

// chunked parses text in pieces of n bytes and checks that nothing but calls
// holds a delta back without need.
func chunked(text string, n int, o ParserOptions, t testing.TB) Reply {
	p := NewParser(o)
	var c collector
	for text != "" {
		k := min(n, len(text))
		c.add(p.Write(text[:k]))
		text = text[k:]
	}
	c.add(p.Close())
	if more := p.Close(); len(more) > 0 {
		t.Errorf("a second Close gives %v", more)
	}
	return c.reply()
}

func TestReplyStreams(t *testing.T) {
	p := NewParser(hermes)
	var got []string
	for _, s := range []string{"<thi", "nk>a", "b ", "c</", "think>", "\n\nHi", " there", " <tool", " x"} {
		text := ""
		for _, d := range p.Write(s) {
			text += d.Text
		}
		got = append(got, text)
	}
	want := []string{"", "a", "b", " c", "", "Hi", " there", "", " <tool x"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReplyHeldIsBounded(t *testing.T) {
	text := "<tool_call>{\"name\": \"" + strings.Repeat("x", 2*maxHeld)
	p := NewParser(hermes)
	out := 0
	for i := 0; i < len(text); i += 1024 {
		for _, d := range p.Write(text[i:min(i+1024, len(text))]) {
			out += len(d.Text)
		}
		if held := i - out; held > maxHeld+2048 {
			t.Fatalf("%d bytes held, want at most %d", held, maxHeld)
		}
	}
	if r := ParseReply(text, hermes); r.Content != text {
		t.Errorf("got %d bytes of content, want %d", len(r.Content), len(text))
	}
}

func TestDetectFormat(t *testing.T) {
	for file, want := range map[string]Format{
		"Qwen-QwQ-32B.jinja":                             FormatHermes,
		"Qwen-Qwen2.5-7B-Instruct.jinja":                 FormatHermes,
		"Qwen-Qwen3-0.6B.jinja":                          FormatHermes,
		"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja": FormatDeepSeek,
		"meta-llama-Llama-3.2-3B-Instruct.jinja":         FormatLlama3,
	} {
		if got := DetectFormat(loadTemplate(t, file).Source()); got != want {
			t.Errorf("%s: got %v, want %v", file, got, want)
		}
	}
	if got := DetectFormat("{{ messages }}"); got != FormatNone {
		t.Errorf("got %v, want none", got)
	}
}

func FuzzReply(f *testing.F) {
	for _, c := range replyCases {
		f.Add(c.text, uint8(c.o.Format), c.o.InThink, uint64(0x5a5a))
	}
	f.Fuzz(func(t *testing.T, text string, format uint8, inThink bool, cuts uint64) {
		o := ParserOptions{Format: Format(format % 5), InThink: inThink}
		want := ParseReply(text, o)
		p := NewParser(o)
		var c collector
		for rest := text; rest != ""; {
			n := min(1+int(cuts%9), len(rest))
			cuts = cuts>>3 | cuts<<61
			c.add(p.Write(rest[:n]))
			rest = rest[n:]
		}
		c.add(p.Close())
		if got := c.reply(); !reflect.DeepEqual(got, want) {
			t.Errorf("%q\nin pieces %s\nwhole     %s", text, show(got), show(want))
		}
		for _, call := range want.ToolCalls {
			if call.Name == "" || !json.Valid(call.Arguments) {
				t.Errorf("%q: bad call %+v", text, call)
			}
		}
	})
}
