package server

import (
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// TestEncoder: an encoder gives embeddings, and a clear refusal to whoever wants text.
func TestEncoder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	if _, err := convert.Quantize(t.Context(), convert.Options{Source: testdata.Shared(t, "goldens", "models", "bert-tiny", "checkpoint"), Out: path, Type: "q8_0"}); err != nil {
		t.Fatal(err)
	}
	h := NewHub(HubOptions{
		List:   func() []Listed { return []Listed{{Name: "bert", Path: path, Time: time.Unix(1, 0)}} },
		Open:   func(l Listed) (*gguf.File, error) { return gguf.Open(l.Path) },
		Engine: engine.Options{Threads: 1},
	})
	s := httptest.NewServer(New(h, Options{}).Handler())
	defer s.Close()
	defer h.Drain(t.Context()) //nolint:errcheck // the test has ended
	c, err := api.Dial(s.URL, api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a, err := c.Embed(t.Context(), &api.EmbeddingRequest{Input: api.Inputs{Prompt: api.Prompt{IDs: [][]int32{{2, 40, 41, 3}, {2, 50, 3}}}}})
	if err != nil || len(a.Data) != 2 || len(a.Data[0].Embedding.Values) != 64 {
		t.Fatalf("%+v, %v", a, err)
	}
	show, err := c.Show(t.Context(), "bert")
	if err != nil || show.Capabilities[0] != "embedding" {
		t.Errorf("%+v, %v", show, err)
	}
	for _, path := range []string{"/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/completions"} {
		var out map[string]any
		err := c.Post(t.Context(), path, map[string]any{"messages": []any{map[string]any{"role": "user", "content": "a"}}, "prompt": "a", "max_tokens": 3}, &out)
		var e *api.Error
		if !errors.As(err, &e) || e.Status != 400 || !strings.Contains(e.Message, "is an encoder") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
