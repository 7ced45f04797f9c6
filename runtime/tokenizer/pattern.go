package tokenizer

import (
	"time"

	"github.com/dlclark/regexp2/v2"
)

const (
	maxPatternLen  = 1 << 14         // bytes of a pattern from a file
	patternTimeout = 5 * time.Second // for one match
)

// pattern is a regular expression from a tokenizer file that no scanner knows.
type pattern struct{ re *regexp2.Regexp }

func compilePattern(expr string) (*pattern, error) {
	if len(expr) > maxPatternLen {
		return nil, fieldErr("", "pattern of %d bytes, more than %d", len(expr), maxPatternLen)
	}
	re, err := regexp2.Compile(writeClasses(expr))
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = patternTimeout
	return &pattern{re}, nil
}

// each calls f with every match in t, in order. Matches of no length are left
// out. A text on which the expression gives up counts as not matched from there
// on, so the pieces are longer but nothing is lost.
func (p *pattern) each(t string, f func(lo, hi int)) {
	found, err := p.re.FindAllStringIndex(t, -1)
	if err != nil {
		return
	}
	for _, m := range found {
		if m[0] < m[1] {
			f(m[0], m[1])
		}
	}
}
