package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/qwq-edge/qwq/runtime/safety"
)

// score is the highest score of a text's windows, as the full check has it.
func score(l *safety.Linear, text string) float64 {
	best := 0.0
	for _, w := range safety.Windows(text) {
		best = max(best, l.Score(w))
	}
	return best
}

var thresholds = []float64{0.3, 0.5, 0.6, 0.7, 0.8, 0.9}

// table prints precision and recall on the rows that were put aside.
func (d *data) table(l *safety.Linear) {
	type counts struct{ hit, false, toxic, benign [6]int }
	by := map[string]*counts{}
	for i := range d.rows {
		row := &d.rows[i]
		if !row.test {
			continue
		}
		c := by[row.source]
		if c == nil {
			c = &counts{}
			by[row.source] = c
		}
		p := score(l, row.text)
		for k, t := range thresholds {
			switch {
			case row.toxic:
				c.toxic[k]++
				if p > t {
					c.hit[k]++
				}
			default:
				c.benign[k]++
				if p > t {
					c.false[k]++
				}
			}
		}
	}
	fmt.Printf("%-18s %10s %8s %8s %8s %12s\n", "held-out rows", "threshold", "rows", "prec.", "recall", "benign hit")
	for _, name := range slices.Sorted(maps.Keys(by)) {
		c := by[name]
		for k, t := range thresholds {
			if c.toxic[k] == 0 {
				if t == safety.Threshold {
					fmt.Printf("%-18s %10.1f %8d %8s %8s %11.2f%%\n", name, t, c.benign[k], "-", "-", 100*float64(c.false[k])/float64(c.benign[k]))
				}
				continue
			}
			fmt.Printf("%-18s %10.1f %8d %8.3f %8.3f %11.2f%%\n", name, t, c.toxic[k]+c.benign[k], float64(c.hit[k])/float64(max(1, c.hit[k]+c.false[k])), float64(c.hit[k])/float64(c.toxic[k]), 100*float64(c.false[k])/float64(c.benign[k]))
		}
	}
}

// unseenBooks prints the share of their sentences that are flagged, and gives the
// largest; of disguised ones too, which is reported only.
func (d *data) unseenBooks(l *safety.Linear, show int) (worst float64) {
	for _, name := range slices.Sorted(maps.Keys(d.books)) {
		n := 0
		r := rand.New(rand.NewPCG(3, 3))
		odd, oddAll := 0, 0
		for _, s := range d.books[name] {
			if l.Score(s) > safety.Threshold {
				if n++; n <= show {
					fmt.Printf("  %.2f %s\n", l.Score(s), s)
				}
			}
			if text, changed := disguise(r, s, obfuscations[r.IntN(len(obfuscations))], func(w string) bool { return len(w) > 2 && r.IntN(4) == 0 }); changed {
				oddAll++
				if score(l, text) > safety.Threshold {
					odd++
				}
			}
		}
		share := float64(n) / float64(len(d.books[name]))
		worst = max(worst, share)
		fmt.Printf("unseen book %-28s %5d sentences, flagged %3d = %.2f %%; a quarter of the words disguised: %.2f %%\n", name, len(d.books[name]), n, 100*share, 100*float64(odd)/float64(max(1, oddAll)))
	}
	return worst
}

// found counts the texts that are flagged.
func found(l *safety.Linear, texts []string) (n int) {
	for _, t := range texts {
		if score(l, t) > safety.Threshold {
			n++
		}
	}
	return n
}

func percent(n, of int) float64 { return 100 * float64(n) / float64(max(1, of)) }

// hiddenWords prints how many of the words are found that the training did not see.
func (d *data) hiddenWords(l *safety.Linear, out outside) {
	var heldRows, alone []string
	for i := range d.rows {
		row := &d.rows[i]
		if row.toxic && len(row.words) > 0 && !slices.ContainsFunc(row.words, func(i int) bool { return !out.word[i] }) {
			heldRows = append(heldRows, row.text)
		}
	}
	for i, w := range d.words {
		if out.word[i] {
			alone = append(alone, w)
		}
	}
	n, of := found(l, heldRows), len(heldRows)
	fmt.Printf("unseen words (%d of %d): toxic rows with no other word of the lists %d of %d = %.1f %%", len(alone), len(d.words), n, of, percent(n, of))
	n, of = found(l, alone), len(alone)
	fmt.Printf("; the words alone %d of %d = %.1f %%\n", n, of, percent(n, of))
}

// hidden prints how many held-out toxic rows are found whose words, known ones, are in
// a disguise that the training did not see, and gives their share.
func (s settings) hidden(d *data, l *safety.Linear, out outside) float64 {
	known := map[string]bool{}
	for i, w := range d.words {
		known[w] = !out.word[i]
	}
	r := rand.New(rand.NewPCG(s.seed, 10))
	hits, all := 0, 0
	for i, o := range obfuscations {
		if !out.trick[i] {
			continue
		}
		var texts []string
		for k := range d.rows {
			row := &d.rows[k]
			if !row.toxic || !row.test || row.chinese || out.any(row.words) {
				continue
			}
			if text, changed := disguise(r, row.text, o, func(w string) bool { return known[w] }); changed {
				texts = append(texts, text)
			}
		}
		n := found(l, texts)
		hits, all = hits+n, all+len(texts)
		fmt.Printf("%-28s %10d %9.1f%%\n", o.name, len(texts), percent(n, len(texts)))
	}
	fmt.Printf("%-28s %10d %9.1f%%\n", "these together", all, percent(hits, all))
	return float64(hits) / float64(max(1, all))
}
