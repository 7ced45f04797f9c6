package top

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/qwq-edge/qwq/runtime/api"
)

func status(generated, prompt uint64) *api.Status {
	hot := 71.25
	return &api.Status{Version: "1.2", UptimeSeconds: 3725, Models: []api.ModelStatus{{
		Name: "evil\x1b[2J", Bytes: 531e6, Running: 2, Waiting: 1, Generated: generated, PromptTokens: prompt, CachedTokens: 10,
		KVBytes: 64e6, KVBytesTotal: 256e6, Drafted: 8, DraftAccepted: 6, Finished: 12, Failed: 1,
	}}, Device: &api.DeviceStatus{
		Board: "A Board", System: "linux/arm64", Cores: 4, Temperature: &hot,
		Memory:     api.MemoryStatus{Total: 4e9, Free: 1e9, Process: 7e8},
		Clocks:     []api.Clock{{MHz: 1800, Max: 1800}, {MHz: 600, Max: 1800}},
		Throttling: &api.ThrottleState{Now: "none", SinceBoot: "under-voltage"},
	}}
}

// TestText: rates are those between two looks, and nothing of the daemon drives the
// terminal.
func TestText(t *testing.T) {
	v := New(nil, time.Second)
	at := time.Unix(1000, 0)
	v.Take(status(100, 50), at)
	v.Take(status(150, 250), at.Add(2*time.Second))
	v.Take(status(250, 250), at.Add(3*time.Second))
	want := `qwqd 1.2  up 1h2m5s  A Board  linux/arm64, 4 cores  71.2 °C
throttling: none; since the board was started: under-voltage
memory [###############.....] 1.0 GB of 4.0 GB can be had, the daemon has 700 MB
clocks 600 to 1800 MHz of 1800

MODEL       SIZE  RUNNING  WAITING  TOKENS/S  READ/S           KV  DRAFTS  ANSWERS  FAILED
evil [2J  531 MB        2        1     100.0     0.0  64.0 MB 25%     75%       12       1

tokens/s ▃█ now 100.0, most 100.0
`
	if got := v.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	fresh := status(3, 10)
	fresh.Models[0].Since = at
	v.Take(fresh, at.Add(4*time.Second))
	if got := v.Text(); !strings.Contains(got, "now 0.0") {
		t.Errorf("a model that was loaded anew:\n%s", got)
	}
}

// TestUpdate: the program looks, shows a failed look beside what it saw last, keeps to
// the width, and leaves.
func TestUpdate(t *testing.T) {
	fail := error(nil)
	v := New(func(context.Context) (*api.Status, error) { return status(1, 20), fail }, time.Second)
	m := model{v}
	look := func() {
		t.Helper()
		_, cmd := m.Update(lookMsg{})
		m.Update(cmd())
	}
	look()
	if text := m.View().Content; !strings.Contains(text, "A Board") || !strings.Contains(text, "q leaves") {
		t.Errorf("%s", text)
	}
	fail = errors.New("gone\n\x1b]0;x")
	look()
	if text := v.Text(); !strings.Contains(text, "A Board") || !strings.Contains(text, "failed") || strings.Contains(text, "\x1b") {
		t.Errorf("%s", text)
	}
	m.Update(tea.WindowSizeMsg{Width: 30, Height: 5})
	for l := range strings.Lines(v.Text()) {
		if n := len([]rune(l)); n > 31 {
			t.Errorf("a line of %d characters: %q", n, l)
		}
	}
	if _, cmd := m.Update(tea.KeyPressMsg{Code: 'q', Text: "q"}); cmd == nil {
		t.Error("q does not leave")
	} else if _, ok := cmd().(tea.QuitMsg); !ok {
		t.Error("q does something else")
	}
}
