package api

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"
)

// Chat asks for a whole answer.
func (c *Client) Chat(ctx context.Context, q *ChatRequest) (*Chat, error) {
	r := *q
	r.Stream, r.StreamOptions = false, nil
	return post[Chat](ctx, c, "/v1/chat/completions", &r)
}

// ChatStream asks for an answer in pieces.
func (c *Client) ChatStream(ctx context.Context, q *ChatRequest) iter.Seq2[*Chat, error] {
	r := *q
	r.Stream = true
	return stream[Chat](c, ctx, "/v1/chat/completions", &r, false, nil)
}

// Text is what a whole answer, or a piece of a stream, brings to the first choice.
func (c *Chat) Text() string {
	switch {
	case len(c.Choices) == 0:
		return ""
	case c.Choices[0].Message != nil:
		return c.Choices[0].Message.Content.String()
	case c.Choices[0].Delta != nil && c.Choices[0].Delta.Content != nil:
		return *c.Choices[0].Delta.Content
	}
	return ""
}

// Complete continues texts.
func (c *Client) Complete(ctx context.Context, q *CompletionRequest) (*Completion, error) {
	r := *q
	r.Stream, r.StreamOptions = false, nil
	return post[Completion](ctx, c, "/v1/completions", &r)
}

// CompleteStream continues texts in pieces.
func (c *Client) CompleteStream(ctx context.Context, q *CompletionRequest) iter.Seq2[*Completion, error] {
	r := *q
	r.Stream = true
	return stream[Completion](c, ctx, "/v1/completions", &r, false, nil)
}

// Models lists the models that can be asked.
func (c *Client) Models(ctx context.Context) (*ModelList, error) {
	return get[ModelList](ctx, c, "/v1/models")
}

// Model is one of them.
func (c *Client) Model(ctx context.Context, name string) (*Model, error) {
	return get[Model](ctx, c, "/v1/models/"+url.PathEscape(name))
}

// OllamaGenerate asks Ollama's way, for a whole answer.
func (c *Client) OllamaGenerate(ctx context.Context, q *OllamaGenerate) (*OllamaAnswer, error) {
	r, no := *q, false
	r.Stream = &no
	return post[OllamaAnswer](ctx, c, "/api/generate", &r)
}

// OllamaGenerateStream asks for the pieces.
func (c *Client) OllamaGenerateStream(ctx context.Context, q *OllamaGenerate) iter.Seq2[*OllamaAnswer, error] {
	r, yes := *q, true
	r.Stream = &yes
	return stream(c, ctx, "/api/generate", &r, true, lastAnswer)
}

// OllamaChat asks Ollama's way, for a whole answer.
func (c *Client) OllamaChat(ctx context.Context, q *OllamaChat) (*OllamaAnswer, error) {
	r, no := *q, false
	r.Stream = &no
	return post[OllamaAnswer](ctx, c, "/api/chat", &r)
}

// OllamaChatStream asks for the pieces.
func (c *Client) OllamaChatStream(ctx context.Context, q *OllamaChat) iter.Seq2[*OllamaAnswer, error] {
	r, yes := *q, true
	r.Stream = &yes
	return stream(c, ctx, "/api/chat", &r, true, lastAnswer)
}

func lastAnswer(a *OllamaAnswer) bool { return a.Done }

// Tags lists the models that can be asked, Ollama's way.
func (c *Client) Tags(ctx context.Context) (*OllamaModels, error) {
	return get[OllamaModels](ctx, c, "/api/tags")
}

// PS lists the models that are loaded.
func (c *Client) PS(ctx context.Context) (*OllamaModels, error) {
	return get[OllamaModels](ctx, c, "/api/ps")
}

// Show says what a model is; it is loaded for that.
func (c *Client) Show(ctx context.Context, model string) (*OllamaShow, error) {
	return post[OllamaShow](ctx, c, "/api/show", &OllamaShowRequest{Model: model})
}

// Version is the daemon's.
func (c *Client) Version(ctx context.Context) (string, error) {
	var v OllamaVersion
	err := c.Get(ctx, "/api/version", &v)
	return v.Version, err
}

// Health is the answer of GET /healthz; an *Error with status 503 when the daemon is
// sick.
func (c *Client) Health(ctx context.Context) (map[string]any, error) {
	v := map[string]any{}
	err := c.Get(ctx, "/healthz", &v)
	return v, err
}

// Ready is nil when requests are taken.
func (c *Client) Ready(ctx context.Context) error {
	var v map[string]any
	return c.Get(ctx, "/readyz", &v)
}

// Metrics is the text of GET /metrics, in the form of Prometheus.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	a, err := c.Do(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	return io.ReadAll(io.LimitReader(a.Body, mostAnswer))
}

func get[T any](ctx context.Context, c *Client, path string) (*T, error) {
	v := new(T)
	if err := c.Get(ctx, path, v); err != nil {
		return nil, err
	}
	return v, nil
}

func post[T any](ctx context.Context, c *Client, path string, body any) (*T, error) {
	v := new(T)
	if err := c.Post(ctx, path, body, v); err != nil {
		return nil, err
	}
	return v, nil
}
