// Command chatrender renders chat templates for bench/interop/chat.py: JSON
// jobs on stdin, one a line, {"template": path, "context": {…}, "now": RFC3339};
// answers on stdout, one a line, {"out": text} or {"error": text}, with "ns",
// the best of a few renderings.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/qwq-edge/qwq/runtime/chat"
)

type job struct {
	Template string
	Context  json.RawMessage
	Now      time.Time
}

type answer struct {
	Out   *string `json:"out,omitempty"`
	Error string  `json:"error,omitempty"`
	NS    int64   `json:"ns,omitempty"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<26)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for in.Scan() {
		var j job
		if err := json.Unmarshal(in.Bytes(), &j); err != nil {
			fmt.Fprintln(os.Stderr, "chatrender: error:", err)
			os.Exit(1)
		}
		if err := out.Encode(run(j)); err != nil {
			os.Exit(1)
		}
	}
}

func run(j job) answer {
	src, err := os.ReadFile(j.Template)
	if err != nil {
		return answer{Error: err.Error()}
	}
	t, err := chat.ParseWith(j.Template, string(src), chat.Options{Now: func() time.Time { return j.Now }})
	if err != nil {
		return answer{Error: err.Error()}
	}
	v, err := chat.ParseJSON(j.Context)
	if err != nil {
		return answer{Error: err.Error()}
	}
	ctx := chat.Context{}
	if d, ok := v.(*chat.Dict); ok {
		d.All(func(k, v any) bool { ctx[k.(string)] = v; return true })
	}
	var text string
	best := time.Duration(0)
	for range 20 {
		start := time.Now()
		if text, err = t.Render(ctx); err != nil {
			return answer{Error: err.Error()}
		}
		if d := time.Since(start); best == 0 || d < best {
			best = d
		}
	}
	return answer{Out: &text, NS: best.Nanoseconds()}
}
