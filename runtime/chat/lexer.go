package chat

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lexer cuts a template into tokens. It trims blocks as jinja2 does with
// trim_blocks and lstrip_blocks set:
//   - the newline right after %} and #} goes,
//   - blanks between the start of a line and {% or {# go,
//   - a minus sign inside a tag eats all white space on its side, a plus sign
//     switches either trimming off,
//   - one newline at the end of the template goes.
type lexer struct {
	src  string
	pos  int
	line int
	// lineStart is true when the text before pos ended a line.
	lineStart bool
	toks      []token
	open      []tokenKind // brackets waiting for their partner
}

// syntaxError is turned into an *Error by Parse.
type syntaxError struct {
	at  span
	err error
}

func (e *syntaxError) Error() string { return e.err.Error() }

func (l *lexer) errorf(at int, format string, a ...any) error {
	line := 1 + strings.Count(l.src[:min(at, len(l.src))], "\n")
	return &syntaxError{span{line: int32(line), lo: -1}, fmt.Errorf(format, a...)}
}

func normalizeNewlines(s string) string {
	if strings.Contains(s, "\r") {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	}
	return strings.TrimSuffix(s, "\n")
}

func lex(src string) ([]token, error) {
	l := &lexer{src: src, line: 1, lineStart: true, toks: make([]token, 0, len(src)/4+8)}
	for l.pos < len(l.src) {
		if err := l.next(); err != nil {
			return nil, err
		}
	}
	l.add(tokEOF, "", len(src), len(src))
	return l.toks, nil
}

func (l *lexer) add(k tokenKind, text string, lo, hi int) {
	l.toks = append(l.toks, token{k, text, span{int32(l.line), int32(lo), int32(hi)}})
}

// advance moves to pos to and counts the lines in between.
func (l *lexer) advance(to int) {
	l.line += strings.Count(l.src[l.pos:to], "\n")
	if to > l.pos {
		l.lineStart = l.src[to-1] == '\n'
	}
	l.pos = to
}

// next reads template data up to the next tag, then that tag.
func (l *lexer) next() error {
	start := l.pos
	at := l.findTag(start)
	if at < 0 {
		l.data(l.src[start:])
		l.advance(len(l.src))
		return nil
	}
	kind := l.src[at+1]
	body := at + 2
	textPart := l.src[start:at]
	switch {
	case strings.HasPrefix(l.src[body:], "-"):
		textPart = strings.TrimRightFunc(textPart, isSpace)
		body++
	case strings.HasPrefix(l.src[body:], "+"):
		body++
	case kind != '{':
		textPart = l.lstrip(textPart)
	}
	l.data(textPart)
	l.advance(body)
	switch kind {
	case '#':
		return l.comment(at)
	case '{':
		return l.code(tokVarBegin, tokVarEnd, at)
	}
	if end := l.rawBegin(body); end > 0 {
		return l.raw(at, end)
	}
	return l.code(tokBlockBegin, tokBlockEnd, at)
}

func (l *lexer) findTag(from int) int {
	for {
		i := strings.IndexByte(l.src[from:], '{')
		if i < 0 || from+i+1 >= len(l.src) {
			return -1
		}
		from += i
		if c := l.src[from+1]; c == '{' || c == '%' || c == '#' {
			return from
		}
		from++
	}
}

func (l *lexer) data(s string) {
	if s != "" {
		l.add(tokData, s, l.pos, l.pos+len(s))
	}
}

// lstrip drops the blanks of the last line of s when nothing else is on it.
func (l *lexer) lstrip(s string) string {
	i := strings.LastIndexByte(s, '\n') + 1
	if (i > 0 || l.lineStart) && strings.TrimFunc(s[i:], isSpace) == "" {
		return s[:i]
	}
	return s
}

// afterTag moves past the end of a tag, whose closing bracket ends at pos.
// sign is '-', '+' or 0.
func (l *lexer) afterTag(end int, sign byte, trimNewline bool) {
	switch {
	case sign == '-':
		rest := strings.TrimLeftFunc(l.src[end:], isSpace)
		end = len(l.src) - len(rest)
	case sign == 0 && trimNewline && end < len(l.src) && l.src[end] == '\n':
		end++
	}
	l.advance(end)
}

func (l *lexer) comment(at int) error {
	i := strings.Index(l.src[l.pos:], "#}")
	if i < 0 {
		return l.errorf(at, "comment is not closed")
	}
	end := l.pos + i
	var sign byte
	if i > 0 && (l.src[end-1] == '-' || l.src[end-1] == '+') {
		sign = l.src[end-1]
	}
	l.afterTag(end+2, sign, true)
	return nil
}

// rawBegin returns the position behind "raw %}" when body starts with it.
func (l *lexer) rawBegin(body int) int {
	s := strings.TrimLeftFunc(l.src[body:], isSpace)
	if !strings.HasPrefix(s, "raw") {
		return 0
	}
	s = strings.TrimLeftFunc(s[3:], isSpace)
	switch {
	case strings.HasPrefix(s, "%}"):
		return len(l.src) - len(s) + 2
	case strings.HasPrefix(s, "-%}"):
		return len(l.src) - len(strings.TrimLeftFunc(s[3:], isSpace))
	}
	return 0
}

// raw copies the text up to {% endraw %}.
func (l *lexer) raw(at, start int) error {
	l.advance(start)
	for i := start; ; {
		j := strings.Index(l.src[i:], "{%")
		if j < 0 {
			return l.errorf(at, "raw block is not closed")
		}
		open := i + j
		s := l.src[open+2:]
		var sign byte
		if s != "" && (s[0] == '-' || s[0] == '+') {
			sign, s = s[0], s[1:]
		}
		s = strings.TrimLeftFunc(s, isSpace)
		if rest, ok := strings.CutPrefix(s, "endraw"); ok {
			if end, endSign, ok := l.tagEnd(strings.TrimLeftFunc(rest, isSpace)); ok {
				l.rawText(l.src[start:open], sign)
				l.afterTag(end, endSign, true)
				return nil
			}
		}
		i = open + 2
	}
}

func (l *lexer) rawText(s string, sign byte) {
	switch sign {
	case '-':
		s = strings.TrimRightFunc(s, isSpace)
	case 0:
		s = l.lstrip(s)
	}
	l.data(s)
}

// tagEnd reads [-+]%} at the start of s, a tail of the source.
func (l *lexer) tagEnd(s string) (end int, sign byte, ok bool) {
	at := len(l.src) - len(s)
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s, at = s[0], s[1:], at+1
	}
	return at + 2, sign, strings.HasPrefix(s, "%}")
}

// isSpace is Python's str.isspace for one character.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}

func isNameStart(r rune) bool { return r == '_' || unicode.IsLetter(r) }

func nameEnd(s string) int {
	for i, r := range s {
		if !isNameStart(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r)) {
			return i
		}
	}
	return len(s)
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}
