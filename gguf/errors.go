package gguf

import "fmt"

// FormatError says what is wrong with a file, and where.
type FormatError struct {
	File   string // path; empty when bytes were parsed
	Offset int64  // in the file, of the field
	Field  string // `key "general.alignment"`, `tensor "output.weight"`, "version"
	Err    error
}

// Error is one line with file, field and offset.
func (e *FormatError) Error() string {
	file := e.File
	if file != "" {
		file += ": "
	}
	return fmt.Sprintf("gguf: %s%s at offset %d: %v", file, e.Field, e.Offset, e.Err)
}

// Unwrap is the cause.
func (e *FormatError) Unwrap() error { return e.Err }
