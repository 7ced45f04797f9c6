package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// talk runs qwq with a text on stdin.
func talk(t *testing.T, stdin string, args ...string) (code int, out, notes string) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var o, n bytes.Buffer
	a := app()
	a.Reader, a.Writer, a.ErrWriter = strings.NewReader(stdin), &o, &n
	code = prog.Run(context.Background(), a, append([]string{"qwq"}, args...))
	return code, o.String(), n.String()
}

// TestChatFiles: what a model file brings to a conversation.
func TestChatFiles(t *testing.T) {
	template := gguf.KV{Key: "tokenizer.chat_template", Value: gguf.String(
		`{% for m in messages %}{{ m.content }}{% endfor %}{% if enable_thinking is not defined or enable_thinking %}<think>{% endif %}`)}
	greedy := gguf.KV{Key: "general.sampling.temp", Value: gguf.Float32(0)}
	yarn := []gguf.KV{{Key: "llama.rope.scaling.type", Value: gguf.String("yarn")}, {Key: "llama.rope.scaling.factor", Value: gguf.Float32(4)},
		{Key: "llama.rope.scaling.original_context_length", Value: gguf.Uint32(512)}}
	file := func(kvs ...gguf.KV) string { return modeltest.Write(t, modeltest.Spec{Tokenizer: true, KVs: kvs}) }
	tools := t.TempDir() + "/tools.json"
	if err := os.WriteFile(tools, []byte(`[{"type":"function","function":{"name":"f"}}]`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		args  []string
		code  int
		notes string // "": silence
	}{
		{"no template", []string{"-m", file(), "-p", "the cat", "-n", "3", "--temp", "0"}, 0, "no chat template: texts are continued"},
		{"template", []string{"-m", file(template), "--no-think", "-p", "the cat", "-n", "3", "--temp", "0"}, 0, ""},
		{"thinks", []string{"-m", file(template), "-p", "the cat", "-n", "3", "--temp", "0"}, 0, "tokens, --think show prints them"},
		{"no switch", []string{"-m", file(gguf.KV{Key: "tokenizer.chat_template", Value: gguf.String("{{ messages[0].content }}")}), "--no-think", "-p", "the cat", "-n", "3"}, 0, "--no-think changes nothing"},
		{"no tools", []string{"-m", file(template), "--tools", tools, "-p", "x"}, 1, "knows no tools"},
		{"no template for tools", []string{"-m", file(), "--tools", tools, "-p", "x"}, 1, "knows no tools"},
		{"yarn", []string{"-m", file(append(yarn, template)...), "--no-think", "--ctx", "2000", "-p", "the cat", "-n", "3"}, 0, "positions are scaled (yarn scaling by 4"},
		{"beyond", []string{"-m", file(template), "--no-think", "--ctx", "600", "-p", "the cat", "-n", "3"}, 0, "expect worse text"},
		{"too far", []string{"-m", file(template), "--ctx", "600000", "-p", "the cat"}, 1, "more than 8 times the 512 positions"},
		{"too long", []string{"-m", file(template), "--ctx", "64", "-p", strings.Repeat("the cat ", 100)}, 1, "the context holds 64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, notes := talk(t, "", append([]string{"chat"}, c.args...)...)
			if code != c.code || !strings.Contains(notes, c.notes) || (c.notes == "") != (notes == "") || code == 1 && out != "" {
				t.Errorf("exit %d, stdout %q, stderr %q, want %d and %q", code, out, notes, c.code, c.notes)
			}
		})
	}
	recommended := file(template, greedy)
	_, one, _ := talk(t, "", "chat", "-m", recommended, "--no-think", "-p", "the cat", "-n", "12")
	_, two, _ := talk(t, "", "chat", "-m", recommended, "--no-think", "-p", "the cat", "-n", "12", "--temp", "0", "--seed", "5")
	_, hot, _ := talk(t, "", "chat", "-m", recommended, "--no-think", "-p", "the cat", "-n", "12", "--temp", "5", "--top-k", "0", "--min-p", "0", "--top-p", "1", "--seed", "5")
	if one != two || one == hot {
		t.Errorf("the file recommends temperature 0: got %q, with the flag %q, hot %q", one, two, hot)
	}
}
