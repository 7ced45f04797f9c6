package chat_test

import (
	"encoding/json"
	"fmt"

	"github.com/qwq-edge/qwq/runtime/chat"
)

func ExampleTemplate_Chat() {
	t, err := chat.Parse("chatml", `{%- for m in messages %}
<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	prompt, err := t.Chat([]chat.Message{
		{Role: "system", Content: chat.Text("Be brief.")},
		{Role: "user", Content: chat.Text("Hello!")},
	}, chat.RenderOptions{AddGenerationPrompt: true})
	fmt.Println(prompt, err)
	// Output:
	// <|im_start|>system
	// Be brief.<|im_end|>
	// <|im_start|>user
	// Hello!<|im_end|>
	// <|im_start|>assistant
	//  <nil>
}

func ExampleTemplate_Render() {
	t, err := chat.Parse("tools", `{% for t in tools %}{{ t.function.name | upper }}: {{ t | tojson }}{% endfor %}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := t.Render(chat.Context{"tools": json.RawMessage(`[{"type": "function", "function": {"name": "add"}}]`)})
	fmt.Println(out, err)
	_, err = t.Render(chat.Context{"tools": 5})
	fmt.Println(err)
	// Output:
	// ADD: {"type": "function", "function": {"name": "add"}} <nil>
	// chat: template "tools" line 1: tools: "int" object is not iterable
}

func ExampleParser() {
	p := chat.NewParser(chat.ParserOptions{Format: chat.FormatHermes})
	show := func(deltas []chat.Delta) {
		for _, d := range deltas {
			switch d.Kind {
			case chat.DeltaReasoning:
				fmt.Printf("thinks %q\n", d.Text)
			case chat.DeltaContent:
				fmt.Printf("says %q\n", d.Text)
			case chat.DeltaToolCall:
				fmt.Printf("calls %s %s\n", d.Call.Name, d.Call.Arguments)
			}
		}
	}
	for _, s := range []string{"<think>\nA ci", "ty.</th", "ink>\n\nLet me see.\n<tool", `_call>{"name": "weather", `, `"arguments": {"city": "Oslo"}}</tool_call>`} {
		show(p.Write(s))
	}
	show(p.Close())
	// Output:
	// thinks "A ci"
	// thinks "ty."
	// says "Let me see."
	// calls weather {"city": "Oslo"}
}
