package chat

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrLimit is wrapped by every error that stops a template for taking too many
// steps, too much nesting, memory or output.
var ErrLimit = errors.New("template limit reached")

// Error says where in a template something went wrong. Line counts from 1;
// Expr is the source of the failing expression or tag, shortened.
type Error struct {
	Template string
	Line     int
	Expr     string
	Err      error
}

func (e *Error) Error() string {
	if e.Expr == "" {
		return fmt.Sprintf("chat: template %q line %d: %v", e.Template, e.Line, e.Err)
	}
	return fmt.Sprintf("chat: template %q line %d: %s: %v", e.Template, e.Line, e.Expr, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// RaiseError is the cause when a template calls raise_exception: the template
// refuses the conversation, for the reason in Message.
type RaiseError struct {
	Message string
}

func (e *RaiseError) Error() string { return e.Message }

// span is a piece of the source.
type span struct {
	line   int32
	lo, hi int32
}

const exprShown = 80

// snippet is the source of s in one line of at most exprShown characters.
func snippet(src string, s span) string {
	if s.lo < 0 || s.hi <= s.lo || int(s.hi) > len(src) {
		return ""
	}
	long := src[s.lo:s.hi]
	if len(long) > 8*exprShown {
		long = long[:8*exprShown]
	}
	out := strings.Join(strings.Fields(long), " ")
	if utf8.RuneCountInString(out) > exprShown {
		r := []rune(out)
		out = string(r[:exprShown-1]) + "…"
	}
	return out
}

// fail places err at s unless a deeper expression has done so already.
func (t *Template) fail(s span, err error) error {
	var placed *Error
	if err == nil || errors.As(err, &placed) {
		return err
	}
	return &Error{Template: t.name, Line: int(s.line), Expr: snippet(t.src, s), Err: err}
}
