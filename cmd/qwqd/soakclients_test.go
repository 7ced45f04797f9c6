//go:build linux && (amd64 || arm64 || arm)

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ask is a request whose answer is determined.
type ask struct {
	model, path, body string
	want              string
}

// asks are requests of all APIs to one model, whole and streamed.
func asks(model string) (out []*ask) {
	add := func(path, body string) { out = append(out, &ask{model: model, path: path, body: body}) }
	m := fmt.Sprintf(`"model":%q,`, model)
	const hello = `"messages":[{"role":"user","content":"Once upon a time there was a dog"}]`
	const schema = `{"type":"object","properties":{"kind":{"enum":["cat","dog","bird"]},"legs":{"type":"integer","minimum":0,"maximum":8},"name":{"type":"string","maxLength":10}},"required":["kind","legs","name"]}`
	for _, stream := range []string{"", `,"stream":true`} {
		add("/v1/chat/completions", "{"+m+hello+`,"temperature":0,"max_tokens":24`+stream+"}")
		add("/v1/chat/completions", "{"+m+hello+`,"temperature":0.9,"seed":11,"max_tokens":40,"stop":["."]`+stream+"}")
		add("/v1/chat/completions", "{"+m+hello+`,"seed":4,"max_tokens":200,"response_format":{"type":"json_schema","json_schema":{"name":"pet","schema":`+schema+"}}"+stream+"}")
		add("/v1/completions", "{"+m+`"prompt":"The cat","n":2,"seed":2,"max_tokens":16,"logprobs":2`+stream+"}")
		add("/v1/responses", "{"+m+`"input":"Tell me of a bird","temperature":0,"max_output_tokens":20`+stream+"}")
		add("/v1/messages", "{"+m+hello+`,"temperature":0,"max_tokens":20`+stream+"}")
	}
	add("/api/chat", "{"+m+hello+`,"options":{"seed":3,"temperature":0.7,"num_predict":20}}`)
	add("/api/generate", "{"+m+`"prompt":"A long day","stream":false,"options":{"seed":3,"num_predict":20},"format":`+schema+"}")
	add("/v1/chat/completions", "{"+m+`"messages":[{"role":"user","content":"What is the weather?"}],"seed":6,"max_tokens":120,"tool_choice":"required","tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"town":{"enum":["Bern","Rome"]}},"required":["town"]}}}]}`)
	add("/v1/embeddings", "{"+m+`"input":["a cat","a dog on a mat"]}`)
	add("/v1/messages/count_tokens", "{"+m+hello+"}")
	add("/v1/completions", "{"+m+`"prompt":"`+strings.Repeat("The dog ran. ", 15)+`","temperature":0,"max_tokens":8}`) // a prefix that is shared
	return out
}

// said are the fields of answers that are determined, in all forms.
var said = strings.Fields("content text response delta arguments name partial_json finish_reason stop_reason done_reason completion_tokens output_tokens eval_count prompt_eval_count embedding token_logprobs")

// answer is what an answer says, ids and times left out. Of a stream it is the same fields of
// all events together, by choice: choices of one request come as they are ready.
func answer(b []byte) (string, error) {
	var out strings.Builder
	choices := map[float64]*strings.Builder{}
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("data:")))
		if len(line) == 0 || line[0] != '{' {
			continue // an event's name, [DONE]
		}
		var v any
		if err := json.Unmarshal(line, &v); err != nil {
			return "", err
		}
		m, ok := v.(map[string]any)
		if ok && m["error"] != nil {
			return "", fmt.Errorf("%.200s", line)
		}
		if n, ok := m["input_tokens"]; ok { // of count_tokens; elsewhere it leaves out what was cached
			fmt.Fprint(&out, n)
		}
		if list, ok := m["choices"].([]any); ok {
			for _, c := range list {
				i, _ := c.(map[string]any)["index"].(float64)
				if choices[i] == nil {
					choices[i] = &strings.Builder{}
				}
				tell(choices[i], c, false)
			}
			delete(m, "choices")
		}
		tell(&out, v, false)
	}
	for _, i := range slices.Sorted(maps.Keys(choices)) {
		fmt.Fprintf(&out, " choice %g: %s", i, choices[i])
	}
	return out.String(), nil
}

func tell(out *strings.Builder, v any, counts bool) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			tell(out, v[key], slices.Contains(said, key))
		}
	case []any:
		for _, x := range v {
			tell(out, x, counts)
		}
	case string:
		if counts {
			out.WriteString(v)
		}
	case float64:
		if counts {
			fmt.Fprintf(out, " %g", v)
		}
	}
}

