package api

import (
	"encoding/json"
	"reflect"
	"time"
)

// ChatRequest is the body of POST /v1/chat/completions.
type ChatRequest struct {
	Model    string    `json:"model"`
	Messages []Message `json:"messages"`
	Generation
	MaxCompletionTokens *int            `json:"max_completion_tokens,omitempty"` // wins over MaxTokens
	Logprobs            bool            `json:"logprobs,omitempty"`
	TopLogprobs         int             `json:"top_logprobs,omitempty"` // 0 to 20
	Tools               []Tool          `json:"tools,omitempty"`
	ToolChoice          json.RawMessage `json:"tool_choice,omitempty"` // "none", "auto", "required" or a function's name
	ParallelToolCalls   *bool           `json:"parallel_tool_calls,omitempty"`
	ResponseFormat      *ResponseFormat `json:"response_format,omitempty"`
	ReasoningEffort     string          `json:"reasoning_effort,omitempty"` // "none" turns thinking off where the template can
	// Extensions of this daemon.
	MaxThinkingTokens *int           `json:"max_thinking_tokens,omitempty"` // then the reasoning is closed
	TemplateVars      map[string]any `json:"chat_template_kwargs,omitempty"`
	SessionID         string         `json:"session_id,omitempty"` // the conversation's KV cache is kept, over restarts too
	Grammar           string         `json:"grammar,omitempty"`    // GBNF
}

// Generation are the settings that all ways to generate share.
type Generation struct {
	MaxTokens        *int               `json:"max_tokens,omitempty"`
	Temperature      *float64           `json:"temperature,omitempty"` // 0 to 2
	TopP             *float64           `json:"top_p,omitempty"`
	TopK             *int               `json:"top_k,omitempty"` // extension
	MinP             *float64           `json:"min_p,omitempty"` // extension
	RepeatPenalty    *float64           `json:"repeat_penalty,omitempty"`
	FrequencyPenalty *float64           `json:"frequency_penalty,omitempty"` // -2 to 2
	PresencePenalty  *float64           `json:"presence_penalty,omitempty"`  // -2 to 2
	LogitBias        map[string]float32 `json:"logit_bias,omitempty"`        // by token id, -100 to 100
	Stop             Strings            `json:"stop,omitempty"`              // at most 16
	Seed             *int64             `json:"seed,omitempty"`
	N                *int               `json:"n,omitempty"` // answers, 1 to 16
	Stream           bool               `json:"stream,omitempty"`
	StreamOptions    *StreamOptions     `json:"stream_options,omitempty"`
	User             string             `json:"user,omitempty"`
}

// StreamOptions of a stream.
type StreamOptions struct {
	IncludeUsage bool `json:"include_usage,omitempty"`
}

// Message is a turn of a conversation.
type Message struct {
	Role             string     `json:"role"`
	Content          *Content   `json:"content"`
	Refusal          *string    `json:"refusal"`
	ReasoningContent string     `json:"reasoning_content,omitempty"`
	Name             string     `json:"name,omitempty"`
	ToolCalls        []ToolCall `json:"tool_calls,omitempty"`
	ToolCallID       string     `json:"tool_call_id,omitempty"`
}

// Content is a text or a list of parts; nil in a Message means null.
type Content struct {
	Text  string
	Parts []Part // when not nil, Text is not used
}

// Text is a Content of one text.
func Text(s string) *Content { return &Content{Text: s} }

// String is the text, that of parts joined.
func (c *Content) String() string {
	if c == nil {
		return ""
	}
	s := c.Text
	for _, p := range c.Parts {
		s += p.Text
	}
	return s
}

// Part is a piece of content.
type Part struct {
	Type     string    `json:"type"` // "text", "image_url"
	Text     string    `json:"text,omitempty"`
	ImageURL *ImageURL `json:"image_url,omitempty"`
}

// ImageURL names an image.
type ImageURL struct {
	URL string `json:"url"`
}

// MarshalJSON writes a string or an array.
func (c Content) MarshalJSON() ([]byte, error) {
	if c.Parts != nil {
		return json.Marshal(c.Parts)
	}
	return json.Marshal(c.Text)
}

// UnmarshalJSON reads a string or an array of parts.
func (c *Content) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		c.Parts = []Part{}
		return json.Unmarshal(b, &c.Parts)
	}
	if json.Unmarshal(b, &c.Text) != nil {
		return wrongType[Content](b)
	}
	return nil
}

