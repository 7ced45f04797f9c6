package pipeline

import (
	"fmt"
	"math"
	"strings"
)

// plot is a picture of 480 units' width, for a phone's screen and a column of a
// desktop's. Its colors are the style sheet's classes s0 to s6.
type plot struct {
	ID, Title, Desc string // of the elements that a screen reader speaks
	Unit            string // of the values
	Lines           []line
	Bars            []bar
	Labels          []label
	Height          int
}

type curve struct {
	Name  string
	Class int
	X, Y  []float64
}

type line struct {
	Points, Name string
	Class        int
}

type bar struct {
	Y            int
	Width        float64
	Name, Value  string
	Class        int
	TextY, TextX float64
}

type label struct {
	X, Y   float64
	Text   string
	Anchor string
}

const (
	classes                  = 7
	left, top, width, height = 64.0, 12.0, 402.0, 200.0
	barLeft, barWidth        = 170.0, 230.0
	most                     = 400 // points of a line
)

// lines draws curves over steps.
func lines(id, title, unit string, cs []curve) plot {
	p := plot{ID: id, Title: title, Unit: unit, Height: 260}
	lo, hi, last := math.Inf(1), math.Inf(-1), 1.0
	for i := range cs {
		cs[i] = thin(cs[i])
		for k, y := range cs[i].Y {
			lo, hi, last = min(lo, y), max(hi, y), max(last, cs[i].X[k])
		}
	}
	if !(hi > lo) {
		hi = lo + 1
	}
	var desc []string
	for _, c := range cs {
		var b strings.Builder
		for k, y := range c.Y {
			fmt.Fprintf(&b, "%.1f,%.1f ", left+width*c.X[k]/last, top+height*(hi-y)/(hi-lo))
		}
		p.Lines = append(p.Lines, line{b.String(), c.Name, c.Class})
		n := len(c.Y) - 1
		desc = append(desc, fmt.Sprintf("%s from %.4g at step %.0f to %.4g at step %.0f", c.Name, c.Y[0], c.X[0], c.Y[n], c.X[n]))
	}
	p.Desc = strings.Join(desc, "; ") + "; " + unit + "."
	for i := range 5 {
		f := float64(i) / 4
		p.Labels = append(p.Labels, label{left - 6, top + height*f + 4, fmt.Sprintf("%.3g", hi-(hi-lo)*f), "end"},
			label{left + width*f, top + height + 18, fmt.Sprintf("%.0f", last*f), "middle"})
	}
	return p
}

// thin takes the means of neighbours where there are too many points.
func thin(c curve) curve {
	n := len(c.X)
	if n <= most {
		return c
	}
	out := curve{Name: c.Name, Class: c.Class}
	for i := range most {
		lo, hi := i*n/most, (i+1)*n/most
		sum := 0.0
		for _, y := range c.Y[lo:hi] {
			sum += y
		}
		out.X, out.Y = append(out.X, c.X[hi-1]), append(out.Y, sum/float64(hi-lo))
	}
	return out
}

// bars draws one bar for each model.
func bars(id, title, unit string, scores []Score, of func(Score) float64) plot {
	p := plot{ID: id, Title: title, Unit: unit, Height: 24*len(scores) + 8}
	longest := 0.0
	for _, s := range scores {
		longest = max(longest, of(s))
	}
	var desc []string
	for i, s := range scores {
		w := 0.0
		if longest > 0 {
			w = barWidth * of(s) / longest
		}
		p.Bars = append(p.Bars, bar{Y: 4 + 24*i, Width: w, Name: s.Name, Value: fmt.Sprintf("%.4g", of(s)), Class: i % classes,
			TextY: float64(4+24*i) + 14, TextX: barLeft + 6 + w})
		desc = append(desc, fmt.Sprintf("%s %.4g", s.Name, of(s)))
	}
	p.Desc = strings.Join(desc, "; ") + "."
	return p
}