// learn asks everything once, alone.
func (k *soak) learn() {
	for _, m := range soakModels {
		for _, a := range asks(m) {
			status, b, _, err := k.post(k.t.Context(), a.path, a.body)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("status %d", status)
			}
			if err == nil {
				a.want, err = answer(b)
			}
			if err != nil || a.want == "" {
				k.t.Fatalf("%s %s: %v: %s", a.path, a.body, err, b)
			}
			k.known = append(k.known, a)
		}
	}
}

// check asks everything once more, alone.
func (k *soak) check() {
	for _, a := range k.known {
		tries := 0
		for !k.ask(k.t.Context(), a) && tries < 250 { // a model may still be in use by a request that goes away
			tries++
			time.Sleep(20 * time.Millisecond)
		}
		if tries == 250 {
			k.fail("%s of %s is refused for 5 s without other clients", a.path, a.model)
		}
	}
}

// client does one thing after the other until ctx ends.
func (k *soak) client(ctx context.Context, rng *rand.Rand) {
	for ctx.Err() == nil {
		began := time.Now()
		away := int(time.Since(k.t0(began))/soakWindow) % len(soakModels) // the model that nobody asks for: another may be loaded
		a := k.known[rng.IntN(len(k.known))]
		if a.model == soakModels[away] {
			continue
		}
		switch n := rng.IntN(100); {
		case n < 55:
			if !k.ask(ctx, a) {
				time.Sleep(time.Duration(5+rng.IntN(40)) * time.Millisecond)
			}
		case n < 65:
			k.abort(ctx, a, rng)
		case n < 75:
			k.bad(ctx, a.model, rng)
		case n < 80:
			k.huge(ctx, a.model, rng)
		case n < 86:
			k.look(ctx, rng)
		case n < 92:
			k.converse(ctx, a.model, rng)
		case n < 95:
			k.slow(rng)
		default:
			time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
		}
	}
}

// t0 is when the windows of models began.
func (k *soak) t0(now time.Time) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.windows.IsZero() {
		k.windows = now
	}
	return k.windows
}

// ask compares an answer with the one that is known, and tells whether there was one.
func (k *soak) ask(ctx context.Context, a *ask) bool {
	status, b, header, err := k.post(ctx, a.path, a.body)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		k.fail("%s %s: %v", a.path, a.body, err)
		return false
	}
	k.add("answers and refusals")
	if status != http.StatusOK {
		k.refused(a.path, status, b, header)
		return false
	}
	k.add(fmt.Sprintf("  HTTP %d %s", status, a.path))
	got, err := answer(b)
	switch {
	case err != nil && strings.Contains(err.Error(), "overloaded_error"):
		k.add("  HTTP 200, then overloaded")
		return false
	case err != nil:
		k.fail("%s %s: %v", a.path, a.body, err)
	case got != a.want:
		k.fail("%s %s:\n got %.400q\nwant %.400q", a.path, a.body, got, a.want)
	}
	return true
}

// refused looks at a refusal that is no fault of the request.
func (k *soak) refused(path string, status int, b []byte, header http.Header) {
	k.add(fmt.Sprintf("  HTTP %d", status))
	if status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests || header.Get("Retry-After") == "" || !json.Valid(b) {
		k.fail("%s: status %d, Retry-After %q: %.300s", path, status, header.Get("Retry-After"), b)
	}
}

// abort goes away in the middle of a stream.
func (k *soak) abort(ctx context.Context, a *ask, rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(60))*time.Millisecond)
	defer cancel()
	k.add("aborted or ended in time")
	if _, _, _, err := k.post(ctx, a.path, strings.Replace(a.body, `"max_tokens":24`, `"max_tokens":400`, 1)); err != nil && ctx.Err() == nil {
		k.fail("%s: %v", a.path, err)
	}
}

// ambiguous is a grammar that compiles but has too many readings.
var ambiguous = func() string {
	root, rules := "root ::= x0", ""
	for i := range 300 {
		root += fmt.Sprintf(" | x%d", i)
		rules += fmt.Sprintf("\nx%d ::= \"a\" x%d \"b%d\" | \"c\"", i, i, i)
	}
	return strconv.Quote(root + rules)
}()

