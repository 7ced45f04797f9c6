package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// preTokenizer cuts a text into the words the model sees one by one.
type preTokenizer struct {
	scan        *scanner // set: the only thing to do, after prefixSpace
	dropSpace   bool     // scan: white space is no word (CLIP)
	prefixSpace bool
	stages      []preStage // otherwise
}

// preStage turns one piece into pieces. first says that the piece begins the
// whole text.
type preStage func(out []string, piece string, first bool) []string

// compilePre builds the stages.
func compilePre(steps []step) (preTokenizer, error) {
	var p preTokenizer
	if n := len(steps); n > 0 && n <= 2 && steps[n-1].Op == "split" {
		last := steps[n-1]
		prefix := n == 2 && steps[0].Op == "prefix_space"
		if known := knownScan(last); known && (n == 1 || prefix) {
			p.scan, p.prefixSpace, p.dropSpace = newScanner(last.A), prefix, last.A == patternCLIP
			return p, nil
		}
	}
	for _, s := range steps {
		stage, err := compileStage(s)
		if err != nil {
			return p, err
		}
		p.stages = append(p.stages, stage)
	}
	return p, nil
}

// knownScan reports whether a split step has a scanner of its own.
func knownScan(s step) bool {
	if !s.Regex {
		return false
	}
	switch s.A {
	case patternGPT2, patternQwen, patternLama, patternGPT4:
		// These match everything, so both behaviours give the same pieces.
		return s.B == "isolated" && !s.Invert || s.B == "removed" && s.Invert
	case patternCLIP:
		return s.B == "removed" && s.Invert
	}
	return false
}

func compileStage(s step) (preStage, error) {
	switch s.Op {
	case "prefix_space":
		return func(out []string, piece string, _ bool) []string { return append(out, withSpace(piece)) }, nil
	case "metaspace":
		return metaspaceStage(s)
	case "split":
		return splitStage(s)
	case "bert_words":
		return bertWords, nil
	case "digits":
		return classStage(func(c uint8) bool { return c&classN != 0 }, "isolated"), nil
	case "whitespace":
		return classStage(func(c uint8) bool { return c&classS != 0 }, "removed"), nil
	}
	return nil, fieldErr("pre_tokenizer", "%q is not supported", s.Op)
}

func withSpace(s string) string {
	if s == "" || s[0] == ' ' {
		return s
	}
	return " " + s
}

// metaspaceStage makes spaces visible.
func metaspaceStage(s step) (preStage, error) {
	if s.A == "" {
		return nil, fieldErr("pre_tokenizer", "metaspace: empty replacement")
	}
	if s.B != "always" && s.B != "first" && s.B != "never" {
		return nil, fieldErr("pre_tokenizer", "metaspace: prepend_scheme %q is not supported", s.B)
	}
	return func(out []string, piece string, first bool) []string {
		piece = strings.ReplaceAll(piece, " ", s.A)
		if (s.B == "always" || s.B == "first" && first) && !strings.HasPrefix(piece, s.A) {
			piece = s.A + piece
		}
		if !s.Split {
			return append(out, piece)
		}
		for {
			i := strings.Index(piece[min(1, len(piece)):], s.A)
			if i < 0 {
				break
			}
			out = append(out, piece[:i+1])
			piece = piece[i+1:]
		}
		return append(out, piece)
	}, nil
}

// splitStage cuts at a pattern or a string.
func splitStage(s step) (preStage, error) {
	switch s.B {
	case "isolated", "removed", "mergedwithprevious", "mergedwithnext", "contiguous":
	default:
		return nil, fieldErr("pre_tokenizer", "split: behavior %q is not supported", s.B)
	}
	if knownScan(s) {
		return scanStage(newScanner(s.A), s.A == patternCLIP), nil
	}
	if s.A == "" {
		return nil, fieldErr("pre_tokenizer", "split: empty pattern")
	}
	find := func(t string, emit func(lo, hi int)) {
		for at := 0; ; {
			i := strings.Index(t[at:], s.A)
			if i < 0 {
				return
			}
			emit(at+i, at+i+len(s.A))
			at += i + len(s.A)
		}
	}
	if s.Regex {
		re, err := compilePattern(s.A)
		if err != nil {
			return nil, fieldErr("pre_tokenizer", "split: %w", err)
		}
		find = re.each
	}
	return func(out []string, piece string, _ bool) []string {
		c := cutter{out: out, text: piece, behaviour: s.B}
		last := 0
		find(piece, func(lo, hi int) {
			c.part(last, lo, s.Invert)
			c.part(lo, hi, !s.Invert)
			last = hi
		})
		c.part(last, len(piece), s.Invert)
		return c.done()
	}, nil
}

// scanStage is a scanner among other stages.
func scanStage(sc *scanner, dropSpace bool) preStage {
	return func(out []string, piece string, _ bool) []string {
		for i := 0; i < len(piece); {
			end := sc.next(piece, i)
			if !dropSpace || !sc.isSpace(piece, i) {
				out = append(out, piece[i:end])
			}
			i = end
		}
		return out
	}
}

func (sc *scanner) isSpace(s string, i int) bool {
	c, _ := sc.at(s, i)
	return c&classS != 0
}

// classStage cuts at every character for which f holds.
func classStage(f func(class uint8) bool, behaviour string) preStage {
	t := classes()
	return func(out []string, piece string, _ bool) []string {
		c := cutter{out: out, text: piece, behaviour: behaviour}
		last := 0
		for i, r := range piece {
			if f(t.of(r)) {
				c.part(last, i, false)
				last = i + utf8.RuneLen(r)
				c.part(i, last, true)
			}
		}
		c.part(last, len(piece), false)
		return c.done()
	}
}

// cutter turns matched and unmatched parts, given in order, into pieces.
type cutter struct {
	out       []string
	text      string
	behaviour string
	from      int  // start of the piece being built
	to        int  // its end
	open      bool // a piece is being built
	matched   bool // its last part matched
}

// part takes text[lo:hi]; matched says whether the pattern matched it.
func (c *cutter) part(lo, hi int, matched bool) {
	if lo == hi {
		return
	}
	join := false
	switch c.behaviour {
	case "removed":
		if matched {
			return
		}
	case "mergedwithprevious":
		join = matched && !c.matched
	case "mergedwithnext":
		join = !matched && c.matched
	case "contiguous":
		join = matched == c.matched
	}
	if !c.open || !join {
		c.flush()
		c.from, c.open = lo, true
	}
	c.to, c.matched = hi, matched
}

func (c *cutter) flush() {
	if c.open {
		c.out = append(c.out, c.text[c.from:c.to])
	}
	c.open = false
}

func (c *cutter) done() []string {
	c.flush()
	return c.out
}