// JSONType says what a Content is in JSON.
func (*Content) JSONType() string { return "a string or an array of parts" }

// wrongType is an error that the decoder completes with the name of the field.
func wrongType[T any](b []byte) error {
	kind := "number"
	switch b[0] {
	case '{':
		kind = "object"
	case '[':
		kind = "array"
	case '"':
		kind = "string"
	case 't', 'f':
		kind = "bool"
	}
	return &json.UnmarshalTypeError{Value: kind, Type: reflect.TypeFor[T]()}
}

// Strings is a list that may be written as one string.
type Strings []string

// UnmarshalJSON reads a string, an array of them, or null.
func (s *Strings) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil && string(b) != "null" {
		*s = Strings{one}
		return nil
	}
	var many []string
	if json.Unmarshal(b, &many) != nil {
		return wrongType[Strings](b)
	}
	*s = many
	return nil
}

// JSONType says what a Strings is in JSON.
func (*Strings) JSONType() string { return "a string or an array of strings" }

// Tool is a function that the model may call. Function is kept as it was written:
// templates print it.
type Tool struct {
	Type     string          `json:"type"`
	Function json.RawMessage `json:"function"`
}

// ToolCall is a call that the model made.
type ToolCall struct {
	Index    *int         `json:"index,omitempty"` // in a stream
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type,omitempty"`
	Function FunctionCall `json:"function"`
}

// FunctionCall names a function and its arguments, a text of JSON.
type FunctionCall struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// ResponseFormat restricts the answer.
type ResponseFormat struct {
	Type       string      `json:"type"` // "text", "json_object" or "json_schema"
	JSONSchema *JSONSchema `json:"json_schema,omitempty"`
}

// JSONSchema is a schema with a name.
type JSONSchema struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
	Strict *bool           `json:"strict,omitempty"`
}

// Chat is the answer to a ChatRequest, and with Object "chat.completion.chunk" a
// piece of a stream.
type Chat struct {
	ID                string   `json:"id"`
	Object            string   `json:"object"`
	Created           int64    `json:"created"` // seconds since 1970
	Model             string   `json:"model"`
	SystemFingerprint string   `json:"system_fingerprint,omitempty"`
	Choices           []Choice `json:"choices"`
	Usage             *Usage   `json:"usage,omitempty"`
}

// Choice is one answer.
type Choice struct {
	Index        int       `json:"index"`
	Message      *Message  `json:"message,omitempty"`
	Delta        *Delta    `json:"delta,omitempty"`
	Logprobs     *Logprobs `json:"logprobs"`
	FinishReason *string   `json:"finish_reason"` // stop, length, tool_calls, content_filter
}

// Delta is what a piece of a stream adds.
type Delta struct {
	Role             string     `json:"role,omitempty"`
	Content          *string    `json:"content,omitempty"`
	ReasoningContent string     `json:"reasoning_content,omitempty"`
	ToolCalls        []ToolCall `json:"tool_calls,omitempty"`
}

// Logprobs of the tokens of an answer.
type Logprobs struct {
	Content []TokenLogprob `json:"content"`
	Refusal []TokenLogprob `json:"refusal"` // null: the daemon does not refuse in words of its own
}

// TokenLogprob is a token and how likely it was, as a natural logarithm.
type TokenLogprob struct {
	Token   string         `json:"token"`
	Logprob float32        `json:"logprob"`
	Bytes   []int          `json:"bytes"`
	Top     []TokenLogprob `json:"top_logprobs,omitzero"` // not in this list's own entries
}

// Usage counts tokens.
type Usage struct {
	PromptTokens     int            `json:"prompt_tokens"`
	CompletionTokens int            `json:"completion_tokens"`
	TotalTokens      int            `json:"total_tokens"`
	PromptDetails    *PromptDetails `json:"prompt_tokens_details,omitempty"`
	Timings          *Timings       `json:"timings,omitempty"` // extension
}

// PromptDetails says what of the prompt was not read again.
type PromptDetails struct {
	CachedTokens int `json:"cached_tokens"`
}

// Timings in milliseconds.
type Timings struct {
	PromptMS   float64 `json:"prompt_ms"`   // from the beginning to the first token
	GenerateMS float64 `json:"generate_ms"` // from the first token to the last
	Drafted    int     `json:"drafted,omitempty"`
	Accepted   int     `json:"accepted,omitempty"`
}

