package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/distill/pipeline"
	"github.com/qwq-edge/qwq/distill/train"
)

// distillView shows a run: on a terminal a bar, and the loss as a graph that is
// drawn anew; else plain lines. Calls come from one goroutine.
type distillView struct {
	w     io.Writer
	prog  string
	tty   bool
	width int
	now   func() time.Time
	bar   *prog.Progress

	student string
	losses  []float64
	drawn   int // lines of the graph on the terminal
	last    time.Time
	first   time.Time // of the student's steps in this process
	begun   int       // step before it
}

func newDistillView(c *cli.Context) *distillView {
	v := &distillView{w: c.App.ErrWriter, prog: c.App.Name, width: 80, now: time.Now}
	if f, ok := c.App.ErrWriter.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		v.tty = true
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			v.width = w
		}
	}
	return v
}

// options are o with the view's functions.
func (v *distillView) options(o pipeline.Options) pipeline.Options {
	o.Stage, o.Progress, o.Step, o.Note = v.stage, v.progress, v.step, v.note
	return o
}

func (v *distillView) line(format string, a ...any) {
	v.clear()
	fmt.Fprintf(v.w, "%s: %s\n", v.prog, fmt.Sprintf(format, a...))
}

func (v *distillView) note(text string) { v.line("%s", text) }

func (v *distillView) stage(name string, e pipeline.Event, s float64) {
	switch e {
	case pipeline.Began:
		v.line("%s", name)
	case pipeline.Skipped:
		v.line("%s: unchanged", name)
	case pipeline.Done:
		v.line("%s: done in %s", name, seconds(s))
	}
}

func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func (v *distillView) progress(done, total int64, unit, what string) {
	if v.bar == nil {
		v.bar = prog.NewProgress(v.w, v.prog)
	}
	v.bar.Items(done, total, unit, what)
	if done >= total {
		v.clear()
	}
}

// clear ends the bar, and takes the graph for done.
func (v *distillView) clear() {
	if v.bar != nil {
		v.bar.Done()
		v.bar = nil
	}
	v.drawn = 0
}

const (
	graphLines = 10
	graphEvery = 500 * time.Millisecond // on a terminal
	lineEvery  = 5 * time.Second        // elsewhere
)

// step shows a training step; the last one always.
func (v *distillView) step(student string, steps int, m train.Metrics) {
	now := v.now()
	if student != v.student {
		v.student, v.losses, v.first, v.begun, v.last = student, nil, now, m.Step, now
	}
	v.losses = append(v.losses, m.Loss["loss"])
	every := lineEvery
	if v.tty {
		every = graphEvery
	}
	if m.Step < steps && now.Sub(v.last) < every {
		return
	}
	v.last = now
	left := ""
	if spent := now.Sub(v.first).Seconds(); m.Step > v.begun && m.Step < steps {
		left = ", " + seconds(spent/float64(m.Step-v.begun)*float64(steps-m.Step)) + " left"
	}
	text := fmt.Sprintf("%s: step %d of %d, loss %.4f, rate %.2g, %.0f tokens/s%s", student, m.Step, steps, m.Loss["loss"], m.LR,
		float64(m.Tokens)/max(m.Seconds, 1e-9), left)
	if !v.tty {
		v.line("%s", text)
		return
	}
	v.draw(text)
}

// draw puts the graph where the last one stood.
func (v *distillView) draw(text string) {
	data := means(v.losses, max(v.width-12, 10))
	g := asciigraph.Plot(data, asciigraph.Height(graphLines), asciigraph.Precision(3)) + "\n" + text
	if v.drawn > 0 {
		fmt.Fprintf(v.w, "\x1b[%dA\x1b[J", v.drawn)
	}
	fmt.Fprintln(v.w, g)
	v.drawn = strings.Count(g, "\n") + 1
}

// means thins x to at most n values.
func means(x []float64, n int) []float64 {
	if len(x) <= n {
		return x
	}
	out := make([]float64, n)
	for i := range out {
		lo, hi := i*len(x)/n, (i+1)*len(x)/n
		for _, v := range x[lo:hi] {
			out[i] += v / float64(hi-lo)
		}
	}
	return out
}
