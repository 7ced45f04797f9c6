package api

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
)

// EmbeddingRequest is the body of POST /v1/embeddings.
type EmbeddingRequest struct {
	Model          string `json:"model"`
	Input          Prompt `json:"input"`
	EncodingFormat string `json:"encoding_format,omitempty"` // "float" or "base64"
	Dimensions     *int   `json:"dimensions,omitempty"`      // the first so many, made unit length again
	User           string `json:"user,omitempty"`
}

// Embeddings is the answer to an EmbeddingRequest.
type Embeddings struct {
	Object string         `json:"object"` // list
	Data   []Embedding    `json:"data"`
	Model  string         `json:"model"`
	Usage  EmbeddingUsage `json:"usage"`
}

// Embedding is the vector of one text.
type Embedding struct {
	Object    string `json:"object"` // embedding
	Index     int    `json:"index"`
	Embedding Vector `json:"embedding"`
}

// EmbeddingUsage counts tokens.
type EmbeddingUsage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

// Vector is a list of numbers, which may be written as base64 of little-endian float32.
type Vector struct {
	Values []float32
	Base64 bool // how it is written
}

// MarshalJSON writes an array or a string.
func (v Vector) MarshalJSON() ([]byte, error) {
	if !v.Base64 {
		return json.Marshal(v.Values)
	}
	b := make([]byte, 0, 4*len(v.Values))
	for _, x := range v.Values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return json.Marshal(base64.StdEncoding.EncodeToString(b))
}

// UnmarshalJSON reads an array or a string.
func (v *Vector) UnmarshalJSON(b []byte) error {
	var text []byte // the decoder reads base64 into bytes
	*v = Vector{}
	if len(b) == 0 || b[0] != '"' {
		return json.Unmarshal(b, &v.Values)
	}
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	if len(text)%4 != 0 {
		return errors.New("a vector of base64 is no whole number of float32")
	}
	v.Base64 = true
	for ; len(text) > 0; text = text[4:] {
		v.Values = append(v.Values, math.Float32frombits(binary.LittleEndian.Uint32(text)))
	}
	return nil
}

// OllamaEmbed is the body of POST /api/embed.
type OllamaEmbed struct {
	Model      string        `json:"model"`
	Input      Strings       `json:"input"`
	Truncate   *bool         `json:"truncate,omitempty"` // true unless said: what is too long is cut
	Dimensions int           `json:"dimensions,omitempty"`
	Options    OllamaOptions `json:"options,omitzero"`
}

// OllamaEmbeddings is the answer to an OllamaEmbed. Durations are nanoseconds.
type OllamaEmbeddings struct {
	Model           string      `json:"model"`
	Embeddings      [][]float32 `json:"embeddings"`
	TotalDuration   int64       `json:"total_duration,omitempty"`
	LoadDuration    int64       `json:"load_duration,omitempty"`
	PromptEvalCount int         `json:"prompt_eval_count,omitempty"`
}

// OllamaEmbedOne is the body of POST /api/embeddings, the older form.
type OllamaEmbedOne struct {
	Model  string `json:"model"`
	Prompt string `json:"prompt"`
}

// OllamaEmbedding is the answer to an OllamaEmbedOne.
type OllamaEmbedding struct {
	Embedding []float32 `json:"embedding"`
}

// Embed asks for vectors of texts.
func (c *Client) Embed(ctx context.Context, q *EmbeddingRequest) (*Embeddings, error) {
	return post[Embeddings](ctx, c, "/v1/embeddings", q)
}

// OllamaEmbed asks for vectors of texts, Ollama's way.
func (c *Client) OllamaEmbed(ctx context.Context, q *OllamaEmbed) (*OllamaEmbeddings, error) {
	return post[OllamaEmbeddings](ctx, c, "/api/embed", q)
}
