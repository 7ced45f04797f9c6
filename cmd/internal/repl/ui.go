package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/textarea"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/qwq-edge/qwq/cmd/internal/markdown"
	"github.com/qwq-edge/qwq/runtime/engine/session"
)

// UI is the conversation on a terminal. Lines that are complete are printed
// above and belong to the terminal's own scrolling; only the line that is being
// written, the input and the status line are drawn anew.
type UI struct {
	r     *REPL
	hist  *History
	input textarea.Model
	md    *markdown.Renderer
	width int
	high  int

	print func(...any) tea.Cmd // tea.Println; replaced in tests

	ctx    context.Context // of the program: answers end with it
	stop   context.CancelFunc
	pieces chan tea.Msg // of the running answer; nil: none
	began  time.Time
	clock  time.Duration // since began, as of the last tick
	stats  session.Stats

	line    string // of the answer, not complete yet
	thought thought
	note    string // in place of the status until the next key
	armed   bool   // Ctrl-C was pressed: the next one quits
	left    bool   // the program ends: only what was said stays
	at      int    // entry of the history that is shown; its length: the draft
	draft   string
}

// thought is the reasoning of the running answer.
type thought struct {
	on    bool
	line  string
	n     int
	since time.Time
}

// pieceMsg is a piece of the answer and where the session stands after it.
type pieceMsg struct {
	event session.Event
	stats session.Stats
}

// endMsg is the end of the answer.
type endMsg struct{ err error }

// tickMsg lets the clock go on while there is nothing else to show.
type tickMsg struct{}

// NewUI makes the model of a bubbletea program. hist may be empty, not nil.
func NewUI(ctx context.Context, r *REPL, hist *History, styled bool) *UI {
	in := textarea.New()
	in.Prompt, in.Placeholder = "> ", "a message, or /help"
	in.ShowLineNumbers, in.CharLimit = false, 0
	in.DynamicHeight, in.MinHeight, in.MaxHeight, in.MaxContentHeight = true, 1, 8, 10_000
	in.KeyMap.InsertNewline = key.NewBinding(key.WithKeys("alt+enter", "shift+enter", "ctrl+j"))
	in.SetVirtualCursor(false)
	styles := textarea.Styles{}
	if styled {
		styles.Focused.Placeholder = lipgloss.NewStyle().Faint(true)
		styles.Focused.Prompt = lipgloss.NewStyle().Bold(true)
	}
	in.SetStyles(styles)
	in.Focus()
	u := &UI{r: r, hist: hist, input: in, md: &markdown.Renderer{Styled: styled, Width: 80}, print: tea.Println, ctx: ctx, at: hist.Len()}
	u.resize(80, 24)
	return u
}

// Run shows the conversation on a terminal until the user leaves it or ctx
// ends.
func (u *UI) Run(out io.Writer, options ...tea.ProgramOption) error {
	if _, err := fmt.Fprintln(out, u.hello()); err != nil {
		return err
	}
	options = append([]tea.ProgramOption{tea.WithContext(u.ctx), tea.WithOutput(out), tea.WithoutSignalHandler()}, options...)
	_, err := tea.NewProgram(u, options...).Run()
	u.end()
	if u.ctx.Err() != nil {
		return u.ctx.Err()
	}
	if errors.Is(err, tea.ErrProgramKilled) {
		return errors.New("the terminal went away")
	}
	return err
}

// end stops a running answer and waits for it.
func (u *UI) end() {
	if u.pieces == nil {
		return
	}
	u.stop()
	for range u.pieces {
	}
	u.pieces = nil
}

// Init has nothing to begin with: what is printed above before the first frame
// would overwrite what stands on the terminal.
func (u *UI) Init() tea.Cmd { return nil }

// hello is what stands above the conversation.
func (u *UI) hello() string {
	return u.md.Dim(fmt.Sprintf("%s, context %d tokens. /help lists the commands, Ctrl-D leaves.", u.r.Model, u.r.Session.Stats().Context))
}

// Update takes a key, a piece of an answer or a new size.
func (u *UI) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		u.resize(msg.Width, msg.Height)
		return u, nil
	case tea.KeyPressMsg:
		u.note = ""
		if cmd, done := u.key(msg.String()); done {
			return u, cmd
		}
	case pieceMsg:
		u.stats = msg.stats
		return u, u.sequence(u.piece(msg.event), u.next())
	case endMsg:
		return u, u.sequence(u.finish(msg.err), nil)
	case tickMsg:
		if u.pieces == nil {
			return u, nil
		}
		u.clock = time.Since(u.began)
		return u, tick()
	}
	var cmd tea.Cmd
	u.input, cmd = u.input.Update(msg)
	return u, cmd
}

