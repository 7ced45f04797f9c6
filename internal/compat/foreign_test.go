package compat

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// TestForeign: what we answer is as OpenAI's and Ollama's own specifications say.
func TestForeign(t *testing.T) {
	const ask = `{"model":"embedded","messages":[{"role":"user","content":"Once"}]`
	for _, c := range []struct {
		file, prefix string
		requests     [][3]string
	}{
		{"ollama/openapi.yaml", "", [][3]string{
			{"POST", "/api/generate", `{"model":"embedded","prompt":"a","stream":false,"options":{"num_predict":4}}`},
			{"POST", "/api/generate", `{"model":"embedded","prompt":"a","stream":false,"logprobs":true,"top_logprobs":2,"options":{"num_predict":4}}`},
			{"POST", "/api/chat", ask + `,"stream":false,"options":{"num_predict":4}}`},
			{"POST", "/api/embed", `{"model":"embedded","input":["a","b"]}`},
			{"GET", "/api/tags", ""},
			{"GET", "/api/ps", ""},
			{"POST", "/api/show", `{"model":"embedded"}`},
			{"GET", "/api/version", ""},
		}},
		{"openai/openapi.yaml", "/v1", [][3]string{
			{"GET", "/v1/models", ""},
			{"GET", "/v1/models/embedded", ""},
			{"POST", "/v1/chat/completions", ask + `,"max_tokens":4,"n":2,"logprobs":true,"top_logprobs":1}`},
			{"POST", "/v1/chat/completions", ask + `,"parallel_tool_calls":false,"tool_choice":"required","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]}}}]}`},
			{"POST", "/v1/completions", `{"model":"embedded","prompt":["a","b"],"max_tokens":4,"logprobs":2}`},
			{"POST", "/v1/embeddings", `{"model":"embedded","input":"a"}`},
			{"POST", "/v1/responses", `{"model":"embedded","input":"a","max_output_tokens":16}`},
			{"POST", "/v1/responses", `{"model":"embedded","input":"a","parallel_tool_calls":false,"tool_choice":"required","tools":[{"type":"function","name":"f","strict":true,"parameters":{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]}}]}`},
		}},
	} {
		path := filepath.Join("..", "..", "..", "shared", "data", "api", c.file)
		if _, err := os.Stat(path); err != nil && os.Getenv("QWQ_REQUIRE_SHARED") != "1" {
			t.Skipf("%s is not there", path)
		}
		doc, err := openapi3.NewLoader().LoadFromFile(path)
		if err != nil {
			t.Fatal(err)
		}
		doc.Servers = openapi3.Servers{{URL: "http://localhost" + c.prefix}}
		router, err := gorillamux.NewRouter(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range c.requests {
			note(t, "kin-openapi", filepath.Dir(c.file)+"'s own", exchange(t, router, q[0], q[1], q[2]))
		}
		if c.prefix != "" {
			note(t, "kin-openapi", "openai's events", events(t, doc))
		}
	}
}

// events checks every event of streams against the schema of its type.
func events(t *testing.T, doc *openapi3.T) error {
	kinds := map[string]*openapi3.Schema{"": doc.Components.Schemas["CreateChatCompletionStreamResponse"].Value}
	seen := map[*openapi3.Schema]bool{}
	for _, s := range doc.Components.Schemas {
		nullable(s, seen)
	}
	for name, s := range doc.Components.Schemas {
		if strings.HasPrefix(name, "Realtime") || strings.HasPrefix(name, "Beta") || strings.HasPrefix(name, "Webhook") {
			continue // another API with events of the same names
		}
		if p := s.Value.Properties["type"]; p != nil && p.Value != nil && len(p.Value.Enum) == 1 {
			if kind, ok := p.Value.Enum[0].(string); ok && strings.HasPrefix(kind, "response.") {
				if kinds[kind] != nil {
					return fmt.Errorf("%s is a second schema of the event %s", name, kind)
				}
				kinds[kind] = s.Value
			}
		}
	}
	const must = `,"stream":true,"parallel_tool_calls":false,"tool_choice":"required","tools":[{"type":"function"`
	n := 0
	for path, bodies := range map[string][]string{
		"/v1/chat/completions": {`{"messages":[{"role":"user","content":"Once"}],"max_tokens":4,"stream":true,"logprobs":true,"stream_options":{"include_usage":true}}`, `{"messages":[{"role":"user","content":"Once"}]` + must + `,"function":{"name":"f"}}]}`},
		"/v1/responses":        {`{"input":"Once","max_output_tokens":4,"stream":true,"top_logprobs":1}`, `{"input":"Once"` + must + `,"name":"f","strict":true,"parameters":{"type":"object","properties":{"a":{"type":"boolean"}}}}]}`},
	} {
		for _, body := range bodies {
			a, err := (&http.Client{Transport: transport()}).Post("http://qwqd"+path, "application/json", strings.NewReader(body))
			if err != nil {
				return err
			}
			defer a.Body.Close()
			for s := bufio.NewScanner(a.Body); s.Scan(); {
				data, ok := strings.CutPrefix(s.Text(), "data: ")
				if !ok || data == "[DONE]" {
					continue
				}
				var v map[string]any
				if err := json.Unmarshal([]byte(data), &v); err != nil {
					return err
				}
				kind, _ := v["type"].(string)
				if kinds[kind] == nil {
					return fmt.Errorf("the event %s has no schema", data)
				}
				if err := kinds[kind].VisitJSON(v, openapi3.VisitAsResponse(), openapi3.EnableJSONSchema2020()); err != nil {
					return fmt.Errorf("%s: %w", data, err)
				}
				n++
			}
		}
	}
	if n < 20 {
		return fmt.Errorf("only %d events", n)
	}
	return nil
}

// nullable writes "nullable", which OpenAPI 3.1 does not know, as 3.1 does: the document
// is of that version and uses both.
func nullable(r *openapi3.SchemaRef, seen map[*openapi3.Schema]bool) {
	if r == nil || r.Value == nil || seen[r.Value] {
		return
	}
	s := r.Value
	seen[s] = true
	if s.Nullable && s.Type != nil {
		types := append(slices.Clone(*s.Type), "null")
		s.Type = &types
		if s.Enum != nil {
			s.Enum = append(s.Enum, nil)
		}
	}
	for _, p := range s.Properties {
		nullable(p, seen)
	}
	for _, list := range []openapi3.SchemaRefs{s.AnyOf, s.OneOf, s.AllOf, {s.Items}} {
		for _, p := range list {
			nullable(p, seen)
		}
	}
}
