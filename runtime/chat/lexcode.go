package chat

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// code reads the inside of {{ }} or {% %}.
func (l *lexer) code(begin, end tokenKind, at int) error {
	l.add(begin, "", at, at+2)
	l.open = l.open[:0]
	closing := end.String()
	for {
		rest := l.src[l.pos:]
		trimmed := strings.TrimLeftFunc(rest, isSpace)
		l.advance(len(l.src) - len(trimmed))
		if trimmed == "" {
			return l.errorf(at, "tag %s is not closed", begin)
		}
		if len(l.open) == 0 && l.closes(trimmed, closing, end) {
			return nil
		}
		if err := l.codeToken(trimmed); err != nil {
			return err
		}
	}
}

func (l *lexer) closes(s, closing string, end tokenKind) bool {
	var sign byte
	at := l.pos
	if s[0] == '-' || s[0] == '+' && end == tokBlockEnd {
		sign, s, at = s[0], s[1:], at+1
	}
	if !strings.HasPrefix(s, closing) {
		return false
	}
	l.add(end, "", at, at+2)
	l.afterTag(at+2, sign, end == tokBlockEnd)
	return true
}

func (l *lexer) codeToken(s string) error {
	switch c := s[0]; {
	case c == '"' || c == '\'':
		return l.stringToken(s)
	case c >= '0' && c <= '9':
		return l.numberToken(s)
	}
	if isNameStart(firstRune(s)) {
		n := nameEnd(s)
		l.take(tokName, s[:n], n)
		return nil
	}
	for _, op := range operators {
		if strings.HasPrefix(s, op.text) {
			if err := l.balance(op.kind); err != nil {
				return err
			}
			l.take(op.kind, "", len(op.text))
			return nil
		}
	}
	return l.errorf(l.pos, "unexpected character %q", firstRune(s))
}

func (l *lexer) take(k tokenKind, text string, n int) {
	l.add(k, text, l.pos, l.pos+n)
	l.advance(l.pos + n)
}

func (l *lexer) balance(k tokenKind) error {
	switch k {
	case tokLParen, tokLBracket, tokLBrace:
		if len(l.open) >= maxNest {
			return l.errorf(l.pos, "brackets nested deeper than %d: %w", maxNest, ErrLimit)
		}
		l.open = append(l.open, k+1)
	case tokRParen, tokRBracket, tokRBrace:
		if len(l.open) == 0 {
			return l.errorf(l.pos, "unexpected %q", k)
		}
		want := l.open[len(l.open)-1]
		if want != k {
			return l.errorf(l.pos, "unexpected %q, expected %q", k, want)
		}
		l.open = l.open[:len(l.open)-1]
	}
	return nil
}

// numberToken reads 12, 1_000, 0x1f, 1.5, 1e3. After a dot (list.0.1) a
// number is an index, never a float.
func (l *lexer) numberToken(s string) error {
	if len(s) > 2 && s[0] == '0' && strings.ContainsRune("xXoObB", rune(s[1])) {
		n := 2 + digits(s[2:], isHexOrUnderscore)
		v, err := strconv.ParseInt(s[:n], 0, 64)
		if err != nil {
			return l.errorf(l.pos, "bad integer %q", s[:n])
		}
		l.take(tokInt, strconv.FormatInt(v, 10), n)
		return nil
	}
	n := digits(s, isDigitOrUnderscore)
	kind := tokInt
	if last := l.toks[len(l.toks)-1].kind; last != tokDot {
		if m := digits(tail(s, n, '.'), isDigitOrUnderscore); m > 0 {
			n, kind = n+1+m, tokFloat
		}
		if m := exponent(s[n:]); m > 0 {
			n, kind = n+m, tokFloat
		}
	}
	digits := strings.ReplaceAll(s[:n], "_", "")
	if kind == tokInt {
		if _, err := strconv.ParseInt(digits, 10, 64); err != nil {
			return l.errorf(l.pos, "integer %.30s beyond 64 bits", digits)
		}
	}
	l.take(kind, digits, n)
	return nil
}

func tail(s string, n int, c byte) string {
	if n < len(s) && s[n] == c {
		return s[n+1:]
	}
	return ""
}

func exponent(s string) int {
	if s == "" || s[0]|0x20 != 'e' {
		return 0
	}
	i := 1
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	if m := digits(s[i:], isDigitOrUnderscore); m > 0 {
		return i + m
	}
	return 0
}

func isDigitOrUnderscore(c byte) bool { return c >= '0' && c <= '9' || c == '_' }

func isHexOrUnderscore(c byte) bool {
	return isDigitOrUnderscore(c) || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// digits counts the leading bytes of s that are digits; the first may not be
// an underscore.
func digits(s string, is func(byte) bool) int {
	if s == "" || s[0] == '_' {
		return 0
	}
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

func (l *lexer) stringToken(s string) error {
	quote := s[0]
	i := 1
	for i < len(s) && s[i] != quote {
		if s[i] == '\\' {
			i++
		}
		i++
	}
	if i >= len(s) {
		return l.errorf(l.pos, "string is not closed")
	}
	text, err := unescape(s[1:i])
	if err != "" {
		return l.errorf(l.pos, "%s", err)
	}
	l.take(tokString, text, i+1)
	return nil
}

var simpleEscapes = map[byte]byte{
	'\\': '\\', '\'': '\'', '"': '"', 'a': 7, 'b': 8, 'f': 12, 'n': 10, 'r': 13, 't': 9, 'v': 11,
}

// unescape decodes Python's string escapes; an unknown one stays as it is.
func unescape(s string) (out, problem string) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, ""
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			i++
			continue
		}
		c := s[i+1]
		i += 2
		if e, ok := simpleEscapes[c]; ok {
			b = append(b, e)
			continue
		}
		n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		switch {
		case c == '\n':
		case n > 0:
			if i+n > len(s) {
				return "", "truncated \\" + string(c) + " escape"
			}
			v, err := strconv.ParseUint(s[i:i+n], 16, 32)
			if err != nil || v > utf8.MaxRune {
				return "", "bad \\" + string(c) + " escape"
			}
			b = utf8.AppendRune(b, rune(v))
			i += n
		case c >= '0' && c <= '7':
			v := int(c - '0')
			for k := 0; k < 2 && i < len(s) && s[i] >= '0' && s[i] <= '7'; k++ {
				v = v*8 + int(s[i]-'0')
				i++
			}
			b = utf8.AppendRune(b, rune(v))
		default:
			b = append(b, '\\', c)
		}
	}
	return string(b), ""
}
