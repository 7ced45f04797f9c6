package data

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Error says what is wrong with a file of documents.
type Error struct {
	File   string
	Line   int    // from 1; of parquet the row, from 0
	Column int    // bytes of the line, from 1; 0: not known
	Unit   string // "row" of parquet; else empty
	Err    error
}

// Error names the file, the line, the column where it is known, and the cause.
func (e *Error) Error() string {
	if e.Unit != "" {
		return fmt.Sprintf("data: %s: %s %d: %v", e.File, e.Unit, e.Line, e.Err)
	}
	if e.Column > 0 {
		return fmt.Sprintf("data: %s:%d:%d: %v", e.File, e.Line, e.Column, e.Err)
	}
	return fmt.Sprintf("data: %s:%d: %v", e.File, e.Line, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// lines reads lines of bounded length without their ends (LF or CRLF) and
// counts them. A byte order mark before the first is dropped.
type lines struct {
	r    *bufio.Reader
	max  int
	line int // of the last that next returned, from 1
	buf  []byte
	rest []byte // the begin of a character that the last piece was cut in
}

func newLines(r io.Reader, limit int) *lines {
	return &lines{r: bufio.NewReaderSize(r, 64<<10), max: limit}
}

// next returns the next line, valid until the following call; more says that
// it goes on, because it is longer than the limit. Its continuation has the
// same number.
func (l *lines) next(continued bool) (b []byte, more bool, err error) {
	if !continued {
		l.line++
	}
	l.buf, l.rest = append(l.buf[:0], l.rest...), nil
	for {
		part, err := l.r.ReadSlice('\n')
		l.buf = append(l.buf, part...)
		if l.line == 1 && !continued {
			l.buf = bytes.TrimPrefix(l.buf, []byte("\xef\xbb\xbf"))
		}
		switch {
		case err == nil:
			return bytes.TrimSuffix(l.buf[:len(l.buf)-1], []byte("\r")), false, nil
		case errors.Is(err, bufio.ErrBufferFull):
			if len(l.buf) > l.max {
				return l.whole(), true, nil
			}
		case errors.Is(err, io.EOF):
			if len(l.buf) == 0 {
				return nil, false, io.EOF
			}
			return l.buf, false, nil
		default:
			return nil, false, err
		}
	}
}

// whole is buf without the begin of a character at its end, which is kept for
// the next piece.
func (l *lines) whole() []byte {
	n := len(l.buf)
	for i := 1; i < utf8.UTFMax && i <= n; i++ {
		if b := l.buf[n-i]; utf8.RuneStart(b) {
			if !utf8.FullRune(l.buf[n-i:]) {
				l.rest = append([]byte(nil), l.buf[n-i:]...)
				return l.buf[:n-i]
			}
			break
		}
	}
	return l.buf
}

// text applies the policy for bytes that are no UTF-8.
func text(b []byte, replace bool) (string, error) {
	if utf8.Valid(b) {
		return string(b), nil
	}
	if replace {
		return string(bytes.ToValidUTF8(b, []byte("\uFFFD"))), nil
	}
	at := 0
	for at < len(b) {
		r, n := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return "", fmt.Errorf("no UTF-8: byte %#02x at byte %d of the line", b[at], at)
}
