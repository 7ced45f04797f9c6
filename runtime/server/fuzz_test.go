package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// fuzzBodies sends bodies to the paths. No body may bring a 500, a panic, an answer
// that is no JSON (or a stream that does not end as it must), or a wait.
func fuzzBodies(f *testing.F, paths []string, seeds ...string) {
	f.Helper()
	h := NewHub(HubOptions{
		List:   func() []Listed { return []Listed{{Name: "demo", Time: time.Unix(1, 0)}} },
		Open:   func(Listed) (*gguf.File, error) { return gguf.Parse(demo.Model()) },
		Engine: engine.Options{Threads: 1, Context: 160},
	})
	f.Cleanup(func() { h.Drain(f.Context()) }) //nolint:errcheck // the process ends
	s := New(h, Options{Timeout: time.Second}).Handler()
	for i := range paths {
		for _, seed := range seeds {
			f.Add(uint8(i), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		path := paths[int(which)%len(paths)]
		w := httptest.NewRecorder()
		began := time.Now()
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body)))
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s %q took %v", path, body, took)
		}
		out := w.Body.Bytes()
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout:
		default:
			t.Fatalf("%s %q: %d %s", path, body, w.Code, out)
		}
		switch kind := w.Header().Get("Content-Type"); kind {
		case "application/json":
			if !json.Valid(out) {
				t.Errorf("%s %q: %s", path, body, out)
			}
		case "text/event-stream":
			if !strings.HasSuffix(string(out), "\n\n") {
				t.Errorf("%s %q: %s", path, body, out)
			}
		case "application/x-ndjson":
			for line := range bytes.Lines(out) {
				if !json.Valid(line) {
					t.Errorf("%s %q: %s", path, body, line)
				}
			}
		default:
			t.Errorf("%s %q: content type %q", path, body, kind)
		}
	})
}

func FuzzChat(f *testing.F) {
	fuzzBodies(f, []string{"/v1/chat/completions"},
		`{"messages":[{"role":"user","content":"Hi"}],"max_tokens":3,"stream":true,"n":2,"stop":["a"],"logprobs":true,"top_logprobs":2,"stream_options":{"include_usage":true}}`,
		`{"messages":[{"role":"system","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"x"}],"max_tokens":3,"seed":-1,"logit_bias":{"5":-100}}`,
		`{"messages":[{"role":"user","content":"a"}],"max_tokens":9,"tool_choice":"required","parallel_tool_calls":false,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"enum":[1,null]}}}}}]}`,
		`{"messages":[{"role":"user","content":"a"}],"max_tokens":9,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"array","items":{"type":"integer"},"maxItems":2}}}}`,
		`{"messages":[{"role":"user","content":"a"}],"max_completion_tokens":2,"grammar":"root ::= [a-z]+","max_thinking_tokens":0,"chat_template_kwargs":{"enable_thinking":false},"reasoning_effort":"none"}`)
}

func FuzzCompletions(f *testing.F) {
	fuzzBodies(f, []string{"/v1/completions"},
		`{"prompt":"Once","max_tokens":3,"stream":true,"logprobs":2,"echo":true}`, `{"prompt":["a","b"],"n":2,"max_tokens":2}`, `{"prompt":[[1,2],[3]],"max_tokens":1}`,
		`{"prompt":"a","suffix":"b"}`, `{"prompt":"a","grammar":"root ::= \"x\"","temperature":0,"top_k":1,"top_p":0.5,"min_p":0.1,"repeat_penalty":1.1}`)
}

func FuzzResponses(f *testing.F) {
	fuzzBodies(f, []string{"/v1/responses"},
		`{"input":"Once","instructions":"x","max_output_tokens":3,"stream":true,"top_logprobs":1}`,
		`{"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]},{"type":"reasoning","content":[{"type":"reasoning_text","text":"b"}]},{"type":"function_call","call_id":"1","name":"f","arguments":"{"},{"type":"function_call_output","call_id":"1","output":"x"}],"max_output_tokens":2}`,
		`{"input":"a","max_output_tokens":9,"tools":[{"type":"function","name":"f","parameters":null}],"tool_choice":{"type":"function","name":"f"},"text":{"format":{"type":"json_object"}}}`)
}

func FuzzMessages(f *testing.F) {
	fuzzBodies(f, []string{"/v1/messages", "/v1/messages/count_tokens"},
		`{"max_tokens":3,"system":"x","messages":[{"role":"user","content":"a"}],"stream":true,"stop_sequences":["b"],"thinking":{"type":"enabled","budget_tokens":1}}`,
		`{"max_tokens":9,"system":[{"type":"text","text":"x"}],"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t"},{"type":"tool_use","id":"1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"r"}]}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f"}}`,
		`{"max_tokens":2,"messages":[{"role":"user","content":"a"}],"output_config":{"format":{"type":"json_schema","schema":{"const":1}}}}`)
}

func FuzzOllama(f *testing.F) {
	fuzzBodies(f, []string{"/api/chat", "/api/generate", "/api/show"},
		`{"messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","tool_name":"f","content":"x"}],"options":{"num_predict":2,"stop":"a","seed":3}}`,
		`{"messages":[{"role":"user","content":"a"}],"format":"json","stream":false,"options":{"num_predict":5},"think":false}`,
		`{"prompt":"Once","system":"s","format":{"type":"boolean"},"options":{"num_predict":2,"temperature":0}}`, `{"prompt":"a","raw":true,"options":{"num_predict":1,"top_k":3}}`, `{"model":"demo"}`)
}

func FuzzEmbeddings(f *testing.F) {
	fuzzBodies(f, []string{"/v1/embeddings", "/api/embed", "/api/embeddings"},
		`{"input":"a"}`, `{"input":["a","b"],"dimensions":3,"encoding_format":"base64"}`, `{"input":[[1,2],[3]]}`, `{"input":["a"],"truncate":false}`, `{"prompt":"a"}`)
}
