package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/runtime/sched"
)

// TestRefusals: what is wrong is told in each API's form, with the name of the field.
func TestRefusals(t *testing.T) {
	s := serveDemo(t)
	const msg = `"messages":[{"role":"user","content":"a"}]`
	const tool = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","not":{}}}}]`
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/v1/chat/completions", ``, 400, "the body is empty"},
		{"/v1/chat/completions", `[]`, 400, "the body must be an object, not array"},
		{"/v1/chat/completions", `{}{}`, 400, "invalid character '{' after top-level value"},
		{"/v1/chat/completions", `{"messages":3}`, 400, "messages must be an array, not number"},
		{"/v1/chat/completions", `{"messages":[]}`, 400, "messages is empty"},
		{"/v1/chat/completions", `{"messages":[{"role":"user","content":3}]}`, 400, `"messages.content must be a string or an array of parts, not number"`},
		{"/v1/chat/completions", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:"}}]}]}`, 400, "reads text only"},
		{"/v1/chat/completions", `{"messages":[{"role":"x","content":"a"}]}`, 400, `messages[0].role is \"x\"`},
		{"/v1/chat/completions", `{"model":"none",` + msg + `}`, 404, "model_not_found"},
		{"/v1/chat/completions", `{` + msg + `,"temperature":9}`, 400, "temperature 9 is not in 0 to 2"},
		{"/v1/chat/completions", `{` + msg + `,"temperature":"hot"}`, 400, `"temperature must be a number, not string"`},
		{"/v1/chat/completions", `{` + msg + `,"max_tokens":1.5}`, 400, "max_tokens must be a whole number"},
		{"/v1/chat/completions", `{` + msg + `,"stop":7}`, 400, "stop must be a string or an array of strings, not number"},
		{"/v1/chat/completions", `{` + msg + `,"n":99}`, 400, "n is 99"},
		{"/v1/chat/completions", `{` + msg + `,"tool_choice":"required"}`, 400, "no tools"},
		{"/v1/chat/completions", `{` + msg + `,"tool_choice":{"type":"function","function":{"name":"g"}},"tools":[{"type":"function","function":{"name":"f"}}]}`, 400, `\"g\"`},
		{"/v1/chat/completions", `{` + msg + `,"tools":[{"type":"function","function":{"name":"f g"}}]}`, 400, "tools[0]"},
		{"/v1/chat/completions", `{` + msg + `,"tools":[{"type":"function","function":{"name":3}}]}`, 400, "tools[0].function"},
		{"/v1/chat/completions", `{` + msg + `,"tool_choice":"required",` + tool + `}`, 400, "the parameters of f"},
		{"/v1/chat/completions", `{` + msg + `,"tool_choice":"sometimes",` + tool + `}`, 400, "sometimes"},
		{"/v1/completions", `{"prompt":[]}`, 400, "0 prompts"},
		{"/v1/completions", `{"prompt":{}}`, 400, "prompt must be a string, an array of strings"},
		{"/v1/completions", `{"prompt":"a","suffix":"b"}`, 400, "fill in the middle"},
		{"/v1/completions", `{"prompt":[99999999]}`, 400, "99999999"},
		{"/v1/embeddings", `{"input":[]}`, 400, "0 inputs"},
		{"/v1/embeddings", `{"input":[""]}`, 400, "input[0] is empty"},
		{"/v1/embeddings", `{"input":[[-1]]}`, 400, "input[0][0] is -1"},
		{"/v1/embeddings", `{"input":"a","dimensions":100000}`, 400, "dimensions is 100000"},
		{"/v1/embeddings", `{"input":"a","encoding_format":"hex"}`, 400, "encoding_format"},
		{"/v1/responses", `{}`, 400, "input is empty"},
		{"/v1/responses", `{"input":5}`, 400, "input must be a string or an array of items, not number"},
		{"/v1/responses", `{"input":"a","previous_response_id":"resp_1"}`, 400, "not stored"},
		{"/v1/responses", `{"input":[{"type":"item_reference","id":"x"}]}`, 400, "input[0].type"},
		{"/v1/responses", `{"input":"a","tools":[{"type":"web_search"}]}`, 400, "no tools of its own"},
		{"/v1/none", `{}`, 404, "not served here"},
		{"/v1/models", `{}`, 405, "only GET, HEAD"},
		{"/v1/messages", `{` + msg + `}`, 400, `{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens is missing"}}`},
		{"/v1/messages", `{"max_tokens":5,"model":"none",` + msg + `}`, 404, `"type":"not_found_error"`},
		{"/v1/messages", `{"max_tokens":5,"messages":[{"role":"user","content":[{"type":"image"}]}]}`, 400, "reads text only"},
		{"/v1/messages", `{"max_tokens":5,"messages":[{"role":"user","content":7}]}`, 400, "messages.content must be a string or an array of blocks, not number"},
		{"/v1/messages", `{"max_tokens":5,` + msg + `,"tools":[{"type":"bash_20250124","name":"bash"}]}`, 400, "no tools of its own"},
		{"/v1/messages", `{"max_tokens":5,` + msg + `,"thinking":{"type":"maybe"}}`, 400, "thinking.type"},
		{"/v1/messages/none", `{}`, 404, `"type":"error"`},
		{"/api/chat", `{"model":"none",` + msg + `}`, 404, `{"error":"there is no model`},
		{"/api/chat", `{"options":{"top_k":"x"},` + msg + `}`, 400, `{"error":"options.top_k must be a whole number, not string"}`},
		{"/api/chat", `{"think":"very",` + msg + `}`, 400, "think is"},
		{"/api/chat", `{"think":5,` + msg + `}`, 400, "think must be true, false, low, medium, high or max, not number"},
		{"/api/embed", `{"input":[""]}`, 400, `{"error":"input[0] is empty"}`},
		{"/api/generate", `{"prompt":"a","images":["x"]}`, 400, "reads text only"},
		{"/api/none", `{}`, 404, `{"error":"POST /api/none is not served here"}`},
		{"/v1/completions", `{"prompt":"` + strings.Repeat("a", 100_000) + `"}`, 400, "the prompt has 100000 bytes, more than the 512 tokens"},
		{"/v1/messages", `{"max_tokens":5,"messages":[{"role":"user","content":"` + strings.Repeat("a", 100_000) + `"}]}`, 400, "more than the 512 tokens"},
		{"/v1/messages/count_tokens", `{"messages":[{"role":"user","content":"` + strings.Repeat("a ", 600) + `"}]}`, 200, `{"input_tokens":`},
		{"/v1/embeddings", `{"input":"` + strings.Repeat("a", 100_000) + `"}`, 400, "input[0] has 100000 bytes"},
		{"/api/embed", `{"input":"` + strings.Repeat("a ", 50_000) + `"}`, 200, `"prompt_eval_count":512`},
		{"/v1/completions", `{"prompt":"` + strings.Repeat("a ", 600) + `"}`, 400, "the context holds 512"},
	} {
		status, body := post(t, s, c.path, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %.300s: %d %s, want %d %s", c.path, c.body, status, body, c.status, c.want)
		}
	}
}

