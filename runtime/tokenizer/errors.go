package tokenizer

import (
	"fmt"
	"strings"
)

// FormatError says what is wrong with a tokenizer file.
type FormatError struct {
	File   string // path, or "" for data without one
	Offset int64  // byte offset in File; -1 where there is none
	Field  string // the field or key, such as model.merges[12]; may be ""
	Err    error  // what is wrong with it
}

// Error names the file, the field, the offset and the cause in one line.
func (e *FormatError) Error() string {
	var b strings.Builder
	b.WriteString("tokenizer: ")
	if e.File != "" {
		b.WriteString(e.File + ": ")
	}
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	if e.Offset >= 0 {
		fmt.Fprintf(&b, "offset %d: ", e.Offset)
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// fieldErr is a FormatError without a place in the file; the loader that knows
// the file's name fills it in (see inFile).
func fieldErr(field, format string, args ...any) error {
	return &FormatError{Offset: -1, Field: field, Err: fmt.Errorf(format, args...)}
}

// inFile puts the file's name into an error that has none yet.
func inFile(file string, err error) error {
	if err == nil {
		return nil
	}
	if fe, ok := err.(*FormatError); ok {
		if fe.File != "" {
			return fe
		}
		c := *fe
		c.File = file
		return &c
	}
	return &FormatError{File: file, Offset: -1, Err: err}
}
