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
	Input          Inputs `json:"input"`
	EncodingFormat string `json:"encoding_format,omitempty"` // "float" or "base64"
	Dimensions     *int   `json:"dimensions,omitempty"`      // the first so many, made unit length again
	User           string `json:"user,omitempty"`
}

// Inputs is a Prompt, or a list of texts and images, each of which gets a vector.
type Inputs struct {
	Prompt
	Items []Input // when not nil, Prompt is not used
}

// Input is a text or an image.
type Input struct {
	Type     string    `json:"type,omitempty"` // "text" or "image_url", or nothing: what is there says it
	Text     string    `json:"text,omitempty"`
	Image    string    `json:"image,omitempty"`     // a data: or file: URL
	ImageURL *ImageURL `json:"image_url,omitempty"` // the same, as in chat
}

// UnmarshalJSON reads a Prompt, an Input, or a list of Inputs and strings.
func (p *Inputs) UnmarshalJSON(b []byte) error {
	*p = Inputs{}
	if p.Prompt.UnmarshalJSON(b) == nil {
		return nil
	}
	p.Prompt = Prompt{}
	var list []json.RawMessage
	if json.Unmarshal(b, &list) != nil {
		list = []json.RawMessage{b}
	}
	p.Items = make([]Input, len(list))
	for i, x := range list {
		if json.Unmarshal(x, &p.Items[i].Text) != nil && (x[0] != '{' || json.Unmarshal(x, &p.Items[i]) != nil) {
			return wrongType[Inputs](b)
		}
	}
	return nil
}

// JSONType says what Inputs are in JSON.
func (*Inputs) JSONType() string {
	return "a string, an array of strings, of ids, of arrays of ids, or of objects with text or image"
}

// MarshalJSON writes what UnmarshalJSON reads.
func (p Inputs) MarshalJSON() ([]byte, error) {
	if p.Items != nil {
		return json.Marshal(p.Items)
	}
	return p.Prompt.MarshalJSON()
}

// URL is the image's, "" for a text.
func (i Input) URL() string {
	if i.Image == "" && i.ImageURL != nil {
		return i.ImageURL.URL
	}
	return i.Image
}

// Embeddings is the answer to an EmbeddingRequest.
type Embeddings struct {
	Object string         `json:"object"` // list
	Data   []Embedding    `json:"data"`
	Model  string         `json:"model"`
	Usage  EmbeddingUsage `json:"usage"`
}

// Embedding is the vector of one text or image.
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
