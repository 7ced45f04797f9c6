package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/engine/session"
	"github.com/qwq-edge/qwq/runtime/safety"
)

// policy is what --safety checks texts against; nil: nothing.
func policy(c *cli.Context) (*safety.Compiled, error) {
	if !c.Bool("safety") {
		return nil, nil
	}
	file, err := prog.ReadSafety()
	if err != nil {
		return nil, err
	}
	rule := file.Default
	if own, ok := file.Users[uint32(os.Getuid())]; ok {
		rule = own
	}
	p, err := safety.Compile(rule, nil)
	if err != nil || p.Off() {
		return nil, err
	}
	return p, nil
}

// chatFilter is a policy as conversations take it.
type chatFilter struct{ p *safety.Compiled }

func (f chatFilter) Check(text string) string { return message(f.p.Check(text)) }

func (f chatFilter) Stream() session.FilterStream { return chatStream{f.p.Stream()} }

type chatStream struct{ s *safety.Stream }

func (s chatStream) Write(piece string) (string, string) {
	out, r := s.s.Write(piece)
	return out, message(r)
}

func (s chatStream) Close() (string, string) {
	out, r := s.s.Close()
	return out, message(r)
}

func message(r *safety.Refusal) string {
	if r == nil {
		return ""
	}
	return r.Message
}

// checked is a text on its way through a policy; without one it passes as it is.
type checked struct {
	s     *safety.Stream
	taken int
	ends  []int // of each token's text
}

func check(p *safety.Compiled) *checked {
	if p == nil {
		return &checked{}
	}
	return &checked{s: p.Stream()}
}

// write takes a token's text, and gives what may be shown; refused: nothing follows it.
func (k *checked) write(text string, last bool) (out string, refused bool) {
	if k.s == nil {
		return text, false
	}
	k.taken += len(text)
	k.ends = append(k.ends, k.taken)
	held := k.s.Held()
	out, r := k.s.Write(text)
	if last && r == nil {
		var rest string
		rest, r = k.s.Close()
		out += rest
	}
	if r == nil {
		return out, false
	}
	shown := k.taken - len(text) - held + len(out)
	for len(k.ends) > 0 && k.ends[len(k.ends)-1] > shown {
		k.ends = k.ends[:len(k.ends)-1]
	}
	return out + r.Message, true
}

// tokens is how many were shown when the rest was refused.
func (k *checked) tokens() int { return len(k.ends) }
