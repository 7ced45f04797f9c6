package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/server"
)

// listenHTTP serves on a Unix socket.
func listenHTTP(t *testing.T, h http.Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	go s.Serve(l) //nolint:errcheck // ends with the test
	t.Cleanup(func() { s.Close() })
	return path
}

// daemonOf is a daemon with the embedded model.
func daemonOf(t *testing.T) string {
	t.Helper()
	h := server.NewHub(server.HubOptions{
		List:   func() []server.Listed { return []server.Listed{{Name: "stories", Time: time.Unix(1, 0)}} },
		Open:   func(server.Listed) (*gguf.File, error) { return gguf.Parse(demo.Model()) },
		Engine: engine.Options{Threads: 2},
	})
	t.Cleanup(func() { h.Drain(t.Context()) }) //nolint:errcheck // nothing runs
	return listenHTTP(t, server.New(h, server.Options{Version: "test"}).Handler())
}

// TestRemote: a daemon gives the same answers as this process.
func TestRemote(t *testing.T) {
	socket := daemonOf(t)
	dir := t.TempDir()
	gbnf, schema := filepath.Join(dir, "g"), filepath.Join(dir, "s")
	for path, text := range map[string]string{gbnf: `root ::= ("dog" | "cat") " "+ [a-z]+ "."`, schema: `{"type":"object","properties":{"a":{"type":"integer","maximum":99},"b":{"enum":["x","y"]}},"required":["a","b"],"additionalProperties":false}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"generate", "--json", "-p", "My ", "--grammar", gbnf, "-n", "30"},
		{"generate", "--json", "-p", "My ", "--json-schema", schema, "-n", "60"},
		{"generate", "--json", "-p", "My ", "--json-object", "-n", "20", "--temp", "0"},
		{"generate", "--json", "-p", "Once upon a time", "-n", "40", "--seed", "7"},
		{"generate", "--json", "-p", "Once upon a time", "-n", "30", "--temp", "0", "--repeat-penalty", "1.3", "--logit-bias", "11=-100"},
		{"generate", "--json", "--prompt-ids", "5,6,7", "-n", "20", "--stop", "and", "--ignore-eos", "--echo"},
		{"generate", "-p", "The dog", "-n", "9", "--echo"},
		{"chat", "-p", "Once upon a time", "-n", "20", "--seed", "3"},
		{"chat", "-p", "The cat", "-n", "20", "--temp", "0"},
	} {
		code, here, notes := talk(t, "", args...)
		code2, there, notes2 := talk(t, "", append(args, "--socket", socket, "-m", "stories")...)
		if code != 0 || code2 != 0 {
			t.Fatalf("%v: %d %d %s %s", args, code, code2, notes, notes2)
		}
		if args[1] == "--json" {
			here, there = untimed(t, here), untimed(t, there)
		}
		if here != there || len(here) < 8 {
			t.Errorf("%v:\nhere  %s\nthere %s", args, here, there)
		}
	}
	code, out, notes := talk(t, "Once\n/regenerate\n/stats\n/save "+t.TempDir()+"/x.json\n", "chat", "--plain", "--socket", socket, "-n", "6", "--threads", "3")
	if code != 0 || !strings.Contains(out, "answer    6 tokens") || !strings.Contains(out, "2 messages saved") || !strings.Contains(notes, "--threads changes nothing") {
		t.Errorf("%d %s %s", code, out, notes)
	}
	code, out, notes = talk(t, "one\ntwo\n", "embed", "--stdin", "--json", "--socket", socket)
	for line := range strings.Lines(out) {
		var v struct {
			Tokens    int
			Embedding []float64
		}
		sum := 0.0
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		for _, x := range v.Embedding {
			sum += x * x
		}
		if v.Tokens == 0 || math.Abs(sum-1) > 1e-5 {
			t.Errorf("%d tokens, length %v", v.Tokens, sum)
		}
	}
	if code != 0 || strings.Count(out, "\n") != 2 {
		t.Errorf("%d %s %s", code, out, notes)
	}
	if code, out, notes = talk(t, "", "ps", "--socket", socket); code != 0 || !strings.Contains(out, "stories") || !strings.HasPrefix(out, "NAME") {
		t.Errorf("%d %s %s", code, out, notes)
	}
	if code, out, notes = talk(t, "", "top", "--socket", socket, "--interval", "100ms"); code != 0 || !strings.Contains(out, "stories") || !strings.Contains(out, "qwqd test") {
		t.Errorf("%d %s %s", code, out, notes)
	}
}

// untimed is a --json record without its timings, which must be there.
func untimed(t *testing.T, record string) string {
	t.Helper()
	var g generation
	if err := json.Unmarshal([]byte(record), &g); err != nil {
		t.Fatal(err)
	}
	if x := g.Timings; x.PromptTokens != len(g.PromptIDs) || x.GeneratedTokens != len(g.IDs) || x.PromptMS <= 0 || x.GenerateMS <= 0 {
		t.Errorf("timings %+v of %d and %d tokens", x, len(g.PromptIDs), len(g.IDs))
	}
	g.Timings = timings{}
	b, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestRemoteErrors: where nobody answers, and what is wrong in a request, is said with
// what to do.
func TestRemoteErrors(t *testing.T) {
	socket, nobody := daemonOf(t), filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"ps", "--socket", nobody}, 1, "start one with: qwqd --socket " + nobody},
		{[]string{"top", "--socket", nobody}, 1, "no daemon answers on " + nobody},
		{[]string{"generate", "-p", "x", "--socket", nobody}, 1, "no daemon answers on " + nobody},
		{[]string{"chat", "-p", "x", "--socket", nobody}, 1, "no daemon answers on " + nobody},
		{[]string{"embed", "x", "--socket", nobody}, 1, "no daemon answers on " + nobody},
		{[]string{"ps", "--socket", "http://127.0.0.1:1"}, 1, "qwqd --listen"},
		{[]string{"generate", "-p", "x", "--socket", socket, "-m", "./x.gguf"}, 2, "serves models by name"},
		{[]string{"generate", "-p", "x", "--socket", socket, "-m", "other"}, 1, `there is no model "other"`},
		{[]string{"embed", "--image", filepath.Join(testdata.Root(t), "go.mod"), "--socket", socket}, 1, "cannot see images"},
		{[]string{"top", "--interval", "1ms"}, 2, "not 100ms to 1h"},
	} {
		if code, _, notes := talk(t, "", c.args...); code != c.code || !strings.Contains(notes, c.want) {
			t.Errorf("%v: %d %s", c.args, code, notes)
		}
	}
}

// TestRemoteCalls: tool calls come in parts, and are shown whole; reasoning stands apart.
func TestRemoteCalls(t *testing.T) {
	bodies := make(chan string, 2)
	socket := listenHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, "{}") //nolint:errcheck // the test reads it
			return
		}
		b, _ := io.ReadAll(r.Body)
		bodies <- string(b)
		w.Header().Set("Content-Type", "text/event-stream")
		for _, delta := range []string{
			`{"reasoning_content":"hm"}`, `{"content":"Well."}`, `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}`,
			`{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]}`, `{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}},{"index":-1},{"index":4096}]}`,
			`{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}`,
		} {
			fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":%s}]}\n\n", delta)
		}
		io.WriteString(w, "data: [DONE]\n\n") //nolint:errcheck // the test reads it
	}))
	code, out, notes := talk(t, "", "chat", "-p", "x", "--socket", socket, "--think", "show", "--set", "a=1", "--top-k", "9")
	if want := "<think>\nhm\n</think>\n\nWell.→ f({\"x\":1})\n→ g({})\n"; code != 0 || strings.TrimRight(out, "\n")+"\n" != want {
		t.Errorf("%d %q, want %q %s", code, out, want, notes)
	}
	var q map[string]any
	if err := json.Unmarshal([]byte(<-bodies), &q); err != nil {
		t.Fatal(err)
	}
	if _, said := q["temperature"]; said || q["top_k"] != 9.0 || q["chat_template_kwargs"].(map[string]any)["a"] != 1.0 {
		t.Errorf("%v", q)
	}
}
