package chat

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
)

func TestCaps(t *testing.T) {
	for file, want := range map[string]Caps{
		"Qwen-QwQ-32B.jinja":                             {Tools: true, System: true, ToolCalls: true, OpensThink: true, ThinkSwitch: true},
		"Qwen-Qwen2.5-7B-Instruct.jinja":                 {Tools: true, System: true, ToolCalls: true},
		"Qwen-Qwen3-0.6B.jinja":                          {Tools: true, System: true, ToolCalls: true, ThinkSwitch: true},
		"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja": {System: true, ToolCalls: true, OpensThink: true, ThinkSwitch: true},
		"meta-llama-Llama-3.2-3B-Instruct.jinja":         {Tools: true, System: true, ToolCalls: true},
	} {
		if got := loadTemplate(t, file).Caps(); got != want {
			t.Errorf("%s: got %+v, want %+v", file, got, want)
		}
	}
	for src, want := range map[string]Caps{
		"{% for m in messages %}{{ m.content[0].text }}{% endfor %}":                                                                                                   {System: true, Parts: true, OnlyParts: true},
		"{% for m in messages %}{% for c in m.tool_calls %}{{ '' + c.function.arguments }}{% endfor %}{% endfor %}":                                                    {ToolCalls: true, StringArguments: true},
		"{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}{% endfor %}<think>\n": {System: true, Parts: true, OpensThink: true},
	} {
		tm, err := Parse("t", src)
		if err != nil {
			t.Fatal(err)
		}
		if got := tm.Caps(); got != want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", src, got, want)
		}
	}
}

// conversationOf turns a golden's context into what Chat takes.
func conversationOf(t *testing.T, data []byte) ([]Message, RenderOptions) {
	var c struct {
		Messages            []Message
		Tools               []json.RawMessage
		AddGenerationPrompt bool   `json:"add_generation_prompt"`
		BOS                 string `json:"bos_token"`
		EOS                 string `json:"eos_token"`
		EnableThinking      *bool  `json:"enable_thinking"`
	}
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	o := RenderOptions{AddGenerationPrompt: c.AddGenerationPrompt, Tools: c.Tools, BOS: c.BOS, EOS: c.EOS, Now: goldenNow}
	if c.EnableThinking != nil {
		o.Vars = map[string]any{"enable_thinking": *c.EnableThinking}
	}
	return c.Messages, o
}

// TestChat renders the goldens through Message and RenderOptions.
func TestChat(t *testing.T) {
	for _, c := range realCases(t) {
		messages, o := conversationOf(t, c.Context)
		got, err := loadTemplate(t, c.Template).Chat(messages, o)
		if (err != nil) != (c.Want == nil) {
			t.Errorf("%s %s: got error %v, want %q", c.Template, c.Conversation, err, c.Error)
			continue
		}
		if c.Want != nil && got != *c.Want {
			t.Errorf("%s %s:\ngot  %q\nwant %q", c.Template, c.Conversation, got, *c.Want)
		}
	}
}

func TestChatForms(t *testing.T) {
	call := []ToolCall{{ID: "1", Name: "f", Arguments: json.RawMessage(`"{\"a\": 1}"`)}}
	parts := Content{Parts: []Part{{Type: "text", Text: "a"}, {Type: "text", Text: "b"}}}
	for _, c := range []struct {
		name, src string
		m         Message
		want      string
	}{
		{"arguments from a JSON string", "{% for m in messages %}{{ m.tool_calls[0].function.arguments | tojson }}{% endfor %}", Message{ToolCalls: call}, `{"a": 1}`},
		{"arguments as text", "{% for m in messages %}{% for c in m.tool_calls %}{{ '' + c.function.arguments }}{% endfor %}{% endfor %}", Message{ToolCalls: call}, `{"a": 1}`},
		{"null content", "{% for m in messages %}{{ '<' + m.content + '>' }}{% endfor %}", Message{Content: Content{Null: true}}, "<>"},
		{"null stays", "{% for m in messages %}{{ m.content is none }}{% endfor %}", Message{Content: Content{Null: true}}, "True"},
		{"parts joined", "{% for m in messages %}{{ '<' + m.content + '>' }}{% endfor %}", Message{Content: parts}, "<ab>"},
		{"parts kept", "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}({{ p.text }}){% endfor %}{% endif %}{% endfor %}", Message{Content: parts}, "(a)(b)"},
		{"text wrapped", "{% for m in messages %}{{ m.content[0].text }}{% endfor %}", Message{Content: Text("x")}, "x"},
		{"tools undefined", "{% for t in tools %}{{ t }}{% endfor %}ok", Message{}, "ok"},
		{"reasoning", "{{ messages[0].reasoning_content }}{{ messages[0].thinking }}{{ messages[0].reasoning }}", Message{ReasoningContent: "r"}, "rr"},
	} {
		tm, err := Parse(c.name, c.src)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tm.Chat([]Message{c.m}, RenderOptions{})
		if err != nil || got != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestMessageJSON(t *testing.T) {
	const in = `{"role": "assistant", "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{\"b\": 1, \"a\": 2}"}}], "refusal": null, "z": {"k": [1]}}`
	var m Message
	if err := json.Unmarshal([]byte(in), &m); err != nil {
		t.Fatal(err)
	}
	tm, err := Parse("t", "{{ messages[0] | tojson }}")
	if err != nil {
		t.Fatal(err)
	}
	got, err := tm.Chat([]Message{m}, RenderOptions{})
	const want = `{"role": "assistant", "content": null, "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": 2}}}], "refusal": null, "z": {"k": [1]}}`
	if err != nil || got != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	for _, bad := range []string{`[]`, `{"role": 1}`, `{"content": 1}`, `{"content": [1]}`, `{"tool_calls": {}}`, `{"tool_calls": [{}]}`, `{"tool_calls": [1]}`} {
		if err := json.Unmarshal([]byte(bad), &m); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

// TestConcurrent renders one template from many goroutines; run it with -race.
func TestConcurrent(t *testing.T) {
	tm, err := Parse("t", "{% macro m(x) %}{% set y = x %}{{ y }}{% endmacro %}{% set ns = namespace(n=0) %}{% for i in range(50) %}{% set ns.n = ns.n + k %}{{ m(k) }}{% endfor %}{{ ns.n }}")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			want := strings.Repeat(string(rune('0'+k)), 50)
			for range 20 {
				got, err := tm.Render(Context{"k": k})
				if err != nil || !strings.HasPrefix(got, want) {
					t.Errorf("k=%d: got %q, %v", k, got, err)
					return
				}
				tm.Caps()
			}
		})
	}
	wg.Wait()
}
