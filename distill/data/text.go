package data

import (
	"context"
	"errors"
	"io"
	"strings"
)

// readText reads documents that end at a line which is the separator, or with
// the file. A document above the limit is cut at the end of a line, or in a
// line that is longer still; the pieces are documents.
func readText(ctx context.Context, r io.Reader, path string, o reading, v visit) error {
	l := newLines(r, o.maxLine)
	var doc strings.Builder
	start, broken := 1, false
	emit := func() error {
		s := strings.TrimSpace(doc.String())
		doc.Reset()
		if s == "" || !v.want() {
			return nil
		}
		return v.take(start, &Record{Kind: KindText, Text: s})
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, more, err := l.next(broken)
		if errors.Is(err, io.EOF) {
			return emit()
		}
		if err != nil {
			return &Error{File: path, Line: l.line, Err: err}
		}
		if !broken && !more && o.separator != "" && string(line) == o.separator {
			if err := emit(); err != nil {
				return err
			}
			start = l.line + 1
			continue
		}
		if doc.Len() > 0 && doc.Len()+len(line) > o.maxLine {
			if err := emit(); err != nil {
				return err
			}
			start = l.line
		}
		s, err := text(line, o.replace)
		if err != nil {
			return &Error{File: path, Line: l.line, Err: err}
		}
		doc.WriteString(s)
		if !more {
			doc.WriteByte('\n')
		}
		broken = more
	}
}
