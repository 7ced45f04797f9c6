package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizer is a list of functions applied in order to the text between added
// tokens.
type normalizer []func(string) string

func (n normalizer) apply(s string) string {
	for _, f := range n {
		s = f(s)
	}
	return s
}

// compileNorm builds the functions of the steps. charsmap is the precompiled
// map that a charsmap step uses.
func compileNorm(steps []step, charsmap []byte) (normalizer, error) {
	var out normalizer
	for _, s := range steps {
		f, err := compileNormStep(s, charsmap)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func compileNormStep(s step, charsmap []byte) (func(string) string, error) {
	switch s.Op {
	case "nfc":
		return form{norm.NFC}.apply, nil
	case "nfd":
		return form{norm.NFD}.apply, nil
	case "nfkc":
		return form{norm.NFKC}.apply, nil
	case "nfkd":
		return form{norm.NFKD}.apply, nil
	case "lower":
		return lower, nil
	case "prepend":
		return func(t string) string {
			if t == "" {
				return t
			}
			return s.A + t
		}, nil
	case "replace":
		return compileReplace(s)
	case "strip":
		return func(t string) string { return stripSpace(t, s.Left, s.Right) }, nil
	case "bert":
		return bertNorm(s.A), nil
	case "charsmap":
		m, err := parseCharsmap(charsmap)
		if err != nil {
			return nil, err
		}
		return m.apply, nil
	case "strip_accents":
		return func(t string) string { return dropClass(classes(), t, classM) }, nil
	}
	return nil, fieldErr("normalizer", "%q is not supported", s.Op)
}

// lower maps every character to lower case, without the final-sigma rule.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return strings.Map(lowerRune, strings.ReplaceAll(s, "\u0130", "i\u0307"))
		}
	}
	return s
}

// lowerRune adds the capital letters that are newer than Go's tables (up to
// Unicode 17, which the reference has).
func lowerRune(r rune) rune {
	switch {
	case r < 0x1c89:
	case r == 0xa7cb:
		return 0x264
	case r == 0xa7dc:
		return 0x19b
	case r == 0x1c89, r == 0xa7cc, r == 0xa7ce, r == 0xa7d2, r == 0xa7d4, r == 0xa7da:
		return r + 1
	case r >= 0x10d50 && r <= 0x10d65:
		return r + 0x20
	case r >= 0x16ea0 && r <= 0x16eb8:
		return r + 0x1b
	}
	return unicode.ToLower(r)
}

func compileReplace(s step) (func(string) string, error) {
	if !s.Regex {
		if s.A == "" {
			return nil, fieldErr("normalizer", "replace: empty pattern")
		}
		return func(t string) string { return strings.ReplaceAll(t, s.A, s.B) }, nil
	}
	re, err := compilePattern(s.A)
	if err != nil {
		return nil, fieldErr("normalizer", "replace: %w", err)
	}
	return func(t string) string {
		var b strings.Builder
		last := 0
		re.each(t, func(lo, hi int) {
			b.WriteString(t[last:lo])
			b.WriteString(s.B)
			last = hi
		})
		b.WriteString(t[last:])
		return b.String()
	}, nil
}

// stripSpace removes white space from the ends.
func stripSpace(s string, left, right bool) string {
	if left {
		s = s[spaceAfter(s, 0):]
	}
	if right {
		s = s[:spaceBefore(s, len(s))]
	}
	return s
}

// dropClass removes every character that has the class.
func dropClass(t *classTable, s string, class uint8) string {
	return strings.Map(func(r rune) rune {
		if t.of(r)&class != 0 {
			return -1
		}
		return r
	}, s)
}
