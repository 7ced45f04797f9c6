package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
	"github.com/qwq-edge/qwq/runtime/sample"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plainTemplate marks turns with texts that the test tokenizer reads as such.
const plainTemplate = `{% for m in messages %}[{{ m.role }}]{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.name }}</tool_call>{% endfor %}{% endfor %}` +
	`{% if tools %}{{ tools | tojson }}{% endif %}{% if add_generation_prompt %}[assistant]{% endif %}`

// open is a random SentencePiece model with a template, "" for none.
func open(t *testing.T, template string, o engine.Options) *engine.Model {
	t.Helper()
	spec := modeltest.Spec{Tokenizer: true}
	if template != "" {
		spec.KVs = []gguf.KV{{Key: "tokenizer.chat_template", Value: gguf.String(template)}}
	}
	m, err := engine.Open(modeltest.Write(t, spec), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if used, _ := m.Pages(); used != 0 {
			t.Errorf("%d KV pages leaked", used)
		}
		m.Close()
	})
	return m
}

func begin(t *testing.T, m *engine.Model, o Options) *Session {
	t.Helper()
	s, err := New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

type heard struct {
	text, notices string
	stats         Stats
	err           error
}

func listen(ask func(func(Event, error) bool)) heard {
	var h heard
	for e, err := range ask {
		switch {
		case err != nil:
			h.err = err
		case e.Kind == Notice:
			h.notices += e.Text
		case e.Kind == Done:
			h.stats = *e.Stats
		default:
			h.text += e.Text
		}
	}
	return h
}

func demoModel(t *testing.T, o engine.Options) *engine.Model {
	t.Helper()
	f, err := gguf.Parse(demo.Model())
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.New(f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(); f.Close() })
	return m
}

// TestPrefix: the second turn reads only what is new, and says what a
// conversation without a cache says.
func TestPrefix(t *testing.T) {
	for name, m := range map[string]*engine.Model{"spm": open(t, plainTemplate, engine.Options{Context: 400, Sequences: 1}),
		"bpe": demoModel(t, engine.Options{Context: 400, Sequences: 1})} {
		t.Run(name, func(t *testing.T) {
			o := Options{MaxTokens: 12, Sampling: sample.Options{Temperature: 0.8, Seed: 3}}
			s := begin(t, m, o)
			one := listen(s.Ask(t.Context(), "the cat sat on the mat"))
			two := listen(s.Ask(t.Context(), "and the dog"))
			if one.err != nil || two.err != nil || one.stats.Cached != 0 || one.stats.Generated == 0 {
				t.Fatalf("%+v\n%+v", one, two)
			}
			if least := one.stats.Prompt; two.stats.Cached < least-1 || two.stats.Prompt <= two.stats.Cached {
				t.Errorf("cached %d of %d, want at least the %d of the first prompt", two.stats.Cached, two.stats.Prompt, least)
			}
			before := s.Messages()
			o.Sampling.Seed++ // of the second answer
			fresh := begin(t, m, o)
			s.Close() // one sequence is all that fits
			fresh.messages = slices.Clone(before[:2])
			if name == "spm" { // the ids of a text that was tokenized anew
				if got := listen(fresh.Ask(t.Context(), "and the dog")); got.text != two.text || got.stats.Cached != 0 {
					t.Errorf("without a cache %q, with %q", got.text, two.text)
				}
			}
		})
	}
}

// TestTrim: whole turns go from the oldest on, the system prompt stays.
func TestTrim(t *testing.T) {
	m := open(t, plainTemplate, engine.Options{Context: 160, Sequences: 1})
	s := begin(t, m, Options{System: "S Y S", MaxTokens: 8})
	notices := ""
	for i := range 12 {
		h := listen(s.Ask(t.Context(), strings.Repeat("the cat ", 6)))
		if h.err != nil {
			t.Fatal(i, h.err)
		}
		notices += h.notices
		if h.stats.Used > 160 {
			t.Fatalf("turn %d uses %d of 160", i, h.stats.Used)
		}
	}
	if !strings.Contains(notices, "oldest turns are dropped") || !strings.Contains(notices, "the context of 160 tokens is full") {
		t.Errorf("notices %q", notices)
	}
	if len(s.Messages()) != 24 || s.first == 0 || s.messages[s.first].Role != "user" {
		t.Errorf("%d messages kept, window from %d", len(s.Messages()), s.first)
	}
	if text, err := s.text(s.messages[s.first:]); err != nil || !strings.HasPrefix(text, "[system]S Y S[user]") {
		t.Errorf("prompt %q, %v", text, err)
	}
	n := len(s.Messages())
	var long *TooLongError
	if h := listen(s.Ask(t.Context(), strings.Repeat("the cat ", 200))); !errors.As(h.err, &long) || long.Context != 160 || long.Tokens < 160 {
		t.Errorf("a message beyond the context: %v", h.err)
	}
	if len(s.Messages()) != n {
		t.Errorf("the refused message stayed")
	}
}

