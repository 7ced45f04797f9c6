// Package top is the live view of a daemon on a terminal: what its models do, and how
// its machine is. It only looks.
package top

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/qwq-edge/qwq/runtime/api"
)

// history is how many looks the line of speeds goes back.
const history = 60

// View is what is shown. Rates are those between the last two looks.
type View struct {
	look  func(context.Context) (*api.Status, error)
	every time.Duration
	ctx   context.Context // of Run
	width int

	now    *api.Status
	at     time.Time
	models []rates
	speeds []float64 // tokens generated a second, all models, the oldest first
	err    error     // of the last look
}

// rates are tokens a second of a model.
type rates struct{ generated, read float64 }

// New makes a view that looks every so often; it has seen nothing yet.
func New(look func(context.Context) (*api.Status, error), every time.Duration) *View {
	return &View{look: look, every: every, ctx: context.Background(), width: 100}
}

// Take takes what a look has seen.
func (v *View) Take(s *api.Status, at time.Time) {
	old, seconds := v.now, at.Sub(v.at).Seconds()
	v.now, v.at, v.err = s, at, nil
	v.models = make([]rates, len(s.Models))
	if old == nil || seconds <= 0 {
		return
	}
	total := 0.0
	for i, m := range s.Models {
		for _, o := range old.Models {
			if o.Name != m.Name || !o.Since.Equal(m.Since) { // loaded anew: its counts began at 0
				continue
			}
			read := func(m api.ModelStatus) float64 { return float64(m.PromptTokens) - float64(m.CachedTokens) }
			v.models[i] = rates{max(0, float64(m.Generated)-float64(o.Generated)) / seconds, max(0, read(m)-read(o)) / seconds}
			total += v.models[i].generated
		}
	}
	if v.speeds = append(v.speeds, total); len(v.speeds) > history {
		v.speeds = v.speeds[1:]
	}
}

// Run shows the view until the user leaves it or ctx ends.
func (v *View) Run(ctx context.Context, options ...tea.ProgramOption) error {
	v.ctx = ctx
	_, err := tea.NewProgram(model{v}, append([]tea.ProgramOption{tea.WithContext(ctx)}, options...)...).Run()
	return err
}

// model is the bubbletea program.
type model struct{ v *View }

type (
	lookMsg time.Time
	seenMsg struct {
		s   *api.Status
		at  time.Time
		err error
	}
)

// Init implements tea.Model.
func (m model) Init() tea.Cmd { return m.wait() }

func (m model) wait() tea.Cmd {
	return tea.Tick(m.v.every, func(t time.Time) tea.Msg { return lookMsg(t) })
}

// see asks the daemon, beside the program.
func (m model) see() tea.Msg {
	ctx, cancel := context.WithTimeout(m.v.ctx, 5*time.Second)
	defer cancel()
	s, err := m.v.look(ctx)
	return seenMsg{s, time.Now(), err}
}

// Update implements tea.Model.
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.v.width = max(20, msg.Width)
	case tea.KeyPressMsg:
		switch msg.String() {
		case "q", "esc", "ctrl+c", "ctrl+d":
			return m, tea.Quit
		}
	case lookMsg:
		return m, m.see
	case seenMsg:
		if m.v.err = msg.err; msg.err == nil {
			m.v.Take(msg.s, msg.at)
		}
		return m, m.wait()
	}
	return m, nil
}

// View implements tea.Model.
func (m model) View() tea.View {
	v := tea.NewView(m.v.Text() + "\nq leaves")
	v.AltScreen = true
	return v
}
