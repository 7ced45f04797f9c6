package api

import (
	"context"
	"encoding/json"
	"iter"
)

// ResponsesRequest is the body of POST /v1/responses. Responses are not stored.
type ResponsesRequest struct {
	Model              string            `json:"model"`
	Input              ResponseInput     `json:"input"`
	Instructions       string            `json:"instructions,omitempty"`
	MaxOutputTokens    *int              `json:"max_output_tokens,omitempty"`
	Temperature        *float64          `json:"temperature,omitempty"`
	TopP               *float64          `json:"top_p,omitempty"`
	TopLogprobs        *int              `json:"top_logprobs,omitempty"` // 0 to 20; logprobs come when it is given
	Stream             bool              `json:"stream,omitempty"`
	Tools              []ResponseTool    `json:"tools,omitempty"`
	ToolChoice         json.RawMessage   `json:"tool_choice,omitempty"` // "none", "auto", "required" or a function's name
	ParallelToolCalls  *bool             `json:"parallel_tool_calls,omitempty"`
	Text               *ResponseText     `json:"text,omitempty"`
	Reasoning          *Reasoning        `json:"reasoning,omitempty"`
	PreviousResponseID string            `json:"previous_response_id,omitempty"` // refused
	Conversation       json.RawMessage   `json:"conversation,omitempty"`         // refused
	Background         bool              `json:"background,omitempty"`           // refused
	Truncation         string            `json:"truncation,omitempty"`           // only "disabled" is served
	Metadata           map[string]string `json:"metadata,omitempty"`             // given back
	User               string            `json:"user,omitempty"`
	// Extensions of this daemon.
	Seed              *int64 `json:"seed,omitempty"`
	MaxThinkingTokens *int   `json:"max_thinking_tokens,omitempty"`
}

// ResponseInput is a list of items; a text may stand for one message of the user.
type ResponseInput []ResponseItem

// UnmarshalJSON reads a string or an array of items.
func (p *ResponseInput) UnmarshalJSON(b []byte) error {
	var text string
	switch {
	case len(b) > 0 && b[0] == '[':
		var list []ResponseItem
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
		*p = list
	case string(b) == "null":
	case json.Unmarshal(b, &text) != nil:
		return wrongType[ResponseInput](b)
	default:
		*p = ResponseInput{{Type: "message", Role: "user", Content: Text(text)}}
	}
	return nil
}

// JSONType says what a ResponseInput is in JSON.
func (*ResponseInput) JSONType() string { return "a string or an array of items" }

// ResponseItem is a part of a conversation: "message" (also ""), "function_call",
// "function_call_output", "reasoning".
type ResponseItem struct {
	Type      string   `json:"type,omitempty"`
	ID        string   `json:"id,omitempty"`
	Status    string   `json:"status,omitempty"` // of what the model made: in_progress, completed, incomplete
	Role      string   `json:"role,omitempty"`   // of message
	Content   *Content `json:"content,omitempty"`
	CallID    string   `json:"call_id,omitempty"` // of function_call and function_call_output
	Name      string   `json:"name,omitempty"`
	Arguments string   `json:"arguments,omitempty"` // a text of JSON
	Output    *Content `json:"output,omitempty"`
}