func TestAgainAndInterrupt(t *testing.T) {
	m := open(t, plainTemplate, engine.Options{Context: 400, Sequences: 1})
	s := begin(t, m, Options{MaxTokens: 16, Sampling: sample.Options{Temperature: 2, LogitBias: map[int32]float32{2: -1000}}}) // no end
	if h := listen(s.Again(t.Context())); !errors.Is(h.err, ErrNothing) {
		t.Errorf("again at the beginning: %v", h.err)
	}
	one := listen(s.Ask(t.Context(), "the cat"))
	two := listen(s.Again(t.Context()))
	if one.text == two.text || two.stats.Cached != two.stats.Prompt-1 || len(s.Messages()) != 2 {
		t.Errorf("again: %q then %q, %d of %d cached, %d messages", one.text, two.text, two.stats.Cached, two.stats.Prompt, len(s.Messages()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var got heard
	for e, err := range s.Ask(ctx, "the dog") {
		if err != nil {
			t.Fatal(err)
		}
		if got.text += e.Text; len(got.text) > 3 {
			cancel()
		}
		if e.Kind == Done {
			got.stats = *e.Stats
		}
	}
	cancel()
	if got.stats.Finish != FinishInterrupted || len(s.Messages()) != 4 {
		t.Errorf("interrupted: %+v, %d messages", got.stats, len(s.Messages()))
	}
	if listen(s.Ask(ctx, "late")); len(s.Messages()) != 4 {
		t.Errorf("a message that got no answer stayed: %d messages", len(s.Messages()))
	}
	for _, err := range s.Ask(t.Context(), "the end") {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if len(s.Messages()) != 6 {
		t.Errorf("left early: %d messages", len(s.Messages()))
	}
}

func TestContinue(t *testing.T) {
	s := begin(t, open(t, "", engine.Options{Context: 300, Sequences: 1}), Options{System: "Story:", MaxTokens: 5})
	listen(s.Ask(t.Context(), "the cat"))
	answer := s.Messages()[1].Content.String()
	listen(s.Ask(t.Context(), "the dog"))
	if text, _ := s.text(s.messages[:3]); text != "Story:\nthe cat"+answer+"\nthe dog" {
		t.Errorf("continued as %q", text)
	}
}

func TestTools(t *testing.T) {
	m := open(t, plainTemplate, engine.Options{Context: 400, Sequences: 1})
	s := begin(t, m, Options{MaxTokens: 4, Tools: []json.RawMessage{json.RawMessage(`{"type":"function","function":{"name":"f"}}`)}})
	calls := []chat.ToolCall{{ID: "a", Name: "f", Arguments: json.RawMessage(`{"x":1}`)}, {ID: "b", Name: "g", Arguments: json.RawMessage(`{}`)}}
	s.messages = []chat.Message{{Role: "user", Content: chat.Text("q")}, {Role: "assistant", ToolCalls: calls}}
	if h := listen(s.Ask(t.Context(), "result one")); h.err != nil || h.text != "" || len(s.Pending()) != 1 || s.Pending()[0].Name != "g" {
		t.Errorf("first result: %+v, pending %v", h, s.Pending())
	}
	if h := listen(s.Ask(t.Context(), "result two")); h.err != nil || h.stats.Generated == 0 || s.Pending() != nil {
		t.Errorf("second result: %+v", h)
	}
	if r := s.messages[3]; r.Role != "tool" || r.ToolCallID != "b" || r.Content.String() != "result two" {
		t.Errorf("tool message %+v", r)
	}
	var b bytes.Buffer
	if err := s.Save(&b); err != nil {
		t.Fatal(err)
	}
	other := begin(t, m, Options{})
	if err := other.Load(bytes.NewReader(b.Bytes())); err != nil {
		t.Fatal(err)
	}
	want, _ := s.text(s.messages)
	other.Options.Tools = s.Options.Tools
	if got, err := other.text(other.messages); err != nil || got != want {
		t.Errorf("loaded %q, %v, want %q", got, err, want)
	}
	for _, bad := range []string{"", "{}", `[{"role":"admin","content":"x"}]`, `[1]`} {
		if err := other.Load(strings.NewReader(bad)); err == nil || len(other.Messages()) != len(s.Messages()) {
			t.Errorf("load %q: %v, %d messages", bad, err, len(other.Messages()))
		}
	}
}

func TestReasoning(t *testing.T) {
	s := &Session{template: &chat.Template{}}
	r := &reply{s: s, parser: s.parser("…<think>\n")}
	var kinds []Kind
	for _, piece := range []string{"so ", "it is</thi", "nk>\n\nblue", " sky"} {
		r.pass(r.split(piece), func(e Event, _ error) bool { kinds = append(kinds, e.Kind); return true })
	}
	r.pass(r.parser.Close(), func(Event, error) bool { return true })
	if m := r.message(); m.ReasoningContent != "so it is" || m.Content.String() != "blue sky" || kinds[0] != Reasoning || kinds[len(kinds)-1] != Content {
		t.Errorf("got %+v, kinds %v", m, kinds)
	}
}

// TestSystem: a template that knows no system role gets it in the first
// message.
func TestSystem(t *testing.T) {
	m := open(t, `{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}<{{ m.content }}>{% endfor %}`, engine.Options{})
	s := begin(t, m, Options{System: "be brief"})
	if text, err := s.text([]chat.Message{{Role: "user", Content: chat.Text("hi")}}); err != nil || text != "<be brief\n\nhi>" {
		t.Errorf("%q, %v", text, err)
	}
}