// TestBodies: bodies that are too large, nested too deep, packed or cut off are refused
// in time, and do no harm.
func TestBodies(t *testing.T) {
	s := serveDemo(t)
	const paths = "/v1/chat/completions /v1/completions /v1/embeddings /v1/responses /v1/messages /v1/messages/count_tokens /api/generate /api/chat /api/embed /api/embeddings /api/show"
	large := map[string]bool{"/v1/chat/completions": true, "/v1/messages": true, "/api/show": true} // the rest read it the same way
	deep := strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)
	for path := range strings.FieldsSeq(paths) {
		for name, c := range map[string]struct {
			body   string
			status int
		}{
			"large":   {`{"model":"` + strings.Repeat("x", maxBody) + `"}`, 413},
			"many":    {`{"messages":[{}` + strings.Repeat(",{}", mostObjects) + `]}`, 413},
			"numbers": {`{"input":[1` + strings.Repeat(",1", mostValues+1) + `]}`, 413},
			"trailer": {`{}` + strings.Repeat(" ", maxBody), 413},
			"deep":    {`{"model":` + deep + `}`, 400},
			"cut off": {`{"model":"x`, 400},
			"binary":  {"\x1f\x8b\x08\x00", 400},
			"null":    {"nul", 400},
		} {
			if len(c.body) > maxBody && !large[path] {
				continue
			}
			if status, body := post(t, s, path, c.body); status != c.status {
				t.Errorf("%s %s: %d %.200s, want %d", path, name, status, body, c.status)
			}
		}
		chunked := io.MultiReader(strings.NewReader(`{"model":"`), strings.NewReader(strings.Repeat("x", chunkedBody))) // a reader without a length
		long, err := http.Post(s.URL+path, "application/json", chunked)
		if err != nil {
			t.Fatal(err)
		}
		long.Body.Close()
		if long.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s without a length: %d", path, long.StatusCode)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Encoding", "gzip")
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("%s packed: %d", path, a.StatusCode)
		}
	}
}