// CompletionRequest is the body of POST /v1/completions.
type CompletionRequest struct {
	Model  string `json:"model"`
	Prompt Prompt `json:"prompt"`
	Suffix string `json:"suffix,omitempty"` // fill in the middle
	Generation
	Logprobs *int   `json:"logprobs,omitempty"` // 0 to 5
	Echo     bool   `json:"echo,omitempty"`
	Grammar  string `json:"grammar,omitempty"` // GBNF; extension
	// ResponseFormat is an extension: a text that is JSON.
	ResponseFormat *ResponseFormat `json:"response_format,omitempty"`
	// Extensions that vLLM has too.
	IgnoreEOS      bool `json:"ignore_eos,omitempty"`       // end tokens are appended like any other
	ReturnTokenIDs bool `json:"return_token_ids,omitempty"` // the choices have them
}

// Prompt is one or several texts or lists of ids.
type Prompt struct {
	Texts []string
	IDs   [][]int32 // when not nil, Texts is not used
}

// UnmarshalJSON reads a string, strings, ids, or lists of ids.
func (p *Prompt) UnmarshalJSON(b []byte) error {
	var text string
	var texts []string
	var ids []int32
	switch {
	case json.Unmarshal(b, &text) == nil:
		p.Texts = []string{text}
	case json.Unmarshal(b, &texts) == nil:
		p.Texts = texts
	case json.Unmarshal(b, &ids) == nil:
		p.IDs = [][]int32{ids}
	case json.Unmarshal(b, &p.IDs) == nil:
	default:
		return wrongType[Prompt](b)
	}
	return nil
}

// JSONType says what a Prompt is in JSON.
func (*Prompt) JSONType() string {
	return "a string, an array of strings, of ids, or of arrays of ids"
}

// MarshalJSON writes what UnmarshalJSON reads.
func (p Prompt) MarshalJSON() ([]byte, error) {
	switch {
	case p.IDs != nil:
		return json.Marshal(p.IDs)
	case len(p.Texts) == 1:
		return json.Marshal(p.Texts[0])
	}
	return json.Marshal(p.Texts)
}

// Completion is the answer to a CompletionRequest, and a piece of its stream.
type Completion struct {
	ID      string             `json:"id"`
	Object  string             `json:"object"` // text_completion
	Created int64              `json:"created"`
	Model   string             `json:"model"`
	Choices []CompletionChoice `json:"choices"`
	Usage   *Usage             `json:"usage,omitempty"`
}

// CompletionChoice is one text.
type CompletionChoice struct {
	Index        int                 `json:"index"`
	Text         string              `json:"text"`
	Logprobs     *CompletionLogprobs `json:"logprobs"`
	FinishReason *string             `json:"finish_reason"`
	// When they were asked for: the prompt's ids, in a stream in its first piece, and those
	// of the text.
	PromptTokenIDs []int32 `json:"prompt_token_ids,omitempty"`
	TokenIDs       []int32 `json:"token_ids,omitempty"`
}

// CompletionLogprobs of a text, in parallel lists.
type CompletionLogprobs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogprobs []float32            `json:"token_logprobs"`
	TopLogprobs   []map[string]float32 `json:"top_logprobs"`
	TextOffset    []int                `json:"text_offset"`
}

// ModelList is the answer of GET /v1/models.
type ModelList struct {
	Object string  `json:"object"` // list
	Data   []Model `json:"data"`
	// Anthropic's form: everything is on one page.
	HasMore bool    `json:"has_more"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
}

// Model is a model that can be asked.
type Model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`  // model
	Created int64  `json:"created"` // when its file was written
	OwnedBy string `json:"owned_by"`
	// Anthropic's form.
	Type        string    `json:"type"` // model
	DisplayName string    `json:"display_name"`
	CreatedAt   time.Time `json:"created_at"`
}

// ErrorBody is the body of an answer that is an error.
type ErrorBody struct {
	Error Error `json:"error"`
}

// Error is what went wrong, in OpenAI's form.
type Error struct {
	Message string  `json:"message"`
	Type    string  `json:"type"` // invalid_request_error, server_error, …
	Param   *string `json:"param"`
	Code    *string `json:"code"`
	Status  int     `json:"-"` // of HTTP
	After   int     `json:"-"` // seconds, of Retry-After; 0: not said
}

func (e *Error) Error() string { return e.Message }