// ResponseTool is a function that the model may call.
type ResponseTool struct {
	Type        string          `json:"type"` // function
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

// ResponseText restricts the text of the answer.
type ResponseText struct {
	Format *TextFormat `json:"format,omitempty"`
}

// TextFormat is a form of answers.
type TextFormat struct {
	Type   string          `json:"type"` // "text", "json_object" or "json_schema"
	Name   string          `json:"name,omitempty"`
	Schema json.RawMessage `json:"schema,omitempty"`
	Strict *bool           `json:"strict,omitempty"`
}

// Reasoning says how much the model thinks.
type Reasoning struct {
	Effort  *string `json:"effort"` // "none" turns thinking off where the template can
	Summary *string `json:"summary"`
}

// Response is the answer to a ResponsesRequest.
type Response struct {
	ID                 string            `json:"id"`
	Object             string            `json:"object"` // response
	CreatedAt          int64             `json:"created_at"`
	Status             string            `json:"status"` // in_progress, completed, incomplete, failed
	Error              *ResponseError    `json:"error"`
	IncompleteDetails  *Incomplete       `json:"incomplete_details"`
	Instructions       *string           `json:"instructions"`
	MaxOutputTokens    *int              `json:"max_output_tokens"`
	Metadata           map[string]string `json:"metadata"`
	Model              string            `json:"model"`
	Output             []OutputItem      `json:"output"`
	ParallelToolCalls  bool              `json:"parallel_tool_calls"`
	PreviousResponseID *string           `json:"previous_response_id"`
	Reasoning          Reasoning         `json:"reasoning"`
	Store              bool              `json:"store"`
	Temperature        *float64          `json:"temperature"`
	Text               ResponseText      `json:"text"`
	ToolChoice         json.RawMessage   `json:"tool_choice"`
	Tools              []ResponseTool    `json:"tools"`
	TopP               *float64          `json:"top_p"`
	Truncation         string            `json:"truncation"`
	Usage              *ResponseUsage    `json:"usage,omitempty"` // at the end
}

// OutputText is the text of all messages of a response.
func (r *Response) OutputText() string {
	s := ""
	for _, o := range r.Output {
		for _, p := range o.Content {
			if p.Type == "output_text" {
				s += p.Text
			}
		}
	}
	return s
}

// ResponseError is why a response failed.
type ResponseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Incomplete is why a response ended early.
type Incomplete struct {
	Reason string `json:"reason"` // max_output_tokens
}

// OutputItem is a part of a response: "message", "function_call" or "reasoning".
type OutputItem struct {
	Type      string       `json:"type"`
	ID        string       `json:"id"`
	Status    string       `json:"status"`
	Role      string       `json:"role,omitempty"`
	Content   []OutputPart `json:"content,omitzero"` // not of function_call
	Summary   []OutputPart `json:"summary,omitzero"` // of reasoning: empty
	CallID    string       `json:"call_id,omitempty"`
	Name      string       `json:"name,omitempty"`
	Arguments *string      `json:"arguments,omitempty"`
}

// OutputPart is a text: "output_text" or "reasoning_text".
type OutputPart struct {
	Type        string         `json:"type"`
	Text        string         `json:"text"`
	Annotations []string       `json:"annotations,omitzero"` // of output_text: empty
	Logprobs    []TokenLogprob `json:"logprobs,omitzero"`    // of output_text
}

// ResponseUsage counts tokens.
type ResponseUsage struct {
	InputTokens   int           `json:"input_tokens"`
	InputDetails  InputDetails  `json:"input_tokens_details"`
	OutputTokens  int           `json:"output_tokens"`
	OutputDetails OutputDetails `json:"output_tokens_details"`
	TotalTokens   int           `json:"total_tokens"`
}

// InputDetails says what of the prompt was not read again.
type InputDetails struct {
	CachedTokens     int `json:"cached_tokens"`
	CacheWriteTokens int `json:"cache_write_tokens"` // 0
}

// OutputDetails says what the generated tokens were.
type OutputDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"`
}

// ResponseEvent is a piece of a stream.
type ResponseEvent struct {
	Type         string         `json:"type"` // response.created, response.output_text.delta, …
	Sequence     int            `json:"sequence_number"`
	Response     *Response      `json:"response,omitempty"`
	OutputIndex  *int           `json:"output_index,omitempty"`
	ItemID       string         `json:"item_id,omitempty"`
	ContentIndex *int           `json:"content_index,omitempty"`
	Item         *OutputItem    `json:"item,omitempty"`
	Part         *OutputPart    `json:"part,omitempty"`
	Delta        *string        `json:"delta,omitempty"`
	Text         *string        `json:"text,omitempty"`
	Name         string         `json:"name,omitempty"`
	Arguments    *string        `json:"arguments,omitempty"`
	Logprobs     []TokenLogprob `json:"logprobs,omitzero"`
	Code         *string        `json:"code,omitempty"`    // of error
	Message      string         `json:"message,omitempty"` // of error
}

// Responses asks for a whole response.
func (c *Client) Responses(ctx context.Context, q *ResponsesRequest) (*Response, error) {
	r := *q
	r.Stream = false
	return post[Response](ctx, c, "/v1/responses", &r)
}

// ResponsesStream asks for the events.
func (c *Client) ResponsesStream(ctx context.Context, q *ResponsesRequest) iter.Seq2[*ResponseEvent, error] {
	r := *q
	r.Stream = true
	return stream(c, ctx, "/v1/responses", &r, false, func(e *ResponseEvent) bool {
		switch e.Type {
		case "response.completed", "response.incomplete", "response.failed", "error":
			return true
		}
		return false
	})
}
