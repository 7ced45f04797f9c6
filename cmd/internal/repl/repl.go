// Package repl is the conversation at the keyboard: it tells commands from
// messages, keeps the history of what was typed, and shows answers on a
// terminal (UI) or a pipe (Plain). What is said and remembered is the business
// of runtime/engine/session.
package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/engine/session"
)

// Think says how the reasoning before an answer is shown.
type Think string

// Ways to show reasoning.
const (
	Show Think = "show" // as the answer
	Dim  Think = "dim"  // standing back; on a pipe to stderr
	Fold Think = "fold" // one line that says how long it was
	Hide Think = "hide"
)

// Thinks are the ways there are.
const Thinks = "show, dim, fold or hide"

// Valid reports whether t is one of them.
func (t Think) Valid() bool { return t == Show || t == Dim || t == Fold || t == Hide }

// REPL is a conversation and how it is shown.
type REPL struct {
	Session *session.Session
	Think   Think
	Model   string // what it talks to, for the first line
}

// Outcome is what an input leads to.
type Outcome struct {
	Text string                                                    // to show to the user
	Ask  func(ctx context.Context) iter.Seq2[session.Event, error] // the answer; nil: none
	Quit bool
}

// command is one of the words behind a slash.
type command struct {
	name, args, help string
	run              func(r *REPL, arg string) (Outcome, error)
}

// commands is a function because /help reads it.
func commands() []command {
	return []command{
		{"help", "", "this list", (*REPL).help},
		{"system", "[TEXT]", "show or set the system prompt; off removes it", (*REPL).system},
		{"reset", "", "forget the conversation", (*REPL).reset},
		{"regenerate", "", "another answer to the last message", (*REPL).again},
		{"set", "[NAME VALUE]", "show all or change one: temp, top-k, max-tokens, think …", (*REPL).set},
		{"save", "FILE", "write the conversation as JSON messages", (*REPL).save},
		{"load", "FILE", "go on with a saved conversation", (*REPL).load},
		{"stats", "", "tokens, speed and use of the context", (*REPL).stats},
		{"tools", "[FILE]", "show or load tool definitions; off removes them", (*REPL).tools},
		{"quit", "", "leave (also Ctrl-D)", func(*REPL, string) (Outcome, error) { return Outcome{Quit: true}, nil }},
	}
}

// Input takes a message or a command. Two slashes begin a message with one.
func (r *REPL) Input(text string) (Outcome, error) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok || strings.HasPrefix(rest, "/") {
		if ok {
			text = rest
		}
		return Outcome{Ask: func(ctx context.Context) iter.Seq2[session.Event, error] { return r.Session.Ask(ctx, text) }}, nil
	}
	name, arg, _ := strings.Cut(strings.TrimSpace(rest), " ")
	arg = strings.TrimSpace(arg)
	var names []string
	for _, c := range commands() {
		if c.name == name {
			if arg == "" && strings.HasPrefix(c.args, "FILE") {
				return Outcome{}, fmt.Errorf("/%s needs a file", name)
			}
			return c.run(r, arg)
		}
		names = append(names, c.name)
	}
	if near := prog.Nearest(name, names); near != "" {
		return Outcome{}, fmt.Errorf("unknown command /%s, did you mean /%s?", name, near)
	}
	return Outcome{}, fmt.Errorf("unknown command /%s, /help lists them", name)
}

func (r *REPL) help(string) (Outcome, error) {
	var b strings.Builder
	for _, c := range commands() {
		fmt.Fprintf(&b, "%-20s %s\n", "/"+c.name+" "+c.args, c.help)
	}
	b.WriteString("Enter sends; Alt-Enter, Ctrl-J or a \\ at the line's end begins a new line;\nUp and Down show what was typed before; Ctrl-C stops an answer;\n//… is a message that begins with a slash.")
	return Outcome{Text: b.String()}, nil
}

func (r *REPL) system(arg string) (Outcome, error) {
	o := &r.Session.Options
	switch arg {
	case "":
		if o.System == "" {
			return Outcome{Text: "there is no system prompt"}, nil
		}
		return Outcome{Text: o.System}, nil
	case "off":
		o.System = ""
		return Outcome{Text: "system prompt removed"}, nil
	}
	o.System = arg
	return Outcome{Text: "system prompt set"}, nil
}

func (r *REPL) reset(string) (Outcome, error) {
	r.Session.Reset()
	return Outcome{Text: "the conversation is forgotten"}, nil
}

func (r *REPL) again(string) (Outcome, error) { return Outcome{Ask: r.Session.Again}, nil }