// TestMethods: HEAD is GET without a body, other methods are refused with the list of
// those that are possible.
func TestMethods(t *testing.T) {
	s := serveDemo(t)
	for _, c := range []struct {
		method, path, allow string
		status              int
	}{
		{"HEAD", "/v1/models", "", 200},
		{"HEAD", "/healthz", "", 200},
		{"OPTIONS", "/v1/models", "GET, HEAD", 405},
		{"OPTIONS", "/v1/chat/completions", "POST", 405},
		{"GET", "/v1/chat/completions", "POST", 405},
		{"DELETE", "/api/tags", "GET, HEAD", 405},
		{"PUT", "/v1/none", "", 404},
		{"TRACE", "/api/chat", "POST", 405},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != c.status || a.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", c.method, c.path, a.StatusCode, a.Header.Get("Allow"), c.status, c.allow)
		}
	}
}

// TestBig: of requests with big bodies only a few are served at a time, the next ones
// wait, and then are refused.
func TestBig(t *testing.T) {
	s := New(NewHub(HubOptions{List: func() []Listed { return nil }}), Options{})
	for range mostBig {
		s.big <- struct{}{}
	}
	ask := func(size int) int {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/show", strings.NewReader(`{"model":"`+strings.Repeat("x", size)+`"}`)))
		return w.Code
	}
	if got := ask(bigBody); got != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", got)
	}
	if got := ask(100); got != http.StatusNotFound {
		t.Errorf("a small one: %d", got)
	}
	time.AfterFunc(100*time.Millisecond, func() { <-s.big })
	if got := ask(bigBody); got != http.StatusNotFound {
		t.Errorf("one that waited: %d", got)
	}
	if n := len(s.big); n != mostBig-1 {
		t.Errorf("%d turns are taken, want %d", n, mostBig-1)
	}
	s.mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("bug") })
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/panic", nil))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("a panic: %d", w.Code)
	}
}

// TestToolBomb: grammars of tools are not made for a prompt that does not fit; they took
// ten seconds and 800 MB here.
func TestToolBomb(t *testing.T) {
	s := serveDemo(t)
	var props, tools []string
	for i := range 60 {
		props = append(props, fmt.Sprintf(`"p%d":{"type":"string","pattern":"^[a-z]{3,40}(foo|bar|baz)+[0-9]{1,9}$"}`, i))
	}
	for i := range mostTools {
		tools = append(tools, fmt.Sprintf(`{"type":"function","function":{"name":"f%d","parameters":{"type":"object","properties":{%s}}}}`, i, strings.Join(props, ",")))
	}
	began := time.Now()
	status, body := post(t, s, "/v1/chat/completions", `{"messages":[{"role":"user","content":"a"}],"tool_choice":"required","tools":[`+strings.Join(tools, ",")+`]}`)
	if took := time.Since(began); status != 400 || !strings.Contains(body, "more than the 512 tokens") || took > 3*time.Second {
		t.Errorf("%d %.300s after %v", status, body, took)
	}
}

// TestLinger: who writes all of a large body before it reads gets the answer, though the
// body was refused before it was read.
func TestLinger(t *testing.T) {
	socket, _ := onSocket(t, sched.Options{})
	for path, c := range map[string]struct{ size, status int }{
		"/v1/chat/completions": {15 << 20, http.StatusRequestEntityTooLarge}, "/v1/nothing": {4 << 20, http.StatusNotFound},
	} {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: q\r\nContent-Length: %d\r\n\r\n%s", path, c.size, strings.Repeat("x", c.size)); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		r.Body.Close()
		if r.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d", path, r.StatusCode, c.status)
		}
	}
}
