package compat

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// TestCurl is curl as people type it: without a content type.
func TestCurl(t *testing.T) {
	const ask = `{"messages":[{"role":"user","content":"Once upon a time"}],"max_tokens":8`
	for _, c := range []struct{ feature, path, body, want string }{
		{"models", "/v1/models", "", `"id":"embedded"`},
		{"chat", "/v1/chat/completions", ask + `}`, `"finish_reason":"length"`},
		{"stream", "/v1/chat/completions", ask + `,"stream":true}`, "data: [DONE]"},
		{"completions", "/v1/completions", `{"prompt":"Once","max_tokens":4}`, `"object":"text_completion"`},
		{"embeddings", "/v1/embeddings", `{"input":"Once"}`, `"object":"embedding"`},
		{"responses", "/v1/responses", `{"input":"Once","max_output_tokens":4,"stream":true}`, "event: response.incomplete"},
		{"messages", "/v1/messages", ask + `,"stream":true}`, "event: message_stop"},
		{"count tokens", "/v1/messages/count_tokens", ask + `}`, `{"input_tokens":`},
		{"generate", "/api/generate", `{"prompt":"Once","options":{"num_predict":4}}`, `"done":true`},
		{"errors", "/v1/chat/completions", `{"messages":7}`, "messages must be an array, not number"},
	} {
		args := []string{"-sS", "--max-time", "60", "--unix-socket", socket, "http://qwqd" + c.path}
		if c.body != "" {
			args = append(args, "-d", c.body)
		}
		out, err := exec.CommandContext(t.Context(), "curl", args...).CombinedOutput()
		if err == nil && !strings.Contains(string(out), c.want) {
			err = fmt.Errorf("%s, want %s", out, c.want)
		}
		note(t, "curl", c.feature, err)
	}
}
