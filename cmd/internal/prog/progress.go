package prog

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress shows how far a long job is: a bar with rate and time left on a
// terminal, a plain line every few seconds otherwise. Its methods may be
// called from several goroutines.
type Progress struct {
	w     io.Writer
	prog  string
	tty   bool
	every time.Duration
	now   func() time.Time

	mu    sync.Mutex
	bar   *progressbar.ProgressBar
	start time.Time
	last  time.Time
}

// NewProgress shows the progress of the named program on w.
func NewProgress(w io.Writer, name string) *Progress {
	f, ok := w.(*os.File)
	return &Progress{w: w, prog: name, tty: ok && term.IsTerminal(int(f.Fd())), every: 2 * time.Second, now: time.Now}
}

// Bytes reports done of total bytes and what is being worked on.
func (p *Progress) Bytes(done, total int64, what string) { p.show(done, total, "", what) }

// Items reports done of total things of one kind (unit: "windows") and what is
// being worked on.
func (p *Progress) Items(done, total int64, unit, what string) {
	p.show(done, total, unit, what)
}

// show takes the unit "" for bytes.
func (p *Progress) show(done, total int64, unit, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.start.IsZero() {
		p.start = p.now()
		p.last = p.start
	}
	if !p.tty {
		p.line(done, total, unit, what)
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(total, barOptions(p.w, unit)...)
	}
	p.bar.Describe(what)
	_ = p.bar.Set64(done) // a terminal that cannot be written to ends the bar, not the job
}

func barOptions(w io.Writer, unit string) []progressbar.Option {
	rate := []progressbar.Option{progressbar.OptionShowBytes(true)}
	if unit != "" {
		rate = []progressbar.Option{progressbar.OptionShowIts(), progressbar.OptionShowCount(), progressbar.OptionSetItsString(unit)}
	}
	return append(rate, progressbar.OptionSetWriter(w), progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish(),
		progressbar.OptionEnableColorCodes(os.Getenv("NO_COLOR") == ""))
}

// line prints where the job stands, at most once in p.every.
func (p *Progress) line(done, total int64, unit, what string) {
	now := p.now()
	if now.Sub(p.last) < p.every || done >= total {
		return
	}
	p.last = now
	spent := now.Sub(p.start).Seconds()
	rate := float64(done) / spent
	left := "unknown time"
	if rate > 0 {
		left = time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second).String()
	}
	size := func(n float64) string { return Size(int64(n)) }
	if unit != "" {
		size = func(n float64) string { return fmt.Sprintf("%.3g %s", n, unit) }
	}
	fmt.Fprintf(p.w, "%s: %d %% of %s, %s/s, %s left, %s\n", p.prog, done*100/max(total, 1), size(float64(total)), size(rate), left, what)
}

// Done removes the bar from the terminal.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
