package top

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/api"
)

// Text is the view as lines that fit the width.
func (v *View) Text() string {
	if v.now == nil {
		return ""
	}
	lines := append(v.machine(), "")
	lines = append(lines, v.table()...)
	if len(v.speeds) > 1 {
		lines = append(lines, "", fmt.Sprintf("tokens/s %s now %.1f, most %.1f", spark(v.speeds), v.speeds[len(v.speeds)-1], slices.Max(v.speeds)))
	}
	if v.err != nil {
		lines = append(lines, "", "the last look failed, this is from "+v.at.Format(time.TimeOnly)+": "+prog.Line(v.err.Error()))
	}
	var b strings.Builder
	for _, l := range lines {
		if r := []rune(l); len(r) > v.width {
			l = string(r[:v.width])
		}
		b.WriteString(strings.TrimRight(l, " ") + "\n")
	}
	return b.String()
}

// machine are the lines above the table.
func (v *View) machine() []string {
	up := time.Duration(v.now.UptimeSeconds * float64(time.Second)).Round(time.Second)
	first := []string{"qwqd " + prog.Line(v.now.Version), "up " + up.String()}
	d := v.now.Device
	if d == nil {
		return []string{strings.Join(first, "  ")}
	}
	if d.Board != "" {
		first = append(first, prog.Line(d.Board))
	}
	first = append(first, fmt.Sprintf("%s, %d cores", prog.Line(d.System), d.Cores))
	if d.Temperature != nil {
		first = append(first, fmt.Sprintf("%.1f °C", *d.Temperature))
	}
	out := []string{strings.Join(first, "  ")}
	if t := d.Throttling; t != nil {
		out = append(out, fmt.Sprintf("throttling: %s; since the board was started: %s", prog.Line(t.Now), prog.Line(t.SinceBoot)))
	}
	m := d.Memory
	if m.Total > 0 {
		used := 1 - float64(min(m.Free, m.Total))/float64(m.Total)
		out = append(out, fmt.Sprintf("memory %s %s of %s can be had, the daemon has %s", bar(used, 20), prog.Size(int64(m.Free)), prog.Size(int64(m.Total)), prog.Size(int64(m.Process))))
	}
	if n := len(d.Clocks); n > 0 {
		low, high := d.Clocks[0], d.Clocks[0]
		for _, c := range d.Clocks {
			if c.MHz < low.MHz {
				low = c
			}
			if c.MHz > high.MHz {
				high = c
			}
		}
		line := fmt.Sprintf("clocks %.0f to %.0f MHz", low.MHz, high.MHz)
		if high.Max > 0 {
			line += fmt.Sprintf(" of %.0f", high.Max)
		}
		out = append(out, line)
	}
	return out
}

// table are the models.
func (v *View) table() []string {
	if len(v.now.Models) == 0 {
		return []string{"no model is loaded: the first request loads one"}
	}
	rows := [][]string{{"MODEL", "SIZE", "RUNNING", "WAITING", "TOKENS/S", "READ/S", "KV", "DRAFTS", "ANSWERS", "FAILED"}}
	for i, m := range v.now.Models {
		rows = append(rows, []string{
			prog.Line(m.Name), prog.Size(int64(m.Bytes)), fmt.Sprint(m.Running), fmt.Sprint(m.Waiting),
			fmt.Sprintf("%.1f", v.models[i].generated), fmt.Sprintf("%.1f", v.models[i].read),
			kv(m), drafts(m), fmt.Sprint(m.Finished), fmt.Sprint(m.Failed),
		})
	}
	wide := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, s := range r {
			wide[i] = max(wide[i], len([]rune(s)))
		}
	}
	var out []string
	for _, r := range rows {
		line := ""
		for i, s := range r {
			pad := strings.Repeat(" ", wide[i]-len([]rune(s)))
			if i == 0 {
				line += s + pad
			} else {
				line += "  " + pad + s
			}
		}
		out = append(out, line)
	}
	return out
}

func kv(m api.ModelStatus) string {
	if m.KVBytesTotal <= 0 {
		return "-"
	}
	return fmt.Sprintf("%s %.0f%%", prog.Size(m.KVBytes), 100*float64(m.KVBytes)/float64(m.KVBytesTotal))
}

// drafts is how many of the guesses were right.
func drafts(m api.ModelStatus) string {
	if m.Drafted == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*float64(m.DraftAccepted)/float64(m.Drafted))
}

// bar is a share, 0 to 1, as n characters between brackets.
func bar(share float64, n int) string {
	full := int(share*float64(n) + 0.5)
	full = min(max(full, 0), n)
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", n-full) + "]"
}

// spark draws values as bars of eight heights, the greatest one full.
func spark(values []float64) string {
	const bars = "▁▂▃▄▅▆▇█"
	steps, most := []rune(bars), slices.Max(values)
	var b strings.Builder
	for _, x := range values {
		i := 0
		if most > 0 {
			i = min(int(x/most*float64(len(steps))), len(steps)-1)
		}
		b.WriteRune(steps[i])
	}
	return b.String()
}