func (u *UI) resize(w, h int) {
	u.width, u.high = max(w, 20), max(h, 6)
	u.md.Width = u.width - 1
	u.input.SetWidth(u.width - 1)
}

// key handles the keys that are not the input field's.
func (u *UI) key(k string) (cmd tea.Cmd, done bool) {
	armed := u.armed
	u.armed = false
	switch k {
	case "ctrl+c":
		switch {
		case u.pieces != nil:
			u.stop()
			u.note = "stopping"
		case u.input.Value() != "":
			u.input.Reset()
			u.at = u.hist.Len()
		case armed:
			return u.quit(nil), true
		default:
			u.armed, u.note = true, "press Ctrl-C again, or Ctrl-D, to leave"
		}
		return nil, true
	case "ctrl+d":
		if u.input.Value() == "" {
			return u.quit(nil), true
		}
	case "enter":
		if rest, more := strings.CutSuffix(u.input.Value(), `\`); more {
			u.input.SetValue(rest + "\n")
			return nil, true
		}
		return u.enter(), true
	case "up":
		if u.input.Line() == 0 && u.at > 0 {
			u.browse(u.at - 1)
			return nil, true
		}
	case "down":
		if u.input.Line() == u.input.LineCount()-1 && u.at < u.hist.Len() {
			u.browse(u.at + 1)
			return nil, true
		}
	}
	return nil, false
}

// quit prints lines and leaves.
func (u *UI) quit(lines []string) tea.Cmd {
	u.left = true
	return u.sequence(lines, tea.Quit)
}

// browse shows an entry of the history.
func (u *UI) browse(to int) {
	if u.at == u.hist.Len() {
		u.draft = u.input.Value()
	}
	if u.at = to; to == u.hist.Len() {
		u.input.SetValue(u.draft)
		return
	}
	u.input.SetValue(u.hist.At(to))
}

// enter sends what was typed.
func (u *UI) enter() tea.Cmd {
	text := strings.TrimSpace(u.input.Value())
	if text == "" {
		return nil
	}
	if u.pieces != nil {
		u.note = "an answer is being written: Ctrl-C stops it"
		return nil
	}
	u.input.Reset()
	shown := []string{u.md.Bold("> " + strings.ReplaceAll(text, "\n", "\n  "))}
	if err := u.hist.Add(text); err != nil {
		shown = append(shown, u.md.Dim("the history is not kept: "+err.Error()))
	}
	u.at, u.draft = u.hist.Len(), ""
	o, err := u.r.Input(text)
	switch {
	case err != nil:
		shown = append(shown, u.md.Dim("error: "+err.Error()))
	case o.Quit:
		return u.quit(shown)
	case o.Text != "":
		shown = append(shown, u.md.Dim(o.Text))
	}
	u.stats = u.r.Session.Stats()
	if err != nil || o.Ask == nil {
		return u.sequence(shown, nil)
	}
	return u.sequence(shown, tea.Batch(u.start(o.Ask), tick()))
}

// start runs an answer beside the program; its pieces come as messages.
func (u *UI) start(ask func(context.Context) iter.Seq2[session.Event, error]) tea.Cmd {
	ctx, stop := context.WithCancel(u.ctx)
	pieces := make(chan tea.Msg)
	u.stop, u.pieces, u.began, u.clock = stop, pieces, time.Now(), 0
	u.line, u.thought = "", thought{}
	u.md.Reset()
	s := u.r.Session
	go func() {
		defer close(pieces)
		for e, err := range ask(ctx) {
			if err != nil {
				pieces <- endMsg{err}
				return
			}
			pieces <- pieceMsg{e, s.Stats()}
		}
		pieces <- endMsg{}
	}()
	return u.next()
}

// next waits for the next piece.
func (u *UI) next() tea.Cmd {
	pieces := u.pieces
	if pieces == nil {
		return nil
	}
	return func() tea.Msg { return <-pieces } // nil, which is nothing, when the program has ended
}

func tick() tea.Cmd {
	return tea.Tick(250*time.Millisecond, func(time.Time) tea.Msg { return tickMsg{} })
}

// sequence prints lines in order and goes on with then.
func (u *UI) sequence(lines []string, then tea.Cmd) tea.Cmd {
	if len(lines) == 0 {
		return then
	}
	return tea.Sequence(u.print(strings.Join(lines, "\n")), then)
}

// piece takes a piece of the answer and returns the lines that are complete.
func (u *UI) piece(e session.Event) (out []string) {
	if e.Kind == session.Reasoning {
		return u.reason(e)
	}
	out = u.endThought()
	switch e.Kind {
	case session.Content:
		u.line += e.Text
		for {
			line, rest, ok := strings.Cut(u.line, "\n")
			if !ok {
				return out
			}
			out, u.line = append(out, u.md.Line(line)), rest
		}
	case session.Call:
		return append(append(out, u.flush()...), u.md.Bold(callText(e)))
	case session.Notice:
		return append(append(out, u.flush()...), u.md.Dim("note: "+e.Text))
	}
	return out
}

// flush is the answer's last line.
func (u *UI) flush() []string {
	if u.line == "" {
		return nil
	}
	line := u.line
	u.line = ""
	return []string{u.md.Line(line)}
}

func (u *UI) reason(e session.Event) (out []string) {
	t := &u.thought
	if !t.on {
		*t = thought{on: true, since: time.Now()}
	}
	t.n = e.Tokens
	if u.r.Think != Show && u.r.Think != Dim {
		return nil
	}
	t.line += e.Text
	for {
		line, rest, ok := strings.Cut(t.line, "\n")
		if !ok {
			return out
		}
		out, t.line = append(out, u.reasonLine(line)), rest
	}
}

func (u *UI) reasonLine(line string) string {
	if u.r.Think == Show {
		return u.md.Line(line)
	}
	return u.md.Dim(line)
}

func (u *UI) endThought() (out []string) {
	t := u.thought
	u.thought = thought{}
	switch {
	case !t.on || u.r.Think == Hide:
	case u.r.Think == Fold:
		out = []string{u.md.Dim(fmt.Sprintf("▸ thought for %.1f s, %d tokens (/set think dim shows them)", time.Since(t.since).Seconds(), t.n))}
	default:
		if t.line != "" {
			out = append(out, u.reasonLine(t.line))
		}
		out = append(out, "")
	}
	return out
}

// finish ends the answer.
func (u *UI) finish(err error) []string {
	out := append(u.endThought(), u.flush()...)
	if err == nil && u.stats.Finish == session.FinishInterrupted {
		out = append(out, u.md.Dim("(stopped)"))
	}
	if err != nil {
		out = append(out, u.md.Dim("error: "+err.Error()))
	}
	u.end()
	u.stats, u.note = u.r.Session.Stats(), ""
	if note := u.r.pending(); note != "" {
		out = append(out, u.md.Dim(note))
	}
	return append(out, "")
}

// View draws what is not final yet, the input and the status.
func (u *UI) View() tea.View {
	var top []string
	switch {
	case u.thought.on && u.r.Think == Fold:
		top = []string{u.md.Dim(fmt.Sprintf("thinking … %d tokens", u.thought.n))}
	case u.thought.on && u.r.Think != Hide && u.thought.line != "":
		top = strings.Split(u.reasonLine(u.thought.line), "\n")
	case u.line != "":
		top = strings.Split(u.md.Preview(u.line), "\n")
	}
	if room := max(1, u.high-u.input.Height()-2); len(top) > room { // the rest of a long line is seen when it is printed
		top = top[len(top)-room:]
	}
	if u.left {
		return tea.NewView(strings.Join(append(top, ""), "\n"))
	}
	v := tea.NewView(strings.Join(append(top, u.input.View(), u.md.Dim(u.status())), "\n"))
	if c := u.input.Cursor(); c != nil {
		c.Y += len(top)
		v.Cursor = c
	}
	return v
}

// status is the last line: what is going on, speed and use of the context.
func (u *UI) status() string {
	if u.note != "" {
		return u.note
	}
	s := u.stats
	var parts []string
	if u.pieces != nil {
		switch {
		case s.Generated == 0 || s.Finish != "":
			parts = append(parts, fmt.Sprintf("reading %.0f s", u.clock.Seconds()))
		default:
			parts = append(parts, "writing")
		}
		parts = append(parts, "Ctrl-C stops")
	}
	if rate := s.Rate(); rate > 0 {
		parts = append(parts, fmt.Sprintf("%.1f tokens/s", rate))
	}
	if s.Context > 0 {
		parts = append(parts, fmt.Sprintf("context %d/%d (%d %%)", s.Used, s.Context, 100*s.Used/s.Context))
	}
	if len(parts) == 0 {
		return u.r.Model
	}
	return strings.Join(parts, " │ ")
}

// Styled reports whether a terminal should get colours and styles.
func Styled() bool { return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" }
