package api

import (
	"encoding/json"
	"time"
)

// OllamaCommon are the fields that POST /api/generate and /api/chat share.
type OllamaCommon struct {
	Model   string          `json:"model"`
	Stream  *bool           `json:"stream,omitempty"` // true unless said
	Format  json.RawMessage `json:"format,omitempty"` // "json" or a JSON schema
	Think   *Think          `json:"think,omitempty"`
	Options OllamaOptions   `json:"options,omitzero"`

	Logprobs    bool `json:"logprobs,omitempty"`
	TopLogprobs int  `json:"top_logprobs,omitempty"` // 0 to 20
}

// Think says whether the model thinks first; a level ("low" to "max") means
// that it does.
type Think struct {
	On    bool
	Level string
}

// UnmarshalJSON reads true, false or a level.
func (k *Think) UnmarshalJSON(b []byte) error {
	*k = Think{}
	if json.Unmarshal(b, &k.On) == nil {
		return nil
	}
	if json.Unmarshal(b, &k.Level) != nil {
		return wrongType[Think](b)
	}
	k.On = true
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (k Think) MarshalJSON() ([]byte, error) {
	if k.Level != "" {
		return json.Marshal(k.Level)
	}
	return json.Marshal(k.On)
}

// JSONType says what a Think is in JSON.
func (*Think) JSONType() string { return "true, false, low, medium, high or max" }

// OllamaOptions are the settings of sampling.
type OllamaOptions struct {
	NumPredict       *int     `json:"num_predict,omitempty"` // less than 0: to the end of the context
	Temperature      *float64 `json:"temperature,omitempty"`
	TopK             *int     `json:"top_k,omitempty"`
	TopP             *float64 `json:"top_p,omitempty"`
	MinP             *float64 `json:"min_p,omitempty"`
	RepeatPenalty    *float64 `json:"repeat_penalty,omitempty"`
	FrequencyPenalty *float64 `json:"frequency_penalty,omitempty"`
	PresencePenalty  *float64 `json:"presence_penalty,omitempty"`
	Seed             *int64   `json:"seed,omitempty"`
	Stop             Strings  `json:"stop,omitempty"`
}

// OllamaGenerate is the body of POST /api/generate.
type OllamaGenerate struct {
	OllamaCommon
	Prompt string   `json:"prompt"`
	Suffix string   `json:"suffix,omitempty"` // fill in the middle
	System string   `json:"system,omitempty"`
	Raw    bool     `json:"raw,omitempty"` // the template is not applied
	Images []string `json:"images,omitempty"`
}

// OllamaChat is the body of POST /api/chat.
type OllamaChat struct {
	OllamaCommon
	Messages  []OllamaMessage `json:"messages"`
	Tools     []Tool          `json:"tools,omitempty"`
	SessionID string          `json:"session_id,omitempty"` // extension: the conversation's KV cache is kept, over restarts too
}

// OllamaMessage is a turn of a conversation.
type OllamaMessage struct {
	Role      string           `json:"role"`
	Content   string           `json:"content"`
	Thinking  string           `json:"thinking,omitempty"`
	Images    []string         `json:"images,omitempty"`
	ToolCalls []OllamaToolCall `json:"tool_calls,omitempty"`
	ToolName  string           `json:"tool_name,omitempty"`
}

// OllamaToolCall is a call that the model made.
type OllamaToolCall struct {
	Function OllamaFunction `json:"function"`
}

// OllamaFunction names a function and its arguments, an object.
type OllamaFunction struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// OllamaAnswer is a piece of an answer, or a whole one. Durations are nanoseconds.
type OllamaAnswer struct {
	Model              string         `json:"model"`
	CreatedAt          time.Time      `json:"created_at"`
	Response           *string        `json:"response,omitempty"` // of generate
	Thinking           string         `json:"thinking,omitempty"`
	Message            *OllamaMessage `json:"message,omitempty"` // of chat
	Logprobs           []TokenLogprob `json:"logprobs,omitempty"`
	Done               bool           `json:"done"`
	DoneReason         string         `json:"done_reason,omitempty"`
	TotalDuration      int64          `json:"total_duration,omitempty"`
	LoadDuration       int64          `json:"load_duration,omitempty"`
	PromptEvalCount    int            `json:"prompt_eval_count,omitempty"`
	PromptEvalDuration int64          `json:"prompt_eval_duration,omitempty"`
	EvalCount          int            `json:"eval_count,omitempty"`
	EvalDuration       int64          `json:"eval_duration,omitempty"`
}

// OllamaModels is the answer of GET /api/tags and /api/ps.
type OllamaModels struct {
	Models []OllamaModel `json:"models"`
}

// OllamaModel is one model.
type OllamaModel struct {
	Name          string        `json:"name"`
	Model         string        `json:"model"`
	ModifiedAt    time.Time     `json:"modified_at"`
	Size          int64         `json:"size"` // bytes
	Digest        string        `json:"digest"`
	Details       OllamaDetails `json:"details"`
	ExpiresAt     *time.Time    `json:"expires_at,omitempty"` // of ps
	ContextLength int           `json:"context_length,omitempty"`
}

// OllamaDetails says what a model is.
type OllamaDetails struct {
	ParentModel       string   `json:"parent_model"`
	Format            string   `json:"format"`
	Family            string   `json:"family"`
	Families          []string `json:"families"`
	ParameterSize     string   `json:"parameter_size"`
	QuantizationLevel string   `json:"quantization_level"`
}

// OllamaShow is the answer of POST /api/show.
type OllamaShow struct {
	Template     string         `json:"template,omitempty"`
	Details      OllamaDetails  `json:"details"`
	ModelInfo    map[string]any `json:"model_info"`
	Capabilities []string       `json:"capabilities"`
	ModifiedAt   time.Time      `json:"modified_at"`
}

// OllamaShowRequest is the body of POST /api/show.
type OllamaShowRequest struct {
	Model string `json:"model"`
	Name  string `json:"name,omitempty"` // older clients say it so
}

// OllamaVersion is the answer of GET /api/version.
type OllamaVersion struct {
	Version string `json:"version"`
}

// OllamaError is an error in Ollama's form.
type OllamaError struct {
	Error string `json:"error"`
}
