package server

import (
	"errors"
	"slices"

	"github.com/qwq-edge/qwq/runtime/grammar"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// mask restricts one answer: its reasoning to a number of tokens, what follows to a
// grammar, or calls to their form.
type mask struct {
	words    int // of a bitset
	matcher  *grammar.Matcher
	calls    *calling
	thinking bool
	left     int     // tokens of reasoning; less than 0: no bound
	open     []int32 // ids that begin the reasoning …
	close    []int32 // … and end it
	seen     int     // of close
	force    []int32 // what has to come now
	next     []int32 // what has to come after the reasoning
	one      []uint64
	err      error // why nothing may come
}

// Markers of the reasoning (Qwen3, QwQ, DeepSeek-R1).
const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
)

// mask makes an answer's mask; nil when nothing is restricted. thinking: the prompt has
// opened the reasoning.
func (l *Loaded) mask(t *Task, rule *callRule, thinking bool) *mask {
	if t.Grammar == nil && rule == nil && t.Think < 0 {
		return nil
	}
	tok := l.Model.Tokenizer()
	m := &mask{words: (l.Model.Vocabulary() + 63) / 64, thinking: thinking, left: t.Think}
	m.open, m.close = tok.Encode(thinkOpen, tokenizer.EncodeOptions{}), tok.Encode(thinkClose, tokenizer.EncodeOptions{})
	if t.Grammar != nil {
		m.matcher = l.Vocabulary.Matcher(t.Grammar)
	}
	if rule != nil {
		m.calls = &calling{callRule: rule, v: l.Vocabulary, token: tok.Token}
		if m.next = m.calls.begin(); !thinking {
			m.force, m.next = m.next, nil
		}
	}
	return m
}

// Allowed implements engine.Mask.
func (m *mask) Allowed() []uint64 {
	if m.thinking && m.left == 0 && len(m.force) == 0 {
		m.force = m.close[m.seen:]
	}
	switch {
	case len(m.force) > 0:
		one := m.scratch()
		clear(one)
		one[m.force[0]/64] = 1 << (m.force[0] % 64)
		return one
	case m.thinking || m.matcher == nil && m.calls == nil:
		return nil
	}
	var allowed []uint64
	var err error
	if m.calls != nil {
		allowed, err = m.calls.allowed(m.scratch())
	} else {
		allowed, err = m.matcher.Allowed()
	}
	if m.err == nil {
		m.err = err
	}
	if m.err == nil && allowed != nil && !slices.ContainsFunc(allowed, func(w uint64) bool { return w != 0 }) {
		m.err = errors.New("the model has no token that could go on here")
	}
	if m.err != nil {
		return []uint64{} // the answer ends with an error
	}
	return allowed
}

// Complete implements engine.Ender.
func (m *mask) Complete() bool {
	return m.matcher != nil && m.calls == nil && !m.thinking && len(m.force) == 0 && m.matcher.Complete()
}

func (m *mask) scratch() []uint64 {
	if m.one == nil {
		m.one = make([]uint64, m.words)
	}
	return m.one
}

// Accept implements engine.Mask.
func (m *mask) Accept(id int32) {
	forced := len(m.force) > 0
	if forced {
		m.force = m.force[1:]
	}
	if m.thinking {
		m.left = max(m.left-1, min(m.left, 0))
		if id == m.close[m.seen] {
			m.seen++
		} else {
			m.seen = 0
		}
		if m.seen == len(m.close) {
			m.thinking, m.seen = false, 0
			m.force, m.next = m.next, nil
		}
		return
	}
	switch {
	case m.matcher == nil && (m.calls == nil || m.calls.state == callWait) && len(m.open) == 1 && id == m.open[0]:
		m.thinking = true
	case m.calls != nil && !forced:
		m.force = m.calls.accept(id)
	case m.matcher != nil:
		m.err = m.matcher.Accept(id) // it was allowed, but readings may become too many
	}
}
