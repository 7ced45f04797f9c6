package api

import (
	"context"
	"encoding/json"
	"iter"
)

// MessagesRequest is the body of POST /v1/messages, and without MaxTokens that of
// POST /v1/messages/count_tokens.
type MessagesRequest struct {
	Model         string               `json:"model"`
	MaxTokens     *int                 `json:"max_tokens,omitempty"`
	Messages      []AnthropicMessage   `json:"messages"`
	System        Blocks               `json:"system,omitempty"`
	StopSequences []string             `json:"stop_sequences,omitempty"`
	Stream        bool                 `json:"stream,omitempty"`
	Temperature   *float64             `json:"temperature,omitempty"`
	TopP          *float64             `json:"top_p,omitempty"`
	TopK          *int                 `json:"top_k,omitempty"`
	Tools         []AnthropicTool      `json:"tools,omitempty"`
	ToolChoice    *AnthropicToolChoice `json:"tool_choice,omitempty"`
	Thinking      *AnthropicThinking   `json:"thinking,omitempty"`
	OutputConfig  *AnthropicOutput     `json:"output_config,omitempty"`
	Seed          *int64               `json:"seed,omitempty"` // extension
}

// AnthropicMessage is a turn of a conversation.
type AnthropicMessage struct {
	Role    string `json:"role"` // "user" or "assistant"
	Content Blocks `json:"content"`
}

// Blocks are the content of a message; a text may stand for one block.
type Blocks []Block

// UnmarshalJSON reads a string or an array of blocks.
func (b *Blocks) UnmarshalJSON(j []byte) error {
	var text string
	switch {
	case len(j) > 0 && j[0] == '[':
		var list []Block
		if err := json.Unmarshal(j, &list); err != nil {
			return err
		}
		*b = list
	case string(j) == "null":
	case json.Unmarshal(j, &text) != nil:
		return wrongType[Blocks](j)
	default:
		*b = Blocks{{Type: "text", Text: text}}
	}
	return nil
}

// JSONType says what Blocks are in JSON.
func (*Blocks) JSONType() string { return "a string or an array of blocks" }

// Block is a piece of content: "text", "thinking", "tool_use" (of the assistant),
// "tool_result" (of the user).
type Block struct {
	Type      string          `json:"type"`
	Text      string          `json:"text,omitempty"`
	Thinking  string          `json:"thinking,omitempty"`
	Signature string          `json:"signature,omitempty"`
	ID        string          `json:"id,omitempty"`    // of tool_use
	Name      string          `json:"name,omitempty"`  // of tool_use
	Input     json.RawMessage `json:"input,omitempty"` // of tool_use: an object
	ToolUseID string          `json:"tool_use_id,omitempty"`
	Content   Blocks          `json:"content,omitempty"` // of tool_result
	IsError   bool            `json:"is_error,omitempty"`
}

// MarshalJSON writes a block; its own field is there even when it is empty.
func (b Block) MarshalJSON() ([]byte, error) {
	type plain Block
	switch b.Type {
	case "text":
		return json.Marshal(struct {
			Type string `json:"type"`
			Text string `json:"text"`
		}{b.Type, b.Text})
	case "thinking":
		return json.Marshal(struct {
			Type      string `json:"type"`
			Thinking  string `json:"thinking"`
			Signature string `json:"signature"`
		}{b.Type, b.Thinking, b.Signature})
	}
	return json.Marshal(plain(b))
}

// AnthropicTool is a function that the model may call.
type AnthropicTool struct {
	Type        string          `json:"type,omitempty"` // "" or "custom"
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	InputSchema json.RawMessage `json:"input_schema,omitempty"`
}

// AnthropicToolChoice says which tools may or must be called.
type AnthropicToolChoice struct {
	Type    string `json:"type"` // "auto", "any", "tool" (Name) or "none"
	Name    string `json:"name,omitempty"`
	OneCall bool   `json:"disable_parallel_tool_use,omitempty"`
}

// AnthropicThinking turns reasoning on or off, and bounds it.
type AnthropicThinking struct {
	Type   string `json:"type"` // "enabled", "disabled" or "adaptive"
	Budget *int   `json:"budget_tokens,omitempty"`
}

// AnthropicOutput restricts the answer.
type AnthropicOutput struct {
	Format *AnthropicFormat `json:"format,omitempty"`
}

// AnthropicFormat is a form of answers.
type AnthropicFormat struct {
	Type   string          `json:"type"` // "json_schema"
	Schema json.RawMessage `json:"schema"`
}

// AnthropicAnswer is the answer to a MessagesRequest.
type AnthropicAnswer struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"` // message
	Role         string         `json:"role"` // assistant
	Model        string         `json:"model"`
	Content      []Block        `json:"content"`
	StopReason   *string        `json:"stop_reason"` // end_turn, max_tokens, stop_sequence or tool_use
	StopSequence *string        `json:"stop_sequence"`
	Usage        AnthropicUsage `json:"usage"`
}

// AnthropicUsage counts tokens. InputTokens leaves out those that were read from the
// cache.
type AnthropicUsage struct {
	InputTokens   int `json:"input_tokens"`
	CacheCreation int `json:"cache_creation_input_tokens"`
	CacheRead     int `json:"cache_read_input_tokens"`
	OutputTokens  int `json:"output_tokens"`
}

// AnthropicEvent is a piece of a stream.
type AnthropicEvent struct {
	Type    string           `json:"type"` // message_start, content_block_start, …
	Message *AnthropicAnswer `json:"message,omitempty"`
	Index   *int             `json:"index,omitempty"`
	Block   *Block           `json:"content_block,omitempty"`
	Delta   *AnthropicDelta  `json:"delta,omitempty"`
	Usage   *AnthropicUsage  `json:"usage,omitempty"`
}

// AnthropicDelta is what a piece of a stream adds to a block, or to the message.
type AnthropicDelta struct {
	Type         string  `json:"type,omitempty"` // text_delta, thinking_delta, input_json_delta
	Text         string  `json:"text,omitempty"`
	Thinking     string  `json:"thinking,omitempty"`
	PartialJSON  *string `json:"partial_json,omitempty"`
	StopReason   *string `json:"stop_reason,omitempty"`
	StopSequence *string `json:"stop_sequence,omitempty"`
}

// TokenCount is the answer of POST /v1/messages/count_tokens.
type TokenCount struct {
	InputTokens int `json:"input_tokens"`
}

// AnthropicErrorBody is an error in Anthropic's form.
type AnthropicErrorBody struct {
	Type  string         `json:"type"` // error
	Error AnthropicError `json:"error"`
}

// AnthropicError is what went wrong.
type AnthropicError struct {
	Type    string `json:"type"` // invalid_request_error, not_found_error, overloaded_error, …
	Message string `json:"message"`
}

// Messages asks Anthropic's way, for a whole answer.
func (c *Client) Messages(ctx context.Context, q *MessagesRequest) (*AnthropicAnswer, error) {
	r := *q
	r.Stream = false
	return post[AnthropicAnswer](ctx, c, "/v1/messages", &r)
}

// MessagesStream asks for the events.
func (c *Client) MessagesStream(ctx context.Context, q *MessagesRequest) iter.Seq2[*AnthropicEvent, error] {
	r := *q
	r.Stream = true
	return stream(c, ctx, "/v1/messages", &r, false, func(e *AnthropicEvent) bool { return e.Type == "message_stop" })
}

// CountTokens says how long the prompt of a request is.
func (c *Client) CountTokens(ctx context.Context, q *MessagesRequest) (*TokenCount, error) {
	return post[TokenCount](ctx, c, "/v1/messages/count_tokens", q)
}
