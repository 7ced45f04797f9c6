package repl

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"go.uber.org/goleak"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/engine/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func talk(t *testing.T, o session.Options) *REPL {
	t.Helper()
	f, err := gguf.Parse(demo.Model())
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.New(f, engine.Options{Threads: 1, Sequences: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); m.Close(); f.Close() })
	return &REPL{Session: s, Think: Dim, Model: "demo"}
}

func TestCommands(t *testing.T) {
	r := talk(t, session.Options{MaxTokens: 4})
	file := filepath.Join(t.TempDir(), "talk.json")
	tools := filepath.Join(t.TempDir(), "tools.json")
	if err := os.WriteFile(tools, []byte(`[{"type":"function"}]`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ in, text, err string }{
		{"/help", "/regenerate", ""},
		{"/hepl", "", "did you mean /help?"},
		{"/zzzzzzz", "", "/help lists them"},
		{"/system", "there is no system prompt", ""},
		{"/system Be brief.", "system prompt set", ""},
		{"/system", "Be brief.", ""},
		{"/set temp 0.5", "temp is 0.5", ""},
		{"/set temp -1", "", `temp "-1"`},
		{"/set top-k x", "", `top-k "x"`},
		{"/set seed 9", "seed is 9", ""},
		{"/set think loud", "", "show, dim, fold or hide"},
		{"/set think fold", "think is fold", ""},
		{"/set colour red", "", `no "colour"`},
		{"/set", "temp 0.5, top-k 0, top-p 0, min-p 0, repeat-penalty 0, seed 9, max-tokens 4, think fold", ""},
		{"/stats", "no answer yet; the context holds 512 tokens", ""},
		{"/save", "", "/save needs a file"},
		{"/save " + file, "0 messages saved", ""},
		{"/load " + file + ".none", "", "no such file"},
		{"/load " + file, "0 messages from", ""},
		{"/tools", "no tools", ""},
		{"/tools " + tools, "", "knows no tools"},
		{"/tools off", "no tools", ""},
		{"/system off", "removed", ""},
		{"/reset", "forgotten", ""},
	} {
		o, err := r.Input(c.in)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || !strings.Contains(o.Text, c.text) || o.Ask != nil || o.Quit {
			t.Errorf("%s: %q, %v, want %q, %q", c.in, o.Text, err, c.text, c.err)
		}
	}
	if o, err := r.Input("/quit"); err != nil || !o.Quit {
		t.Error("/quit does not")
	}
	if o, err := r.Input("//help me"); err != nil || o.Ask == nil {
		t.Error("two slashes are no message")
	}
}

func TestPlain(t *testing.T) {
	r := talk(t, session.Options{MaxTokens: 5})
	var out, notes bytes.Buffer
	s := Streams{In: strings.NewReader("Once upon\\\na time\n\n//slash\n/stats\n/quit\nnever\n"), Out: &out, Talk: &notes, Name: "qwq"}
	if err := r.Plain(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	m := r.Session.Messages()
	if len(m) != 4 || m[0].Content.String() != "Once upon\na time" || m[2].Content.String() != "/slash" {
		t.Errorf("messages %+v", m)
	}
	if want := m[1].Content.String() + "\n" + m[3].Content.String() + "\ncontext "; !strings.HasPrefix(out.String(), want) || notes.Len() > 0 {
		t.Errorf("got %q and notes %q, want %q", out.String(), notes.String(), want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	silent, end := io.Pipe() // nobody writes: waiting is interrupted
	s.In = silent
	if err := r.Plain(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	end.Close()
}

// TestThink: what each way of showing reasoning prints where.
func TestThink(t *testing.T) {
	events := []session.Event{{Kind: session.Reasoning, Text: "hm "}, {Kind: session.Reasoning, Text: "so", Tokens: 2}, {Kind: session.Content, Text: "blue"},
		{Kind: session.Call, Call: &chat.ToolCall{Name: "f", Arguments: []byte(`{"x":1}`)}}, {Kind: session.Notice, Text: "full"}}
	for think, want := range map[Think][2]string{
		Show: {"<think>\nhm so\n</think>\n\nblue→ f({\"x\":1})\n", "qwq: full\n"},
		Dim:  {"blue→ f({\"x\":1})\n", "hm so\nqwq: full\n"},
		Fold: {"blue→ f({\"x\":1})\n", "qwq: thought for 2 tokens, --think show prints them\nqwq: full\n"},
		Hide: {"blue→ f({\"x\":1})\n", "qwq: full\n"},
	} {
		var out, notes bytes.Buffer
		p := printer{r: &REPL{Think: think}, s: Streams{Out: &out, Talk: &notes, Name: "qwq"}}
		for _, e := range events {
			if err := p.event(e); err != nil {
				t.Fatal(err)
			}
		}
		if out.String() != want[0] || notes.String() != want[1] {
			t.Errorf("%s: %q and %q, want %q", think, out.String(), notes.String(), want)
		}
	}
}

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "history")
	h, err := OpenHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := OpenHistory(path)
	for _, s := range []string{"one", "one", "", "two\nlines"} {
		if err := h.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Add("from elsewhere"); err != nil {
		t.Fatal(err)
	}
	h, err = OpenHistory(path)
	if want := []string{"one", "two\nlines", "from elsewhere"}; err != nil || !reflect.DeepEqual(h.entries, want) {
		t.Errorf("%q, %v, want %q", h.entries, err, want)
	}
	if i, err := os.Stat(filepath.Dir(path)); err != nil || i.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode: %v %v", i.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("broken\n\"good\"\n\"cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	if h, err = OpenHistory(path); err != nil || !reflect.DeepEqual(h.entries, []string{"good"}) {
		t.Errorf("a broken file: %q, %v", h.entries, err)
	}
}

// screen drives a UI without a terminal: commands run at once, what is printed
// is kept.
type screen struct {
	t       *testing.T
	u       *UI
	printed []string
	quit    bool
}

func newScreen(t *testing.T, r *REPL, h *History) *screen {
	s := &screen{t: t, u: NewUI(t.Context(), r, h, false)}
	s.u.print = func(a ...any) tea.Cmd {
		return func() tea.Msg { s.printed = append(s.printed, a[0].(string)); return nil }
	}
	t.Cleanup(s.u.end)
	s.send(tea.WindowSizeMsg{Width: 60, Height: 20})
	return s
}

func (s *screen) send(m tea.Msg) {
	_, cmd := s.u.Update(m)
	s.run(cmd)
}

// run runs a command and what it leads to, in order; ticks only once.
func (s *screen) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	m := cmd()
	v := reflect.ValueOf(m)
	switch {
	case m == nil:
	case v.Kind() == reflect.Slice && v.Type().Elem() == reflect.TypeFor[tea.Cmd]():
		for i := range v.Len() {
			s.run(v.Index(i).Interface().(tea.Cmd))
		}
	default:
		switch m := m.(type) {
		case tea.QuitMsg:
			s.quit = true
		case tickMsg:
			_, _ = s.u.Update(m)
		case pieceMsg, endMsg:
			s.send(m)
		}
	}
}

func (s *screen) keys(keys ...string) {
	for _, k := range keys {
		var m tea.KeyPressMsg
		switch k {
		case "enter":
			m = tea.KeyPressMsg{Code: tea.KeyEnter}
		case "alt+enter":
			m = tea.KeyPressMsg{Code: tea.KeyEnter, Mod: tea.ModAlt}
		case "up":
			m = tea.KeyPressMsg{Code: tea.KeyUp}
		case "down":
			m = tea.KeyPressMsg{Code: tea.KeyDown}
		case "ctrl+c", "ctrl+d":
			m = tea.KeyPressMsg{Code: rune(k[5]), Mod: tea.ModCtrl}
		default:
			for _, c := range k {
				s.send(tea.KeyPressMsg{Code: c, Text: string(c)})
			}
			continue
		}
		s.send(m)
	}
}

func (s *screen) has(want string) {
	s.t.Helper()
	if all := strings.Join(s.printed, "\n") + "\n--\n" + s.u.View().Content; !strings.Contains(all, want) {
		s.t.Errorf("no %q in\n%s", want, all)
	}
}

func TestUI(t *testing.T) {
	r := talk(t, session.Options{MaxTokens: 8})
	h, _ := OpenHistory(filepath.Join(t.TempDir(), "history"))
	s := newScreen(t, r, h)
	if h := s.u.hello(); !strings.Contains(h, "demo, context 512 tokens") {
		t.Errorf("the first line is %q", h)
	}
	s.keys("Once upon", "alt+enter", "a time", "enter")
	m := r.Session.Messages()
	if len(m) != 2 || m[0].Content.String() != "Once upon\na time" {
		t.Fatalf("messages %+v", m)
	}
	s.has("> Once upon\n  a time")
	s.has(m[1].Content.String())
	s.has("/512 (")
	s.keys(`The\`, "enter", "dog", "enter")
	if m = r.Session.Messages(); len(m) != 4 || m[2].Content.String() != "The\ndog" {
		t.Errorf("a line end after a backslash: %+v", m)
	}
	s.keys("draft", "up", "up")
	if v := s.u.input.Value(); v != "The\ndog" { // the first up goes to the entry's last line, the second within it
		t.Errorf("history shows %q", v)
	}
	s.keys("ctrl+c")
	if s.u.input.Value() != "" || s.quit {
		t.Error("Ctrl-C does not clear the input")
	}
	s.keys("/nothing", "enter")
	s.has("error: unknown command /nothing")
	s.keys("ctrl+c")
	s.has("press Ctrl-C again")
	s.keys("x", "ctrl+c", "ctrl+c")
	if s.quit {
		t.Error("one Ctrl-C on an empty line quits")
	}
	s.keys("ctrl+c")
	if !s.quit {
		t.Error("two do not")
	}
	s.quit = false
	s.keys("ctrl+d")
	if !s.quit || strings.Contains(s.u.View().Content, ">") {
		t.Error("Ctrl-D does not quit")
	}
}

// TestUIStop: Ctrl-C stops the answer and not the program; Enter waits.
func TestUIStop(t *testing.T) {
	r := talk(t, session.Options{})
	s := newScreen(t, r, &History{})
	s.u.input.SetValue("Tell me a story")
	_, cmd := s.u.Update(tea.KeyPressMsg{Code: tea.KeyEnter}) // nothing is read from the answer yet
	s.has("Ctrl-C stops")
	s.u.input.SetValue("more")
	s.keys("enter")
	s.has("an answer is being written")
	s.u.input.Reset()
	s.keys("ctrl+c")
	s.run(cmd)
	s.has("(stopped)")
	if s.quit || s.u.pieces != nil {
		t.Error("the program quits, or the answer goes on")
	}
}

func TestUIThink(t *testing.T) {
	for think, want := range map[Think]string{Show: "one\ntwo\n\nblue", Dim: "one\ntwo\n\nblue", Hide: "blue", Fold: "▸ thought for"} {
		r := talk(t, session.Options{})
		r.Think = think
		s := newScreen(t, r, &History{})
		s.printed = nil
		s.send(pieceMsg{event: session.Event{Kind: session.Reasoning, Text: "one\ntw", Tokens: 1}})
		if think == Fold {
			s.has("thinking … 1 tokens")
		}
		s.send(pieceMsg{event: session.Event{Kind: session.Reasoning, Text: "o"}})
		s.send(pieceMsg{event: session.Event{Kind: session.Content, Text: "blue"}})
		s.send(endMsg{errors.New("broken")})
		s.has(want)
		s.has("error: broken")
	}
}
