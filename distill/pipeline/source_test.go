package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/recipe"
	"github.com/qwq-edge/qwq/distill/teacher"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

const (
	quick    = "baseline: {hard: true, margin: -100}\n"
	sizes    = "student: {layers: 1, hidden: 64, ffn: 64, heads: 2, kv-heads: 1, rows: 2}"
	generate = "generate: {sequences: 12, prompts: [Once, The], batch: 4}, length: 32"
	files    = "files: [text.txt], length: 32, held-out: 0.3"
)

// hyper reads a student's sizes.
func hyper(t *testing.T, path string) arch.Hyper {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := arch.ReadHyper(f)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestVocabulary: a student of fewer ids, from files in two cuts and from sampled
// text, cached and live: it trains, its tokenizer is its own, and the HF folder can
// be written.
func TestVocabulary(t *testing.T) {
	for name, edit := range map[string][]string{
		"files":    {"rows: 2}", "rows: 2, vocab: 400}", quick, ""},
		"cuts":     {"rows: 2}", "rows: 2, vocab: 400, prune-steps: 2, between: 1}", quick, ""},
		"live":     {"rows: 2}", "rows: 2, vocab: 400}", quick, "", "cache: {k: 8}", "cache: {live: true}"},
		"random":   {"rows: 2}", "rows: 2, vocab: 400, start: random}", quick, ""},
		"sampled":  {"rows: 2}", "rows: 2, vocab: 900}", quick, "", files, generate, "evaluate: {", "evaluate: {files: [text.txt], rows: 3, "},
		"on-words": {"rows: 2}", "rows: 2, vocab: 900}", quick, "on-policy: {rounds: 1, steps: 2, generate: {sequences: 4, prompts: [Once]}}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := folder(t, edit...)
			_, p, err := run(t, r, Options{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			h := hyper(t, p.path("student.gguf"))
			if h.Vocab != r.Student.Vocab {
				t.Errorf("%d ids, want %d", h.Vocab, r.Student.Vocab)
			}
			tok, err := tokenizer.Load(p.path("student-hf"))
			if err != nil || tok.Len() != r.Student.Vocab {
				t.Fatalf("the folder's tokenizer: %v", err)
			}
			const text = "Once upon a time, there was a zebra."
			if got := tok.Decode(tok.Encode(text, tokenizer.EncodeOptions{}), true); got != text {
				t.Errorf("got %q", got)
			}
			all, err := readMetrics(p.path("train", studentName, "metrics.jsonl"))
			if err != nil || len(all) < 1 || !(all[0].Loss["soft"] > 0) || math.IsNaN(all[0].Loss["soft"]) {
				t.Errorf("metrics %+v, %v", all, err)
			}
			if _, err := os.Stat(p.path(teacherRows)); name != "sampled" && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s was left: %v", teacherRows, err)
			}
		})
	}
}

// TestVocabularyRefused: at plan time where the number cannot be, in data where the
// sampled text has more ids.
func TestVocabularyRefused(t *testing.T) {
	for want, vocab := range map[string]string{"student.vocab: student: a vocabulary of 100: want from": "100", "student.vocab: student: a vocabulary of 9999": "9999"} {
		r := folder(t, "rows: 2}", "rows: 2, vocab: "+vocab+"}")
		l, _, err := run(t, r, Options{}, nil)
		if err == nil || !strings.Contains(err.Error(), "r.yaml:3:") || !strings.Contains(err.Error(), want) || l.done != nil {
			t.Errorf("got %v after %v, want %s", err, l.done, want)
		}
	}
	r := folder(t, "rows: 2}", "rows: 2, vocab: 300}", files, generate, "evaluate: {", "evaluate: {files: [text.txt], ")
	if l, _, err := run(t, r, Options{}, nil); err == nil || !strings.Contains(err.Error(), "raise student.vocab") {
		t.Errorf("got %v after %v", err, l.done)
	}
}

const llama = `{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": %, "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
"rope_theta": 10000.0, "hidden_act": "silu", "torch_dtype": "float32"}`

func config(t *testing.T, r *recipe.Recipe, vocab int) {
	t.Helper()
	write(t, strings.TrimSuffix(r.Path, "r.yaml")+"c.json", strings.Replace(llama, "%", strconv.Itoa(vocab), 1))
}

// TestConfig: a student of another family, of the same ids, padded to more, and
// trimmed; what does not fit is refused before any work.
func TestConfig(t *testing.T) {
	for vocab, student := range map[int]string{2048: "student: {config: c.json}", 2112: "student: {config: c.json}", 512: "student: {config: c.json, vocab: 512}"} {
		r := folder(t, sizes, student, quick, "")
		config(t, r, vocab)
		_, p, err := run(t, r, Options{}, nil)
		if err != nil {
			t.Errorf("%d ids: %v", vocab, err)
			continue
		}
		if h := hyper(t, p.path("student-q8_0.gguf")); h.Arch.Name != "llama" || h.Vocab != vocab || h.Layers != 2 {
			t.Errorf("%s with %d ids, %d layers", h.Arch.Name, h.Vocab, h.Layers)
		}
		if _, err := p.Estimate(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for want, c := range map[string]struct {
		vocab   int
		student string
	}{
		"student.config: vocab_size is 1000, the teacher's tokenizer has": {1000, "student: {config: c.json}"},
		"student.vocab: 600: the configuration's vocab_size is 512":       {512, "student: {config: c.json, vocab: 600}"},
		`r.yaml:3:11: student.config: "d.json": there is no /`:            {512, "student: {config: d.json}"},
		"do not run on pi-zero-2 (modelled":                               {2048, "student: {config: c.json, device: pi-zero-2, rate: 100000}"},
		"device \"pi-9\" is none of":                                      {2048, "student: {config: c.json, device: pi-9}"},
		"r.yaml:3:11: student.config: ":                                   {-1, "student: {config: c.json}"},
	} {
		r := folder(t, sizes, c.student)
		config(t, r, c.vocab)
		if l, _, err := run(t, r, Options{}, nil); err == nil || !strings.Contains(err.Error(), want) || l.done != nil {
			t.Errorf("got %v after %v, want %s", err, l.done, want)
		}
	}
}

// served is an OpenAI-compatible server around a model file.
type served struct {
	e     *teacher.Engine
	deny  bool
	calls int
}

func (s *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Prompt         json.RawMessage
		PromptLogprobs int `json:"prompt_logprobs"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.URL.Path != "/v1/completions" || r.Header.Get("Authorization") != "Bearer secret" {
		http.Error(w, "no", http.StatusNotFound)
		return
	}
	s.calls++
	choice := map[string]any{"text": " there was a dog."}
	var ids []int32
	if q.PromptLogprobs > 0 && !s.deny && json.Unmarshal(q.Prompt, &ids) == nil {
		choice["prompt_logprobs"] = s.score(ids, q.PromptLogprobs)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{choice}})
}

func (s *served) score(ids []int32, k int) []any {
	b := &distill.Batch{IDs: ids, Next: slices.Repeat([]int32{0}, len(ids)), Docs: []int32{int32(len(ids))}, Rows: 1, Length: len(ids)}
	var t distill.Targets
	if err := s.e.Score(context.Background(), b, 0, len(ids), &t); err != nil {
		panic(err)
	}
	out := []any{nil}
	p := make([]float64, t.Vocab)
	for i := 1; i < len(ids); i++ {
		logProbs(p, t.Dense[(i-1)*t.Vocab:i*t.Vocab])
		sorted := slices.Clone(p)
		slices.Sort(sorted)
		m := map[string]any{}
		for id, l := range p {
			if l >= sorted[len(sorted)-k] || int32(id) == ids[i] {
				m[strconv.Itoa(id)] = map[string]float64{"logprob": l}
			}
		}
		out = append(out, m)
	}
	return out
}

// TestServed: a teacher behind an API gives the numbers that the same model in a
// file gives, teaches a student of a configuration, and is refused at plan time when
// it cannot score.
func TestServed(t *testing.T) {
	local := folder(t, sizes, "student: {config: c.json}", quick, "")
	config(t, local, 2048)
	_, lp, err := run(t, local, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := teacher.Open(lp.path("teacher.gguf"), teacher.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s := &served{e: e}
	ts := httptest.NewServer(s)
	defer ts.Close()
	t.Setenv("TEACHER_KEY", "secret")
	edit := []string{sizes, "student: {config: c.json}", quick, "", ", type: q8_0}", "\n  model: big\n  url: " + ts.URL + "/v1\n  key-env: TEACHER_KEY\n  vocab: 2048", "teacher: {model:", "teacher:\n  tokenizer:"}
	make := func() *recipe.Recipe {
		r := folder(t, edit...)
		config(t, r, 2048)
		return r
	}
	r := make()
	_, p, err := run(t, r, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	far, err := p.Evaluation()
	if err != nil {
		t.Fatal(err)
	}
	near, err := lp.Evaluation()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"teacher", "start"} {
		a, b := near.Score(name), far.Score(name)
		if math.Abs(a.Nats-b.Nats) > 1e-5 || b.KL > a.KL+1e-5 || name == "start" && b.KL < a.KL/2 || b.Tokens != a.Tokens {
			t.Errorf("%s: served %+v, in a file %+v", name, *b, *a)
		}
	}
	if len(far.Samples) == 0 || far.Samples[0].Text != " there was a dog." {
		t.Errorf("samples %+v", far.Samples)
	}

	s.deny = true
	if l, _, err := run(t, make(), Options{}, nil); !errors.Is(err, teacher.ErrCannotScore) || !strings.Contains(err.Error(), "teacher.url") || l.done != nil {
		t.Errorf("got %v after %v, want that the server cannot score", err, l.done)
	}
}

// TestRounds: the student writes, the teacher scores, the student learns; stopped in
// between it goes on to the same bits.
func TestRounds(t *testing.T) {
	edit := []string{quick, "on-policy: {rounds: 2, steps: 2, lr: 1e-3, generate: {sequences: 6, prompts: [Once, The], batch: 3}}\n"}
	whole := folder(t, edit...)
	l, w, err := run(t, whole, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.steps[offName]) != 3 || len(l.steps["round-1"]) != 2 || len(l.steps[studentName]) != 2 {
		t.Errorf("steps %v", l.steps)
	}
	e, err := w.Evaluation()
	if err != nil || e.Score(offName) == nil {
		t.Errorf("the student before the rounds is not measured: %v", err)
	}
	cut := folder(t, edit...)
	if _, _, err := run(t, cut, Options{}, func(s string, step int) bool { return s == "round-1" && step == 1 }); err == nil {
		t.Fatal("was not stopped")
	}
	l, c, err := run(t, cut, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.steps[offName]) != 0 || !slices.Equal(l.steps["round-1"], []int{2}) {
		t.Errorf("went on with %v", l.steps)
	}
	a, errA := hashPath(w.path("student.gguf"))
	b, errB := hashPath(c.path("student.gguf"))
	if errA != nil || errB != nil || a != b {
		t.Errorf("%s and %s (%v, %v)", a, b, errA, errB)
	}
	live := folder(t, append(edit, "cache: {k: 8}", "cache: {live: true}", "steps: 3", "steps: 2")...)
	if _, _, err := run(t, live, Options{}, nil); err != nil {
		t.Error(err)
	}
}
