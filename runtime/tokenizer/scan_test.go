package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestScanners compares every scanner with the pattern it stands for.
func TestScanners(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	chars := []string{"'", "s", "S", "\u017f", "t", "re", "VE", "m", "ll", "Ll", "d", "a", "\u00e9", "\u4e2d", "1", "23", "\u0663", "\u2167",
		" ", "  ", "\n", "\r", "\r\n", "\t", "\u00a0", "\u3000", "\u0085", "\u2028", ".", "!", "<|", "_", "\u0301", "\U0001f642", "\u200d", "\x00"}
	for _, pattern := range []string{patternGPT2, patternQwen, patternLama, patternCLIP} {
		re, err := compilePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		sc := newScanner(pattern)
		for range 5000 {
			var b strings.Builder
			for range rnd.IntN(12) {
				b.WriteString(chars[rnd.IntN(len(chars))])
			}
			text := b.String()
			var want []string
			re.each(text, func(lo, hi int) { want = append(want, text[lo:hi]) })
			got := scanStage(sc, pattern == patternCLIP)(nil, text, false)
			if !slices.Equal(got, want) {
				t.Fatalf("%s\n%q: got %q, want %q", pattern, text, got, want)
			}
		}
	}
}

func TestSplitBehaviours(t *testing.T) {
	for _, c := range []struct {
		behaviour string
		invert    bool
		want      []string
	}{
		{"isolated", false, []string{"a", "-", "-", "b", "-", "c"}},
		{"removed", false, []string{"a", "b", "c"}},
		{"removed", true, []string{"-", "-", "-"}},
		{"mergedwithprevious", false, []string{"a-", "-", "b-", "c"}},
		{"mergedwithnext", false, []string{"a", "-", "-b", "-c"}},
		{"contiguous", false, []string{"a", "--", "b", "-", "c"}},
	} {
		for _, regex := range []bool{false, true} {
			f, err := splitStage(step{Op: "split", A: "-", B: c.behaviour, Invert: c.invert, Regex: regex})
			if err != nil {
				t.Fatal(err)
			}
			if got := f(nil, "a--b-c", true); !slices.Equal(got, c.want) {
				t.Errorf("%s, invert %v: got %q, want %q", c.behaviour, c.invert, got, c.want)
			}
		}
	}
	if _, err := splitStage(step{Op: "split", A: "-", B: "sideways"}); err == nil || !strings.Contains(err.Error(), "sideways") {
		t.Errorf("unknown behaviour: got %v", err)
	}
}
