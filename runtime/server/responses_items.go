package server

import (
	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/chat"
)

// send writes an event; without a stream nothing is to be done.
func (b *responseBuilder) send(e api.ResponseEvent) error {
	if b.e == nil {
		return nil
	}
	e.Sequence = b.sequence
	b.sequence++
	return b.e.send(e.Type, e)
}

// last is the item that is being filled, and its place.
func (b *responseBuilder) last() (*api.OutputItem, *int) {
	i := len(b.out.Output) - 1
	return &b.out.Output[i], &i
}

// delta adds to the item that is being filled, or begins another.
func (b *responseBuilder) delta(d chat.Delta, logprobs []api.TokenLogprob) error {
	if !b.filling || d.Kind == chat.DeltaToolCall || d.Kind != b.kind {
		if err := b.closeItem("completed"); err != nil {
			return err
		}
		if err := b.openItem(d); err != nil {
			return err
		}
	}
	it, at := b.last()
	zero := 0
	switch d.Kind {
	case chat.DeltaToolCall:
		args := string(callObject(*d.Call))
		it.Arguments = &args
		return b.send(api.ResponseEvent{Type: "response.function_call_arguments.delta", OutputIndex: at, ItemID: it.ID, Delta: &args})
	case chat.DeltaReasoning:
		it.Content[0].Text += d.Text
		return b.send(api.ResponseEvent{Type: "response.reasoning_text.delta", OutputIndex: at, ItemID: it.ID, ContentIndex: &zero, Delta: &d.Text})
	}
	part := &it.Content[0]
	part.Text += d.Text
	part.Logprobs = append(part.Logprobs, logprobs...)
	return b.send(api.ResponseEvent{Type: "response.output_text.delta", OutputIndex: at, ItemID: it.ID, ContentIndex: &zero, Delta: &d.Text, Logprobs: logprobs})
}

// openItem begins the item of a delta.
func (b *responseBuilder) openItem(d chat.Delta) error {
	b.filling, b.kind = true, d.Kind
	it := api.OutputItem{Status: "in_progress"}
	var part api.OutputPart
	switch d.Kind {
	case chat.DeltaToolCall:
		none := ""
		it.Type, it.ID, it.CallID, it.Name, it.Arguments = "function_call", newID("fc_"), d.Call.ID, d.Call.Name, &none
		if it.CallID == "" {
			it.CallID = newID("call_")
		}
	case chat.DeltaReasoning:
		it.Type, it.ID, it.Summary = "reasoning", newID("rs_"), []api.OutputPart{}
		part.Type = "reasoning_text"
	default:
		it.Type, it.ID, it.Role = "message", newID("msg_"), "assistant"
		part = api.OutputPart{Type: "output_text", Annotations: []string{}, Logprobs: []api.TokenLogprob{}}
	}
	if part.Type != "" {
		it.Content = []api.OutputPart{}
	}
	b.out.Output = append(b.out.Output, it)
	last, at := b.last()
	if err := b.send(api.ResponseEvent{Type: "response.output_item.added", OutputIndex: at, Item: &it}); err != nil || part.Type == "" {
		return err
	}
	last.Content = []api.OutputPart{part}
	zero := 0
	return b.send(api.ResponseEvent{Type: "response.content_part.added", OutputIndex: at, ItemID: it.ID, ContentIndex: &zero, Part: &part})
}

// closeItem ends the item that is being filled.
func (b *responseBuilder) closeItem(status string) error {
	if !b.filling {
		return nil
	}
	b.filling = false
	it, at := b.last()
	it.Status = status
	zero := 0
	var list []api.ResponseEvent
	switch b.kind {
	case chat.DeltaToolCall:
		list = append(list, api.ResponseEvent{Type: "response.function_call_arguments.done", Name: it.Name, Arguments: it.Arguments})
	case chat.DeltaReasoning:
		list = append(list, api.ResponseEvent{Type: "response.reasoning_text.done", ContentIndex: &zero, Text: &it.Content[0].Text})
	default:
		list = append(list, api.ResponseEvent{Type: "response.output_text.done", ContentIndex: &zero, Text: &it.Content[0].Text, Logprobs: it.Content[0].Logprobs})
	}
	if b.kind != chat.DeltaToolCall {
		list = append(list, api.ResponseEvent{Type: "response.content_part.done", ContentIndex: &zero, Part: &it.Content[0]})
	}
	for _, e := range list {
		e.OutputIndex, e.ItemID = at, it.ID
		if err := b.send(e); err != nil {
			return err
		}
	}
	return b.send(api.ResponseEvent{Type: "response.output_item.done", OutputIndex: at, Item: it})
}