func (r *REPL) set(arg string) (Outcome, error) {
	s := &r.Session.Options.Sampling
	if arg == "" {
		return Outcome{Text: fmt.Sprintf("temp %.6g, top-k %d, top-p %.6g, min-p %.6g, repeat-penalty %.6g, seed %d, max-tokens %d, think %s",
			s.Temperature, s.TopK, s.TopP, s.MinP, s.RepeatPenalty, s.Seed, r.Session.Options.MaxTokens, r.Think)}, nil
	}
	name, value, _ := strings.Cut(arg, " ")
	name, value = strings.ReplaceAll(name, "_", "-"), strings.TrimSpace(value)
	old, oldMax := *s, r.Session.Options.MaxTokens
	var err error
	switch name {
	case "temp":
		s.Temperature, err = strconv.ParseFloat(value, 64)
	case "top-k":
		s.TopK, err = strconv.Atoi(value)
	case "top-p":
		s.TopP, err = strconv.ParseFloat(value, 64)
	case "min-p":
		s.MinP, err = strconv.ParseFloat(value, 64)
	case "repeat-penalty":
		s.RepeatPenalty, err = strconv.ParseFloat(value, 64)
	case "seed":
		s.Seed, err = strconv.ParseUint(value, 10, 64)
	case "max-tokens":
		if r.Session.Options.MaxTokens, err = strconv.Atoi(value); err == nil && r.Session.Options.MaxTokens < 0 {
			err = errors.New("negative")
		}
	case "think":
		if !Think(value).Valid() {
			return Outcome{}, fmt.Errorf("think %q is not %s", value, Thinks)
		}
		r.Think = Think(value)
	default:
		return Outcome{}, fmt.Errorf("there is no %q to set, /set alone shows what there is", name)
	}
	var syntax *strconv.NumError
	if errors.As(err, &syntax) {
		err = errors.New("want a number")
	} else if err == nil {
		err = s.Check()
	}
	if err != nil {
		*s, r.Session.Options.MaxTokens = old, oldMax
		return Outcome{}, fmt.Errorf("%s %q: %w", name, value, err)
	}
	return Outcome{Text: name + " is " + value}, nil
}

func (r *REPL) save(name string) (Outcome, error) {
	if err := prog.WriteFile(name, func(w io.Writer) error { return r.Session.Save(w) }); err != nil {
		return Outcome{}, err
	}
	return Outcome{Text: fmt.Sprintf("%d messages saved in %s", len(r.Session.Messages()), name)}, nil
}

func (r *REPL) load(name string) (Outcome, error) {
	f, err := os.Open(name)
	if err != nil {
		return Outcome{}, err
	}
	defer f.Close()
	if err := r.Session.Load(f); err != nil {
		return Outcome{}, fmt.Errorf("%s: %w", name, err)
	}
	return Outcome{Text: fmt.Sprintf("%d messages from %s", len(r.Session.Messages()), name)}, nil
}

func (r *REPL) stats(string) (Outcome, error) {
	s := r.Session.Stats()
	text := fmt.Sprintf("context   %d of %d tokens, %d messages, %d of them no longer in the prompt\n"+
		"prompt    %d tokens, %d of them kept from before, %s\n"+
		"answer    %d tokens, %s, %.1f tokens/s, ended by %s",
		s.Used, s.Context, len(r.Session.Messages()), s.Dropped, s.Prompt, s.Cached, s.Read.Round(time.Millisecond),
		s.Generated, s.Write.Round(time.Millisecond), s.Rate(), s.Finish)
	switch {
	case s.Generated == 0 && s.Context == 0:
		text = "no answer yet"
	case s.Generated == 0:
		text = fmt.Sprintf("no answer yet; the context holds %d tokens", s.Context)
	case s.Context == 0: // the daemon's business
		_, text, _ = strings.Cut(text, "\n")
	}
	return Outcome{Text: text}, nil
}

func (r *REPL) tools(arg string) (Outcome, error) {
	o := &r.Session.Options
	switch arg {
	case "off":
		o.Tools = nil
		return Outcome{Text: "no tools"}, nil
	case "":
		if len(o.Tools) == 0 {
			return Outcome{Text: "no tools; /tools FILE loads definitions"}, nil
		}
		var b strings.Builder
		for _, t := range o.Tools {
			fmt.Fprintf(&b, "%s\n", t)
		}
		return Outcome{Text: strings.TrimRight(b.String(), "\n")}, nil
	}
	if !r.Session.Tools() {
		return Outcome{}, errors.New("the model's template knows no tools")
	}
	tools, err := prog.Tools(arg)
	if err != nil {
		return Outcome{}, err
	}
	o.Tools = tools
	return Outcome{Text: fmt.Sprintf("%d tools; when the model calls one, what you type next is its result", len(tools))}, nil
}

// calls says which results the next message gives; empty: none.
func (r *REPL) pending() string {
	if calls := r.Session.Pending(); len(calls) > 0 {
		return fmt.Sprintf("type the result of %s as the next message", calls[0].Name)
	}
	return ""
}

// callText is a tool call as it is shown.
func callText(e session.Event) string {
	return fmt.Sprintf("→ %s(%s)", e.Call.Name, e.Call.Arguments)
}
