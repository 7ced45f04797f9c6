package compat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// TestSpecification: openapi.yaml is valid, and what is sent and answered is as it says.
func TestSpecification(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	const ask = `{"messages":[{"role":"user","content":"Once"}],"max_tokens":8`
	const tool = `,"tool_choice":"required","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]}}}]}`
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v1/models", ""},
		{"GET", "/v1/models/embedded", ""},
		{"POST", "/v1/chat/completions", ask + `}`},
		{"POST", "/v1/chat/completions", strings.Replace(ask, ":8", ":60", 1) + tool},
		{"POST", "/v1/chat/completions", ask + `,"n":2,"logprobs":true,"top_logprobs":1,"stop":"x"}`},
		{"POST", "/v1/completions", `{"prompt":["a","b"],"max_tokens":4,"logprobs":2}`},
		{"POST", "/v1/embeddings", `{"input":"a"}`},
		{"POST", "/v1/embeddings", `{"input":[[1,2],[3]],"encoding_format":"base64"}`},
		{"POST", "/v1/responses", `{"input":"a","max_output_tokens":4}`},
		{"POST", "/v1/responses", `{"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]}],"max_output_tokens":60,"parallel_tool_calls":false,"tool_choice":"required","tools":[{"type":"function","name":"f"}]}`},
		{"POST", "/v1/messages", ask + `}`},
		{"POST", "/v1/messages/count_tokens", `{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}`},
		{"POST", "/api/generate", `{"prompt":"a","stream":false,"options":{"num_predict":4}}`},
		{"POST", "/api/chat", `{"messages":[{"role":"user","content":"a"}],"stream":false,"options":{"num_predict":4}}`},
		{"POST", "/api/embed", `{"input":["a","b"]}`},
		{"POST", "/api/embeddings", `{"prompt":"a"}`},
		{"POST", "/api/show", `{"model":"embedded"}`},
		{"GET", "/api/tags", ""},
		{"GET", "/api/ps", ""},
		{"GET", "/api/version", ""},
		{"POST", "/v1/embeddings", `{"input":""}`},
		{"POST", "/v1/messages", ask + `,"top_k":-1}`},
		{"POST", "/api/chat", `{"model":"none"}`},
	} {
		note(t, "kin-openapi", "specification", exchange(t, router, c.method, c.path, c.body))
	}
}

// exchange sends a request and checks it and its answer.
func exchange(t *testing.T, router routers.Router, method, path, body string) error {
	request := func() (*http.Request, error) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
		if err == nil && body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		return r, err
	}
	r, err := request()
	if err != nil {
		return err
	}
	route, params, err := router.FindRoute(r)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	in := &openapi3filter.RequestValidationInput{Request: r, Route: route, PathParams: params, Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
		return fmt.Errorf("%s %s %s: %w", method, path, body, err)
	}
	if r, err = request(); err != nil {
		return err
	}
	a, err := (&http.Client{Transport: transport()}).Do(r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		return err
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: a.StatusCode, Header: a.Header, Body: io.NopCloser(bytes.NewReader(b)), Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true}}
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		return errors.Join(fmt.Errorf("%s %s: %d %s", method, path, a.StatusCode, b), err)
	}
	return nil
}
