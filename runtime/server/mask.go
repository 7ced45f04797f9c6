package server

import (
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/grammar"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// mask restricts one answer: its reasoning to a number of tokens, what follows to a
// grammar.
type mask struct {
	words    int // of a bitset
	matcher  *grammar.Matcher
	thinking bool
	left     int     // tokens of reasoning; less than 0: no bound
	open     []int32 // ids that begin the reasoning …
	close    []int32 // … and end it
	seen     int     // of close
	force    []int32 // what has to come now
	one      []uint64
}

// Markers of the reasoning (Qwen3, QwQ, DeepSeek-R1).
const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
)

// mask makes an answer's mask; nil when nothing is restricted. thinking: the prompt has
// opened the reasoning.
func (l *Loaded) mask(t *Task, thinking bool) engine.Mask {
	if t.Grammar == nil && t.Think < 0 {
		return nil
	}
	tok := l.Model.Tokenizer()
	m := &mask{words: (l.Model.Vocabulary() + 63) / 64, thinking: thinking, left: t.Think}
	m.open, m.close = tok.Encode(thinkOpen, tokenizer.EncodeOptions{}), tok.Encode(thinkClose, tokenizer.EncodeOptions{})
	if t.Grammar != nil {
		m.matcher = l.Vocabulary.Matcher(t.Grammar)
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
		if m.one == nil {
			m.one = make([]uint64, m.words)
		}
		clear(m.one)
		m.one[m.force[0]/64] = 1 << (m.force[0] % 64)
		return m.one
	case m.thinking || m.matcher == nil:
		return nil
	}
	allowed, err := m.matcher.Allowed()
	if err != nil {
		return []uint64{} // nothing: the answer ends with an error
	}
	return allowed
}

// Accept implements engine.Mask.
func (m *mask) Accept(id int32) {
	if len(m.force) > 0 {
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
		}
		return
	}
	if m.matcher == nil {
		m.thinking = len(m.open) == 1 && id == m.open[0]
		return
	}
	m.matcher.Accept(id) //nolint:errcheck // it was allowed
}
