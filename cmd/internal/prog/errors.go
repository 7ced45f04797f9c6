package prog

import (
	"errors"
	"fmt"
)

// usageError is a mistake on the command line: exit code 2.
type usageError struct{ msg, hint string }

func (e *usageError) Error() string { return e.msg }

// Hintf adds the second line of a usage error.
func (e *usageError) Hintf(format string, args ...any) error {
	e.hint = fmt.Sprintf(format, args...)
	return e
}

// Usagef makes a usage error: the program prints it and exits with 2.
func Usagef(format string, args ...any) *usageError {
	return &usageError{msg: fmt.Sprintf(format, args...)}
}

// hinted is an error with advice on what to do next.
type hinted struct {
	err  error
	hint string
}

func (e *hinted) Error() string { return e.err.Error() }
func (e *hinted) Unwrap() error { return e.err }

// Hint adds a second line to an error: what the reader can do about it.
// Hint(nil) is nil.
func Hint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{err, fmt.Sprintf(format, args...)}
}

func hintOf(err error) string {
	var h *hinted
	if errors.As(err, &h) {
		return h.hint
	}
	var u *usageError
	if errors.As(err, &u) {
		return u.hint
	}
	return ""
}
