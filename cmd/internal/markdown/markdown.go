// Package markdown styles a model's answer for a terminal line by line, as it
// comes: headings, lists, quotes, fenced blocks, bold, italics, code. It is no
// parser of the whole language: what it does not know stays as it was written.
//
//	r := markdown.Renderer{Styled: true, Width: 80}
//	fmt.Println(r.Line("a **bold** word"))
package markdown

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"charm.land/lipgloss/v2"
)

// Renderer styles the lines of one text in order.
type Renderer struct {
	Styled bool // false: the text as it is, only wrapped (NO_COLOR)
	Width  int  // columns; 0: lines are not wrapped

	fence string // the marks that opened the block of code; empty outside
}

// Line styles the next whole line, without its line end.
func (r *Renderer) Line(line string) string {
	line = Clean(line)
	marks := fenceMarks(line)
	switch {
	case r.fence == "" && marks != "":
		r.fence = marks
	case r.fence != "" && strings.HasPrefix(marks, r.fence) && strings.TrimSpace(line) == marks:
		r.fence = ""
	case r.fence != "":
		return r.wrap(r.style(code, line))
	default:
		return r.wrap(r.block(line))
	}
	return r.wrap(r.style(dim, line))
}

// Preview styles a line that is not complete yet.
func (r *Renderer) Preview(line string) string {
	as := *r
	return as.Line(line)
}

// Reset begins a new text.
func (r *Renderer) Reset() { r.fence = "" }

// Dim is a text, of several lines perhaps, that stands back.
func (r *Renderer) Dim(s string) string {
	lines := strings.Split(Clean(s), "\n")
	for i, l := range lines {
		lines[i] = r.wrap(r.style(dim, l))
	}
	return strings.Join(lines, "\n")
}

// Bold is a text that stands out.
func (r *Renderer) Bold(s string) string { return r.wrap(r.style(bold, Clean(s))) }

// Clean takes control characters out of a text, so that an answer cannot drive
// the terminal; tabs become spaces, line ends stay.
func Clean(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n':
			return c
		case c == '\t':
			return ' '
		case unicode.IsControl(c), c >= 0x202a && c <= 0x202e, c >= 0x2066 && c <= 0x2069: // and what turns the direction of text
			return -1
		}
		return c
	}, strings.ReplaceAll(s, "\t", "    "))
}

// sgr is a style: the sequences that begin and end it.
type sgr struct{ on, off string }

var (
	bold   = sgr{"\x1b[1m", "\x1b[22m"}
	dim    = sgr{"\x1b[2m", "\x1b[22m"}
	italic = sgr{"\x1b[3m", "\x1b[23m"}
	code   = sgr{"\x1b[36m", "\x1b[39m"}
)

func (r *Renderer) style(s sgr, text string) string {
	if !r.Styled || text == "" {
		return text
	}
	return s.on + text + s.off
}

func (r *Renderer) wrap(s string) string {
	if r.Width <= 0 {
		return s
	}
	return lipgloss.Wrap(s, r.Width, " ")
}

// fenceMarks are the three or more marks that begin a line, empty for others.
func fenceMarks(line string) string {
	s := strings.TrimLeft(line, " ")
	for _, mark := range []string{"`", "~"} {
		if n := len(s) - len(strings.TrimLeft(s, mark)); n >= 3 {
			return s[:n]
		}
	}
	return ""
}

// block styles a line outside of code by what it begins with.
func (r *Renderer) block(line string) string {
	if !r.Styled {
		return line
	}
	text := strings.TrimLeft(line, " ")
	indent := line[:len(line)-len(text)]
	if level := len(text) - len(strings.TrimLeft(text, "#")); level >= 1 && level <= 6 && strings.HasPrefix(text[level:], " ") {
		return indent + r.style(bold, strings.TrimSpace(text[level:]))
	}
	if rest, ok := strings.CutPrefix(text, "> "); ok {
		return indent + r.style(dim, "│ ") + r.inline(rest)
	}
	if t := strings.ReplaceAll(strings.TrimSpace(text), " ", ""); len(t) >= 3 && (strings.Trim(t, "-") == "" || strings.Trim(t, "*") == "") {
		return indent + r.style(dim, strings.Repeat("─", 20))
	}
	for _, mark := range []string{"- ", "* ", "+ "} {
		if rest, ok := strings.CutPrefix(text, mark); ok {
			return indent + "• " + r.inline(rest)
		}
	}
	return indent + r.inline(text)
}

// inline styles code, bold and italics within a line. A mark without its
// partner stays.
func (r *Renderer) inline(s string) string {
	var b strings.Builder
	last := ' '
	for s != "" {
		mark, st := markOf(s)
		if mark == "\\" {
			b.WriteString(s[1:2])
			last, s = rune(s[1]), s[2:]
			continue
		}
		if mark != "" && (mark[0] != '_' || !isWord(last)) {
			if inner, rest, ok := enclosed(s, mark); ok {
				if mark[0] != '`' {
					inner = r.inline(inner)
				}
				b.WriteString(r.style(st, inner))
				last, s = rune(mark[0]), rest
				continue
			}
		}
		n := max(1, len(mark))
		if mark == "" {
			last, n = utf8.DecodeRuneInString(s)
		} else {
			last = rune(mark[0])
		}
		b.WriteString(s[:n])
		s = s[n:]
	}
	return b.String()
}

// markOf is the mark that s begins with, a backslash before a mark, or empty.
func markOf(s string) (string, sgr) {
	switch s[0] {
	case '\\':
		if len(s) > 1 && strings.IndexByte("*_`#>-+\\", s[1]) >= 0 {
			return "\\", sgr{}
		}
	case '`':
		return s[:len(s)-len(strings.TrimLeft(s, "`"))], code
	case '*', '_':
		if len(s) > 1 && s[1] == s[0] {
			return s[:2], bold
		}
		return s[:1], italic
	}
	return "", sgr{}
}

// enclosed takes what stands between a mark and its partner; the text must not
// begin or end with a space.
func enclosed(s, mark string) (inner, rest string, ok bool) {
	inner, rest, ok = strings.Cut(s[len(mark):], mark)
	if !ok || inner == "" {
		return "", "", false
	}
	if mark[0] == '`' {
		return inner, rest, true
	}
	if inner[0] == ' ' || inner[len(inner)-1] == ' ' {
		return "", "", false
	}
	next, _ := utf8.DecodeRuneInString(rest)
	return inner, rest, mark[0] != '_' || rest == "" || !isWord(next)
}

func isWord(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }
