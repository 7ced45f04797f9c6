package data

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// readJSONL reads one record a line; empty lines are skipped.
func readJSONL(ctx context.Context, r io.Reader, path string, o reading, v visit) error {
	l := newLines(r, o.maxLine)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, more, err := l.next(false)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && (more || len(line) > o.maxLine) {
			err = fmt.Errorf("the line is longer than %d bytes", o.maxLine)
		}
		if err != nil {
			return &Error{File: path, Line: l.line, Err: err}
		}
		if len(bytes.TrimSpace(line)) == 0 || !v.want() {
			continue
		}
		rec, err := parseRecord(line, o.replace)
		if err == nil {
			err = v.take(l.line, rec)
		}
		var known *Error
		if err != nil && !errors.As(err, &known) {
			e := &Error{File: path, Line: l.line, Err: err}
			if at := new(columnError); errors.As(err, &at) {
				e.Column = at.column
			}
			err = e
		}
		if err != nil {
			return err
		}
	}
}

// parseRecord reads {"text": …}, {"prompt": …, "completion": …} or
// {"messages": […], "tools": […]}. Other keys are somebody's notes.
func parseRecord(line []byte, replace bool) (*Record, error) {
	s, err := text(line, replace)
	if err != nil {
		return nil, err
	}
	var in struct {
		Text       *string         `json:"text"`
		Prompt     *string         `json:"prompt"`
		Completion *string         `json:"completion"`
		Messages   json.RawMessage `json:"messages"`
		Tools      json.RawMessage `json:"tools"`
	}
	if err := json.Unmarshal([]byte(s), &in); err != nil {
		var t *json.UnmarshalTypeError
		switch {
		case !errors.As(err, &t):
			return nil, err
		case t.Field == "":
			return nil, fmt.Errorf("a JSON %s, want an object", t.Value)
		}
		return nil, fmt.Errorf("%q is no string but: %s", t.Field, t.Value)
	}
	if err := checkKeys(s, "text", "prompt", "completion", "messages", "tools"); err != nil {
		return nil, err
	}
	return record(in.Text, in.Prompt, in.Completion, notNull(in.Messages), notNull(in.Tools))
}

func notNull(b json.RawMessage) []byte {
	if string(b) == "null" {
		return nil
	}
	return b
}

// record makes a Record of the fields that are there.
func record(text, prompt, completion *string, messages, tools []byte) (*Record, error) {
	kinds := 0
	for _, has := range []bool{text != nil, prompt != nil || completion != nil, messages != nil} {
		if has {
			kinds++
		}
	}
	switch {
	case kinds == 0:
		return nil, errors.New(`none of "text", "prompt" with "completion", "messages"`)
	case kinds > 1:
		return nil, errors.New(`more than one of "text", "prompt" with "completion", "messages"`)
	case text != nil:
		return &Record{Kind: KindText, Text: *text}, nil
	case messages != nil:
		return &Record{Kind: KindChat, Messages: messages, Tools: tools}, nil
	case prompt == nil || completion == nil:
		return nil, errors.New(`"prompt" and "completion" go together`)
	}
	return &Record{Kind: KindCompletion, Prompt: *prompt, Completion: *completion}, nil
}
