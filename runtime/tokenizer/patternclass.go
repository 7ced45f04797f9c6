package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// The reference's expression engine has the classes of Unicode 16, regexp2 those
// of Go's tables, an older Unicode. So the classes of general categories are
// written out as ranges before regexp2 sees a pattern, and scripts get what they
// lack. \s is the same in both.

// categoryNames are the general categories in the order of categoryClass.
var categoryNames = [...]string{"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe",
	"Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"}

// longNames are the categories' long names, without regard to case, _, - and
// spaces.
var longNames = map[string]string{
	"letter": "L", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt", "modifierletter": "Lm",
	"otherletter": "Lo", "mark": "M", "nonspacingmark": "Mn", "spacingmark": "Mc", "enclosingmark": "Me",
	"number": "N", "decimalnumber": "Nd", "letternumber": "Nl", "othernumber": "No", "punctuation": "P",
	"connectorpunctuation": "Pc", "dashpunctuation": "Pd", "openpunctuation": "Ps", "closepunctuation": "Pe",
	"initialpunctuation": "Pi", "finalpunctuation": "Pf", "otherpunctuation": "Po", "symbol": "S", "mathsymbol": "Sm",
	"currencysymbol": "Sc", "modifiersymbol": "Sk", "othersymbol": "So", "separator": "Z", "spaceseparator": "Zs",
	"lineseparator": "Zl", "paragraphseparator": "Zp", "other": "C", "control": "Cc", "format": "Cf",
	"privateuse": "Co", "unassigned": "Cn",
}

// scriptNewer is what scripts hold besides Go's tables (Unicode 15) in the
// reference's engine (16).
var scriptNewer = map[string][]runeRange{
	"Arabic": {{0x897, 0x897}, {0x10ec2, 0x10ec4}, {0x10efc, 0x10efc}}, "Balinese": {{0x1b4e, 0x1b4f}, {0x1b7f, 0x1b7f}},
	"Cyrillic": {{0x1c89, 0x1c8a}}, "Han": {{0x2ebf0, 0x2ee5d}}, "Latin": {{0xa7cb, 0xa7cd}, {0xa7da, 0xa7dc}},
	"Myanmar": {{0x116d0, 0x116e3}},
}

type runeRange struct{ lo, hi rune }

// wordExtra is what \w holds besides letters, marks, decimal digits, letter
// numbers and connectors: as the reference's engine has it, which differs from
// classW.
var wordExtra = []runeRange{{0xb2, 0xb3}, {0xb9, 0xb9}, {0xbc, 0xbe}, {0x24b6, 0x24e9},
	{0x1f130, 0x1f149}, {0x1f150, 0x1f169}, {0x1f170, 0x1f189}}

// categoryRanges returns the runs of every category, sorted.
var categoryRanges = sync.OnceValue(func() (out [len(categoryNames)][]runeRange) {
	eachRun(func(category uint8, cp, n int) {
		out[category] = append(out[category], runeRange{rune(cp), rune(cp + n - 1)})
	})
	return out
})

// ranges returns the code points of a class: a category ("Lu"), the first letter
// of several ("L"), or "w". It returns nil for a name it does not know.
func ranges(class string) []runeRange {
	if class == "w" {
		all := slices.Clone(wordExtra)
		for _, c := range []string{"L", "M", "Nd", "Nl", "Pc"} {
			all = append(all, ranges(c)...)
		}
		return joinRanges(all)
	}
	var all []runeRange
	for i, name := range categoryNames {
		if name == class || name[:1] == class {
			all = append(all, categoryRanges()[i]...)
		}
	}
	return joinRanges(all)
}

// joinRanges sorts ranges and joins those that touch.
func joinRanges(in []runeRange) []runeRange {
	slices.SortFunc(in, func(a, b runeRange) int { return int(a.lo - b.lo) })
	var out []runeRange
	for _, r := range in {
		if n := len(out); n > 0 && r.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, r.hi)
			continue
		}
		out = append(out, r)
	}
	return out
}

