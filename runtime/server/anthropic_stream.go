package server

import (
	"net/http"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/chat"
)

// messageStream writes the events of an answer: every block is opened, filled and
// closed before the next begins.
type messageStream struct {
	e     *events
	index int // of the next block
	open  *api.Block
}

// streamMessages answers piece by piece. The first event waits for the first token, so
// that a request that cannot be served gets an error with a status.
func (s *Server) streamMessages(w http.ResponseWriter, r *http.Request, l *Loaded, t *Task, head api.AnthropicAnswer) error {
	var m messageStream
	var end Piece
	u, err := l.Run(r.Context(), t, func(p Piece) error {
		if m.e == nil {
			m.e = newEvents(w)
			head.Usage.InputTokens = p.Prompt
			if err := m.send(api.AnthropicEvent{Type: "message_start", Message: &head}); err != nil {
				return err
			}
		}
		end = p
		for _, d := range p.Deltas {
			if err := m.delta(d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		if m.e != nil {
			m.e.send("error", formAnthropic.body(failure(err))) //nolint:errcheck // the client may have gone
		}
		return err
	}
	if err := m.close(); err != nil {
		return err
	}
	reason, sequence := stopReason(end)
	use := anthropicUsage(u)
	if err := m.send(api.AnthropicEvent{Type: "message_delta", Delta: &api.AnthropicDelta{StopReason: reason, StopSequence: sequence}, Usage: &use}); err != nil {
		return err
	}
	return m.send(api.AnthropicEvent{Type: "message_stop"})
}

func (m *messageStream) send(e api.AnthropicEvent) error { return m.e.send(e.Type, e) }

// delta adds to the open block, or opens another.
func (m *messageStream) delta(d chat.Delta) error {
	if m.open == nil || d.Kind == chat.DeltaToolCall || m.open.Type != blockType(d.Kind) {
		if err := m.close(); err != nil {
			return err
		}
		b := newBlock(d)
		m.open = &b
		if err := m.send(api.AnthropicEvent{Type: "content_block_start", Index: m.at(), Block: &b}); err != nil {
			return err
		}
	}
	var out api.AnthropicDelta
	switch d.Kind {
	case chat.DeltaReasoning:
		out = api.AnthropicDelta{Type: "thinking_delta", Thinking: d.Text}
	case chat.DeltaToolCall:
		args := string(callObject(*d.Call))
		out = api.AnthropicDelta{Type: "input_json_delta", PartialJSON: &args}
	default:
		out = api.AnthropicDelta{Type: "text_delta", Text: d.Text}
	}
	return m.send(api.AnthropicEvent{Type: "content_block_delta", Index: m.at(), Delta: &out})
}

// close ends the open block.
func (m *messageStream) close() error {
	if m.open == nil {
		return nil
	}
	m.open = nil
	err := m.send(api.AnthropicEvent{Type: "content_block_stop", Index: m.at()})
	m.index++
	return err
}

func (m *messageStream) at() *int {
	i := m.index
	return &i
}