// bad sends what must be refused.
func (k *soak) bad(ctx context.Context, model string, rng *rand.Rand) {
	m := fmt.Sprintf(`{"model":%q,`, model)
	bodies := [][2]string{
		{"/v1/chat/completions", m + `"messages":[{"role":"user","content":"a"}]`},
		{"/v1/chat/completions", m + `"messages":"x"}`},
		{"/v1/chat/completions", m + `"messages":[]}`},
		{"/v1/chat/completions", m + `"messages":[{"role":"user","content":"a"}],"max_tokens":-3}`},
		{"/v1/chat/completions", m + `"messages":[{"role":"user","content":"a"}],"temperature":"warm"}`},
		{"/v1/chat/completions", `{"model":"none","messages":[{"role":"user","content":"a"}]}`},
		{"/v1/chat/completions", m + `"messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"not":{}}}}}`},
		{"/v1/completions", m + `"prompt":` + strings.Repeat("[", 5000) + "}"},
		{"/v1/completions", m + `"prompt":"a","grammar":"root ::= root"}`},
		{"/v1/completions", m + `"prompt":"a","logit_bias":{"x":1}}`},
		{"/v1/completions", m + `"prompt":"a","grammar":` + ambiguous + "}"},
		{"/v1/messages", m + `"messages":[{"role":"user","content":"a"}]}`}, // max_tokens is required
		{"/v1/responses", m + `"input":17}`},
		{"/api/generate", m + `"prompt":{}}`},
		{"/api/chat", "\x00\xff"},
		{"/v1/none", "{}"},
		{"/v1/embeddings", m + `"input":[]}`},
	}
	b := bodies[rng.IntN(len(bodies))]
	if rng.IntN(100) == 0 { // one that keeps a processor busy until it is refused
		b = [2]string{"/v1/completions", m + `"prompt":"a","grammar":"root ::= [ab]* \"a\" [ab]{22}"}`}
	}
	status, text, header, err := k.post(ctx, b[0], b[1])
	if ctx.Err() != nil {
		return
	}
	k.add("bad bodies")
	switch {
	case err != nil:
		k.fail("%s %.80s: %v", b[0], b[1], err)
	case status == http.StatusServiceUnavailable:
		k.refused(b[0], status, text, header)
	case status < 400 || status > 499 || !json.Valid(text):
		k.fail("%s %.80s: status %d: %.200s", b[0], b[1], status, text)
	}
}

// huge sends a prompt that does not fit the context, or a body that is too large.
func (k *soak) huge(ctx context.Context, model string, rng *rand.Rand) {
	size := 20_000 << rng.IntN(7)
	if rng.IntN(8) == 0 {
		size = 9 << 20
	}
	status, text, header, err := k.post(ctx, "/v1/chat/completions", fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]}`, model, strings.Repeat("a dog ", size/6)))
	if ctx.Err() != nil {
		return
	}
	k.add("huge prompts")
	switch {
	case err != nil:
		k.fail("a prompt of %d bytes: %v", size, err)
	case status == http.StatusServiceUnavailable:
		k.refused("a huge prompt", status, text, header)
	case status != http.StatusBadRequest && status != http.StatusRequestEntityTooLarge || !json.Valid(text):
		k.fail("a prompt of %d bytes: status %d: %.200s", size, status, text)
	}
}

// look asks for what never fails.
func (k *soak) look(ctx context.Context, rng *rand.Rand) {
	paths := strings.Fields("/healthz /readyz /metrics /v1/models /api/tags /api/ps /api/version /qwq/v1/status /qwq/v1/sessions")
	path := paths[rng.IntN(len(paths))]
	status, b, _, err := k.post(ctx, path, "")
	if ctx.Err() != nil {
		return
	}
	k.add("looks")
	if err != nil || status != http.StatusOK || len(b) == 0 {
		k.fail("%s: status %d, %v: %.200s", path, status, err, b)
	}
}

// converse goes on with one of a few sessions, which other clients may use too.
func (k *soak) converse(ctx context.Context, model string, rng *rand.Rand) {
	body := fmt.Sprintf(`{"model":%q,"session_id":"s%d","max_tokens":8,"messages":[{"role":"user","content":"And then, %d?"}]}`, model, rng.IntN(12), rng.IntN(9))
	status, b, header, err := k.post(ctx, "/v1/chat/completions", body)
	if ctx.Err() != nil {
		return
	}
	k.add("turns of conversations")
	switch {
	case err != nil:
		k.fail("%s: %v", body, err)
	case status >= 500 || status == http.StatusTooManyRequests:
		k.refused(body, status, b, header)
	case status != http.StatusOK && (status < 400 || !json.Valid(b)):
		k.fail("%s: status %d: %.200s", body, status, b)
	}
}

// slow opens a connection, says half a request and goes away.
func (k *soak) slow(rng *rand.Rand) {
	c, err := net.Dial("unix", k.socket)
	if err != nil {
		k.fail("%v", err)
		return
	}
	defer c.Close()
	k.add("half requests")
	text := "POST /v1/chat/completions HTTP/1.1\r\nHost: q\r\nContent-Length: 100\r\n\r\n{\"model\":"
	if _, err := c.Write([]byte(text[:1+rng.IntN(len(text))])); err != nil && !errors.Is(err, net.ErrClosed) {
		k.fail("half a request: %v", err)
	}
	time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
}
