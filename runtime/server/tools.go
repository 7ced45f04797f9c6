package server

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/chat"
)

// openAITools sets the tools of a task as OpenAI's chat and Ollama's API give them.
func (l *Loaded) openAITools(t *Task, tools []api.Tool, toolChoice json.RawMessage, parallel *bool) error {
	var list []function
	for i, tool := range tools {
		if tool.Type != "function" {
			return bad("tools", "tools[%d].type is %q, not function", i, tool.Type)
		}
		var f function
		if err := json.Unmarshal(tool.Function, &f); err != nil {
			return bad("tools", "tools[%d].function is not the description of a function: %v", i, err)
		}
		b, err := json.Marshal(tool)
		if err != nil {
			return bad("tools", "tools[%d]: %v", i, err)
		}
		list, t.Tools = append(list, f), append(t.Tools, b)
	}
	c, err := readChoice(toolChoice)
	if err != nil {
		return err
	}
	c.one = parallel != nil && !*parallel
	return l.tools(t, list, c)
}

// readChoice reads OpenAI's tool_choice: a word, or an object that names a function (in
// the responses API without an object around the name).
func readChoice(b json.RawMessage) (choice, error) {
	var word string
	if len(b) == 0 || string(b) == "null" {
		return choice{}, nil
	}
	if json.Unmarshal(b, &word) == nil {
		switch word {
		case choiceAuto, choiceNone, choiceRequired:
			return choice{mode: word}, nil
		}
		return choice{}, bad("tool_choice", "tool_choice is %.100q, not none, auto, required or a function", word)
	}
	var named struct {
		Type     string `json:"type"`
		Name     string `json:"name"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if json.Unmarshal(b, &named) != nil || named.Type != "function" || named.Name+named.Function.Name == "" {
		return choice{}, bad("tool_choice", `tool_choice must be none, auto, required or {"type":"function","function":{"name":…}}`)
	}
	return choice{mode: choiceRequired, name: named.Name + named.Function.Name}, nil
}

// tools checks the functions that a task may call, and restricts its answer to calls
// where they are required. t.Tools has their definitions.
func (l *Loaded) tools(t *Task, list []function, c choice) error {
	if len(list) > mostTools {
		return bad("tools", "%d tools, at most %d", len(list), mostTools)
	}
	seen := map[string]bool{}
	for i, f := range list {
		if err := checkName(f.Name); err != nil {
			return bad("tools", "tools[%d]: %v", i, err)
		}
		if seen[f.Name] {
			return bad("tools", "tools[%d]: there are two functions %s", i, f.Name)
		}
		seen[f.Name] = true
	}
	if c.mode == choiceNone {
		t.Tools = nil
	}
	if len(t.Tools) == 0 {
		if c.mode == choiceRequired {
			return bad("tool_choice", "tool_choice requires a call and the request has no tools")
		}
		l.tellTools(t)
		return nil
	}
	if l.Vocabulary == nil {
		return bad("tools", "the model file has no tokenizer: it cannot be told of tools")
	}
	if c.name != "" && !seen[c.name] {
		return bad("tool_choice", "tool_choice names %q, which is no tool of the request", c.name)
	}
	t.One, t.Format = c.one, l.Format
	if t.Format == chat.FormatNone {
		t.Format = chat.FormatHermes
	}
	l.tellTools(t)
	t.Calls = &callWish{format: t.Format, tags: l.coder, tools: list, choice: c}
	return nil
}

// tellTools writes tools, calls and their results into the messages where the template
// knows nothing of them, in the form of Hermes, which many models have met.
func (l *Loaded) tellTools(t *Task) {
	var caps chat.Caps
	if l.Template != nil {
		caps = l.Template.Caps()
	}
	if !caps.ToolCalls {
		for i := range t.Messages {
			hermes(&t.Messages[i])
		}
	}
	if caps.Tools || len(t.Tools) == 0 {
		return
	}
	var b strings.Builder
	b.WriteString("These functions can be called:\n<tools>\n")
	for _, tool := range t.Tools {
		b.Write(tool)
		b.WriteByte('\n')
	}
	b.WriteString("</tools>\nA call is written as:\n<tool_call>\n{\"name\": NAME, \"arguments\": OBJECT}\n</tool_call>")
	if len(t.Messages) > 0 && t.Messages[0].Role == "system" {
		t.Messages[0].Content = chat.Text(t.Messages[0].Content.String() + "\n\n" + b.String())
		return
	}
	t.Messages = append([]chat.Message{{Role: "system", Content: chat.Text(b.String())}}, t.Messages...)
}

// hermes writes a message's calls, or a tool's result, as text.
func hermes(m *chat.Message) {
	switch {
	case len(m.ToolCalls) > 0:
		text := m.Content.String()
		for _, c := range m.ToolCalls {
			name, _ := json.Marshal(c.Name)
			if text != "" {
				text += "\n"
			}
			text += "<tool_call>\n{\"name\": " + string(name) + ", \"arguments\": " + string(callObject(c)) + "}\n</tool_call>"
		}
		m.Content, m.ToolCalls = chat.Text(text), nil
	case m.Role == "tool", m.Role == "function":
		m.Role, m.Content = "user", chat.Text("<tool_response>\n"+m.Content.String()+"\n</tool_response>")
	case m.Content.Null:
		m.Content = chat.Text("")
	}
}

// callObject is a call's arguments as an object, where they are one inside a string too,
// without white space.
func callObject(c chat.ToolCall) json.RawMessage {
	args := []byte(c.Arguments)
	var text string
	if json.Unmarshal(args, &text) == nil && json.Valid([]byte(text)) {
		args = []byte(text)
	}
	var b bytes.Buffer
	if json.Compact(&b, args) != nil || b.Len() == 0 {
		return json.RawMessage("{}")
	}
	return b.Bytes()
}