// invertRanges returns the code points outside sorted ranges.
func invertRanges(in []runeRange) (out []runeRange) {
	next := rune(0)
	for _, r := range in {
		if r.lo > next {
			out = append(out, runeRange{next, r.lo - 1})
		}
		next = r.hi + 1
	}
	if next <= utf8.MaxRune {
		out = append(out, runeRange{next, utf8.MaxRune})
	}
	return out
}

// writeClasses returns the pattern with \p{…}, \P{…}, \d and \w of general
// categories written out as ranges. What it does not know stays as it is.
func writeClasses(expr string) string {
	if !strings.ContainsRune(expr, '\\') || strings.Contains(expr, `\Q`) {
		return expr
	}
	var b strings.Builder
	depth, first := 0, false // of brackets; first: at a class's first character
	for i := 0; i < len(expr); {
		n := 1
		switch c := expr[i]; {
		case c == '\\' && i+1 < len(expr):
			class, negate, size := classEscape(expr[i:])
			n = size
			if class != nil {
				appendClass(&b, class, negate, depth > 0)
				i, first = i+n, false
				continue
			}
			if appendScript(&b, expr[i:i+n], depth > 0) {
				i, first = i+n, false
				continue
			}
		case c == '[' && (depth == 0 || expr[i-1] == '-'): // a class, or one taken away from it
			depth++
			if i+1 < len(expr) && expr[i+1] == '^' {
				n = 2
			}
			b.WriteString(expr[i : i+n])
			i, first = i+n, true
			continue
		case c == ']' && depth > 0 && !first:
			depth--
		}
		b.WriteString(expr[i : i+n])
		i, first = i+n, false
	}
	return b.String()
}

// classEscape reads the escape that s begins with; class is nil where it is
// none of a category. size is at least 2.
func classEscape(s string) (class []runeRange, negate bool, size int) {
	switch s[1] {
	case 'd', 'D':
		return ranges("Nd"), s[1] == 'D', 2
	case 'w', 'W':
		return ranges("w"), s[1] == 'W', 2
	case 'p', 'P':
	default:
		_, n := utf8.DecodeRuneInString(s[1:])
		return nil, false, 1 + n
	}
	negate = s[1] == 'P'
	if len(s) > 2 && s[2] != '{' {
		return ranges(s[2:3]), negate, 3
	}
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return nil, false, 2
	}
	name, size := s[3:end], end+1
	if rest, ok := strings.CutPrefix(name, "^"); ok {
		name, negate = rest, !negate
	}
	if long, ok := longNames[strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(name))]; ok {
		name = long
	}
	if len(name) > 2 || name == "w" {
		return nil, negate, size
	}
	return ranges(name), negate, size
}

// appendClass writes ranges, in brackets of their own unless inside some.
func appendClass(b *strings.Builder, class []runeRange, negate, inside bool) {
	if inside {
		if negate {
			class = invertRanges(class)
		}
		appendRanges(b, class)
		return
	}
	b.WriteByte('[')
	if negate {
		b.WriteByte('^')
	}
	appendRanges(b, class)
	b.WriteByte(']')
}

// appendScript writes the escape of a script with what the script lacks; false
// where it lacks nothing.
func appendScript(b *strings.Builder, escape string, inside bool) bool {
	newer := scriptNewer[strings.TrimSuffix(strings.TrimPrefix(escape, `\p{`), "}")]
	if newer == nil {
		return false
	}
	if !inside {
		b.WriteByte('[')
	}
	b.WriteString(escape)
	appendRanges(b, newer)
	if !inside {
		b.WriteByte(']')
	}
	return true
}

func appendRanges(b *strings.Builder, class []runeRange) {
	for _, r := range class {
		for _, part := range [...]runeRange{{r.lo, min(r.hi, 0xd7ff)}, {max(r.lo, 0xe000), r.hi}} { // no text holds surrogates
			if part.lo > part.hi {
				continue
			}
			appendRune(b, part.lo)
			if part.lo < part.hi {
				b.WriteByte('-')
				appendRune(b, part.hi)
			}
		}
	}
}

func appendRune(b *strings.Builder, r rune) {
	if r < utf8.RuneSelf {
		fmt.Fprintf(b, `\x%02x`, r)
		return
	}
	b.WriteRune(r)
}
