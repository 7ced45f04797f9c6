// Package scripttest runs the testscript files of a command. Besides the usual
// environment a script has $MODEL (the trained model's folder), $DEMO (the
// embedded model's file), $TOK (a folder with tokenizer files alone), and these
// commands:
//
//	json FILE EXPR…   FILE is one JSON value per line; each EXPR must hold: path=value, path (exists and is not null), path#n (length)
//	ascii FILE        FILE holds printable ASCII and newlines only
//	lines FILE n      FILE has n lines
//	only DIR NAME…    DIR holds exactly these files
//	waitfor GLOB      waits until a file matches
//	bigmodel DIR      makes a checkpoint of 1.5 GB that takes no disk
package scripttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/qwq-edge/qwq/internal/testdata"
)

// Run runs testdata/script of the package under test.
func Run(t *testing.T) {
	model := filepath.Join(testdata.Root(t), "testdata", "tinystories-qwen2")
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("MODEL", model)
			e.Setenv("DEMO", filepath.Join(testdata.Root(t), "internal", "demo", "tinystories-int8.gguf"))
			e.Setenv("TOK", filepath.Join(e.WorkDir, "tok"))
			e.Setenv("NO_COLOR", "1")
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache"))
			return copyTokenizer(model, filepath.Join(e.WorkDir, "tok"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"json": checkJSON, "ascii": checkASCII, "lines": checkLines, "only": checkOnly, "waitfor": waitFor, "bigmodel": bigModel,
		},
	})
}

func copyTokenizer(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func need(ts *testscript.TestScript, neg bool, args []string, least int, usage string) {
	if neg || len(args) < least {
		ts.Fatalf("usage: %s", usage)
	}
}

func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "json FILE EXPR…")
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	dec.UseNumber()
	for n := 0; ; n++ {
		var v any
		if err := dec.Decode(&v); errors.Is(err, io.EOF) && n > 0 {
			return
		} else if err != nil {
			ts.Fatalf("%s: value %d: %v", args[0], n, err)
		}
		for _, expr := range args[1:] {
			ts.Check(holds(v, expr))
		}
	}
}

// holds checks one expression: a path of field names and indexes between dots.
func holds(v any, expr string) error {
	path, want, equal := strings.Cut(expr, "=")
	path, count, length := strings.Cut(path, "#")
	for key := range strings.SplitSeq(path, ".") {
		if key == "" {
			continue
		}
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(x) {
				return fmt.Errorf("%s: no element %q in a list of %d", expr, key, len(x))
			}
			v = x[i]
		default:
			return fmt.Errorf("%s: nothing at %q", expr, key)
		}
	}
	switch {
	case v == nil && want != "null":
		return fmt.Errorf("%s: nothing there", expr)
	case length:
		n := -1
		switch x := v.(type) {
		case []any:
			n = len(x)
		case map[string]any:
			n = len(x)
		}
		if strconv.Itoa(n) != count {
			return fmt.Errorf("%s: length %d", expr, n)
		}
	case equal:
		got := fmt.Sprint(v)
		if v == nil {
			got = "null"
		}
		if got != want {
			return fmt.Errorf("%s: got %s", expr, got)
		}
	}
	return nil
}

func checkASCII(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "ascii FILE")
	for i, b := range []byte(ts.ReadFile(args[0])) {
		if (b < ' ' || b > '~') && b != '\n' {
			ts.Fatalf("%s: byte %#x at %d", args[0], b, i)
		}
	}
}

func checkLines(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "lines FILE n")
	if n := strings.Count(ts.ReadFile(args[0]), "\n"); strconv.Itoa(n) != args[1] {
		ts.Fatalf("%s has %d lines, want %s", args[0], n, args[1])
	}
}

func checkOnly(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "only DIR NAME…")
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	want := slices.Sorted(slices.Values(args[1:]))
	if !slices.Equal(got, want) {
		ts.Fatalf("%s holds %q, want %q", args[0], got, want)
	}
}

func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "waitfor GLOB")
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if m, err := filepath.Glob(ts.MkAbs(args[0])); err == nil && len(m) > 0 {
			return
		}
	}
	ts.Fatalf("no file %s", args[0])
}

// bigModel writes a Qwen2 folder whose weights are one hole of 1.5 GB, with
// the trained model's tokenizer: a job long enough to be interrupted.
func bigModel(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "bigmodel DIR")
	const hidden, ffn, layers, vocab = 2048, 8192, 12, 4096
	dir := ts.MkAbs(args[0])
	ts.Check(copyTokenizer(ts.Getenv("MODEL"), dir))
	config := fmt.Sprintf(`{"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2","hidden_size":%d,"intermediate_size":%d,
"num_hidden_layers":%d,"num_attention_heads":16,"num_key_value_heads":16,"vocab_size":%d,"max_position_embeddings":512,
"rms_norm_eps":1e-6,"rope_theta":10000.0,"hidden_act":"silu","tie_word_embeddings":true,"torch_dtype":"bfloat16"}`, hidden, ffn, layers, vocab)
	ts.Check(os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o644))
	type entry struct {
		Dtype   string   `json:"dtype"`
		Shape   []int    `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	head, end := map[string]entry{}, int64(0)
	add := func(name string, shape ...int) {
		n := int64(2)
		for _, d := range shape {
			n *= int64(d)
		}
		head[name] = entry{"BF16", shape, [2]int64{end, end + n}}
		end += n
	}
	add("model.embed_tokens.weight", vocab, hidden)
	add("model.norm.weight", hidden)
	for i := range layers {
		p := fmt.Sprintf("model.layers.%d.", i)
		for _, s := range []string{"q", "k", "v"} {
			add(p+"self_attn."+s+"_proj.weight", hidden, hidden)
			add(p+"self_attn."+s+"_proj.bias", hidden)
		}
		add(p+"self_attn.o_proj.weight", hidden, hidden)
		add(p+"mlp.gate_proj.weight", ffn, hidden)
		add(p+"mlp.up_proj.weight", ffn, hidden)
		add(p+"mlp.down_proj.weight", hidden, ffn)
		add(p+"input_layernorm.weight", hidden)
		add(p+"post_attention_layernorm.weight", hidden)
	}
	j, err := json.Marshal(head)
	ts.Check(err)
	j = append(j, bytes.Repeat([]byte{' '}, -len(j)&7)...)
	f, err := os.Create(filepath.Join(dir, "model.safetensors"))
	ts.Check(err)
	_, err = f.Write(append([]byte{byte(len(j)), byte(len(j) >> 8), byte(len(j) >> 16), 0, 0, 0, 0, 0}, j...))
	ts.Check(err)
	ts.Check(f.Truncate(int64(8+len(j)) + end))
	ts.Check(f.Close())
}
