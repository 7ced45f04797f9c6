package repl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/qwq-edge/qwq/runtime/engine/session"
)

// Streams are where a conversation without a terminal comes from and goes to.
type Streams struct {
	In   io.Reader
	Out  io.Writer // answers and what commands print
	Talk io.Writer // notes
	Name string    // of the program, before notes
}

// Plain reads messages and commands line by line, a \ at the end of a line
// joins the next one, and writes the answers as they come. The first failure
// ends it.
func (r *REPL) Plain(ctx context.Context, s Streams) error {
	done := make(chan struct{})
	defer close(done)
	inputs := read(s.In, done)
	for {
		var in input
		select {
		case <-ctx.Done():
			return ctx.Err()
		case in = <-inputs:
		}
		if strings.TrimSpace(in.text) != "" {
			quit, err := r.One(ctx, s, in.text)
			if err != nil || quit {
				return err
			}
		}
		if errors.Is(in.err, io.EOF) {
			return nil
		}
		if in.err != nil {
			return in.err
		}
	}
}

// input is a message, and the error that ended the stream after it.
type input struct {
	text string
	err  error
}

// read reads messages beside the conversation, so that waiting for one can be
// interrupted. It ends after an error, or with done once the read that it is
// in returns; nothing can end that read on a terminal but a line.
func read(from io.Reader, done <-chan struct{}) <-chan input {
	out := make(chan input)
	go func() {
		in := bufio.NewReader(from)
		for {
			text, err := readMessage(in)
			select {
			case out <- input{text, err}:
			case <-done:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return out
}

// maxMessage bounds a message from a pipe, in bytes.
const maxMessage = 16 << 20

// readMessage reads one line and those that it continues on.
func readMessage(in *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		part, err := in.ReadSlice('\n')
		b.Write(part)
		if b.Len() > maxMessage {
			return "", fmt.Errorf("a message is longer than %d bytes", maxMessage)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return b.String(), err
		}
		line := strings.TrimRight(b.String(), "\r\n")
		if !strings.HasSuffix(line, `\`) {
			return line, nil
		}
		b.Reset()
		b.WriteString(strings.TrimSuffix(line, `\`) + "\n")
	}
}

// One takes one input.
func (r *REPL) One(ctx context.Context, s Streams, text string) (quit bool, err error) {
	o, err := r.Input(text)
	if err != nil {
		return false, err
	}
	if o.Text != "" {
		if _, err := fmt.Fprintln(s.Out, o.Text); err != nil {
			return false, err
		}
	}
	if o.Ask == nil {
		return o.Quit, nil
	}
	p := printer{r: r, s: s}
	for e, err := range o.Ask(ctx) {
		if err == nil {
			err = p.event(e)
		}
		if err != nil {
			return false, err
		}
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if p.said {
		_, err = fmt.Fprintln(s.Out)
	}
	if note := r.pending(); note != "" {
		fmt.Fprintf(s.Talk, "%s: %s\n", s.Name, note)
	}
	return false, err
}

// printer writes one answer.
type printer struct {
	r        *REPL
	s        Streams
	said     bool // something is on Out
	thinking bool
	thought  int // tokens of reasoning
}

func (p *printer) event(e session.Event) (err error) {
	if p.thinking && e.Kind != session.Reasoning {
		p.thinking = false
		err = p.endThought()
	}
	switch e.Kind {
	case session.Reasoning:
		return errors.Join(err, p.reason(e))
	case session.Content:
		p.said = true
		_, err = io.WriteString(p.s.Out, e.Text)
	case session.Call:
		p.said = true
		_, err = fmt.Fprintf(p.s.Out, "%s\n", callText(e))
	case session.Notice:
		fmt.Fprintf(p.s.Talk, "%s: %s\n", p.s.Name, e.Text)
	}
	return err
}

func (p *printer) reason(e session.Event) (err error) {
	begin, text := !p.thinking, e.Text
	p.thinking, p.thought = true, e.Tokens
	switch p.r.Think {
	case Show:
		if begin {
			text = "<think>\n" + text
		}
		_, err = io.WriteString(p.s.Out, text)
	case Dim:
		_, err = io.WriteString(p.s.Talk, text)
	}
	return err
}

func (p *printer) endThought() (err error) {
	switch p.r.Think {
	case Show:
		_, err = io.WriteString(p.s.Out, "\n</think>\n\n")
	case Dim:
		_, err = io.WriteString(p.s.Talk, "\n")
	case Fold:
		_, err = fmt.Fprintf(p.s.Talk, "%s: thought for %d tokens, --think show prints them\n", p.s.Name, p.thought)
	}
	return err
}
