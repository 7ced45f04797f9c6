package teacher

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/cache"
	"github.com/qwq-edge/qwq/distill/data"
	"github.com/qwq-edge/qwq/internal/shard"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/sample"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

var tokEncode = tokenizer.EncodeOptions{NoParseSpecial: true}

func story(t testing.TB, typ string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), typ+".gguf")
	if _, err := convert.Quantize(context.Background(), convert.Options{Source: "../../testdata/tinystories-qwen2", Out: out, Type: typ}); err != nil {
		t.Fatal(err)
	}
	return out
}

func open(t testing.TB, path string, o Options) *Engine {
	t.Helper()
	e, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// batch is two rows of 40 ids in five pieces.
func batch(e *Engine) *distill.Batch {
	b := &distill.Batch{Rows: 2, Length: 40, Docs: []int32{7, 33, 1, 20, 19}}
	for i := range 80 {
		b.IDs = append(b.IDs, int32(i*i*31+7)%int32(e.Vocabulary()))
		b.Next = append(b.Next, 1)
	}
	return b
}

// TestEngineScore: the logits of the engine for each piece alone, bit for bit,
// however the positions are asked for.
func TestEngineScore(t *testing.T) {
	path := story(t, "q8_0")
	e := open(t, path, Options{})
	m, err := engine.Open(path, engine.Options{KV: "f32"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b := batch(e)
	var want []float32
	at := 0
	for _, n := range b.Docs {
		err := m.Logits(t.Context(), b.IDs[at:at+int(n)], func(_ int, l []float32) error {
			want = append(want, l...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		at += int(n)
	}
	v := e.Vocabulary()
	var got distill.Targets
	for _, r := range [][2]int{{0, 80}, {0, 13}, {13, 40}, {40, 41}, {39, 80}, {5, 5}} {
		if err := e.Score(t.Context(), b, r[0], r[1], &got); err != nil {
			t.Fatal(err)
		}
		if got.N != r[1]-r[0] || !slices.Equal(got.Dense, want[r[0]*v:r[1]*v]) {
			t.Errorf("positions %d to %d: other logits than the engine's", r[0], r[1])
		}
	}
	b.IDs[3]++ // the states of other ids must not be used again
	if err := e.Score(t.Context(), b, 0, 7, &got); err != nil || slices.Equal(got.Dense[3*v:4*v], want[3*v:4*v]) {
		t.Errorf("after a change of the ids the logits are the same, error %v", err)
	}
}

func TestEngineVocabulary(t *testing.T) {
	path := story(t, "q8_0")
	full := open(t, path, Options{})
	v := full.Vocabulary()
	b := batch(full)
	var order []int32
	for id := int32(v - 1); id >= 0; id-- {
		if id != 77 || slices.Contains(b.IDs, 77) {
			order = append(order, id)
		}
	}
	trimmed := open(t, path, Options{Vocab: distill.Vocab{Size: len(order), Teacher: order}})
	var want, got distill.Targets
	if err := full.Score(t.Context(), b, 3, 9, &want); err != nil {
		t.Fatal(err)
	}
	sb := *b
	sb.IDs = nil
	for _, id := range b.IDs {
		sb.IDs = append(sb.IDs, int32(slices.Index(order, id)))
	}
	if err := trimmed.Score(t.Context(), &sb, 3, 9, &got); err != nil {
		t.Fatal(err)
	}
	for i := range got.N {
		for s, id := range order {
			if got.Dense[i*len(order)+s] != want.Dense[i*v+int(id)] {
				t.Fatalf("position %d: logit of the student's %d is not that of the teacher's %d", i, s, id)
			}
		}
	}
	padded := open(t, path, Options{Vocab: distill.Vocab{Size: v + 5}})
	if err := padded.Score(t.Context(), b, 3, 4, &got); err != nil || got.Dense[v+4] != absent || got.Dense[v-1] != want.Dense[v-1] {
		t.Errorf("a student with more ids: %g, %v", got.Dense[v+4], err)
	}
	b.IDs[0] = int32(v + 1)
	if err := padded.Score(t.Context(), b, 0, 4, &got); err == nil {
		t.Error("an id that the teacher lacks: no error")
	}
	if _, err := Open(path, Options{Vocab: distill.Vocab{Size: 2, Teacher: []int32{1, int32(v)}}}); err == nil {
		t.Error("a mapping out of range: no error")
	}
}

func TestEngineID(t *testing.T) {
	path := story(t, "q8_0")
	a, b, c := open(t, path, Options{}), open(t, path, Options{Threads: 1}), open(t, path, Options{Precise: true})
	if a.ID() != b.ID() || a.ID() == c.ID() {
		t.Error("the ID must depend on the file and the numerics alone")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "x.gguf"), Options{}); err == nil {
		t.Error("no file: no error")
	}
}

// generator makes a generator of short sequences.
func generator(t testing.TB, e *Engine, batch, parts int) (*Generator, *data.Rows, *cache.Reader) {
	t.Helper()
	tok, err := e.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	var prompts [][]int32
	for _, s := range []string{"Once upon a time", "The", "Lily had a"} {
		var ids []int32
		prompts = append(prompts, tok.Append(ids, s, tokEncode))
	}
	g, err := NewGenerator(GenerateOptions{Engine: e, EOG: tok.EOGs(), Prompts: prompts, Sequences: 300, Length: 192, MaxTokens: 40,
		Batch: batch, Sampling: sample.Options{Temperature: 1, Seed: 5}, K: 16, Temps: []float64{1, 2}, Samples: 2, Parts: parts})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path, said := filepath.Join(dir, "rows"), filepath.Join(dir, "cache")
	if err := shard.Run(t.Context(), path, g, shard.Selection{}, shard.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := shard.Run(t.Context(), said, g.Cache(path), shard.Selection{}, shard.Options{}); err != nil {
		t.Fatal(err)
	}
	r, err := data.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	c, err := cache.Open(said)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return g, r, c
}

// TestGenerate: what is recorded while sampling is what scoring the rows gives,
// bit for bit, and neither parts nor the sequences at a time matter.
func TestGenerate(t *testing.T) {
	e := open(t, story(t, "q8_0"), Options{})
	_, rows, said := generator(t, e, 32, 2)
	recorded, err := said.Teacher(cache.TeacherOptions{Temps: []float64{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	if err := said.Verify(); err != nil {
		t.Fatal(err)
	}
	job, err := cache.NewJob(cache.Options{Source: rows.View(data.Train), Teacher: e, Vocab: e.Vocabulary(), K: 16, Temps: []float64{1, 2}, Kernel: e.Kernel()})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "scored")
	if err := shard.Run(t.Context(), path, job, shard.Selection{}, shard.Options{}); err != nil {
		t.Fatal(err)
	}
	again, err := cache.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	scored, err := again.Teacher(cache.TeacherOptions{Temps: []float64{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	var b distill.Batch
	var x, y distill.Targets
	for i := range rows.Len(data.Train) {
		if err := rows.Batch(data.Train, []int{i}, &b); err != nil {
			t.Fatal(err)
		}
		for teacher, dst := range map[*cache.Teacher]*distill.Targets{recorded: &x, scored: &y} {
			if err := teacher.Score(t.Context(), &b, 0, b.Length, dst); err != nil {
				t.Fatalf("row %d: %v", i, err)
			}
		}
		if fmt.Sprint(x) != fmt.Sprint(y) {
			t.Fatalf("row %d: what was recorded is not what scoring gives", i)
		}
	}
	if rows.Stats.Documents < 290 || rows.Stats.Scored < 1000 {
		t.Errorf("stats %+v", rows.Stats)
	}
	if fill := float64(rows.Stats.Padding) / float64(rows.Stats.Padding+rows.Stats.Tokens); fill > 0.2 {
		t.Errorf("%.2f of the rows are padding", fill)
	}
	_, other, _ := generator(t, e, 7, 1)
	if a, b := text(t, e, rows), text(t, e, other); a != b {
		t.Error("other parts and sequences at a time, other rows")
	}
	if s := text(t, e, rows); !strings.Contains(s, "Once upon a time") || strings.Count(s, "|") < 300 {
		t.Errorf("the text does not look sampled: %.200q", s)
	}
}

// text is all documents of a rows file, |ended.
func text(t *testing.T, e *Engine, r *data.Rows) string {
	tok, err := e.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	var b distill.Batch
	for i := range r.Len(data.Train) {
		if err := r.Batch(data.Train, []int{i}, &b); err != nil {
			t.Fatal(err)
		}
		at := 0
		for _, n := range b.Docs {
			s.WriteString(tok.Decode(b.IDs[at:at+int(n)], false) + "|")
			at += int(n)
		}
	}
	return s.String()
}

func TestGenerateRefused(t *testing.T) {
	e := open(t, story(t, "q8_0"), Options{})
	ok := GenerateOptions{Engine: e, Prompts: [][]int32{{1}}, Sequences: 10, Length: 16}
	for name, change := range map[string]func(o *GenerateOptions){
		"no prompts": func(o *GenerateOptions) { o.Prompts = nil }, "an empty prompt": func(o *GenerateOptions) { o.Prompts = [][]int32{{}} },
		"a long prompt": func(o *GenerateOptions) { o.Prompts = [][]int32{make([]int32, 16)} }, "a wrong id": func(o *GenerateOptions) { o.Prompts = [][]int32{{-1}} },
		"no sequences": func(o *GenerateOptions) { o.Sequences = 0 }, "many parts": func(o *GenerateOptions) { o.Parts = 2 },
		"batch": func(o *GenerateOptions) { o.Batch = 1000 }, "temps": func(o *GenerateOptions) { o.Temps = []float64{-1} },
		"sampling": func(o *GenerateOptions) { o.Sampling.Temperature = -1 }, "no engine": func(o *GenerateOptions) { o.Engine = nil },
	} {
		o := ok
		change(&o)
		if _, err := NewGenerator(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewGenerator(ok); err != nil {
		t.Error(err)
	}
}

// TestCacheRate measures caching with the story model on text that it wrote:
// set QWQ_CACHE_RATE=1.
func TestCacheRate(t *testing.T) {
	if os.Getenv("QWQ_CACHE_RATE") == "" {
		t.Skip("QWQ_CACHE_RATE is not set")
	}
	e := open(t, story(t, "q8_0"), Options{})
	tok, err := e.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	g, err := NewGenerator(GenerateOptions{Engine: e, EOG: tok.EOGs(), Prompts: [][]int32{tok.Encode("Once upon a time", tokEncode)},
		Sequences: 256, Length: 512, Sampling: sample.Options{Temperature: 0.8, Seed: 1}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rows")
	if err := shard.Run(t.Context(), path, g, shard.Selection{}, shard.Options{}); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	rows, err := data.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	t.Logf("sampled %d tokens, targets recorded: %.0f a second; %d rows, %.1f %% padding", rows.Stats.Scored, float64(rows.Stats.Scored)/took.Seconds(),
		rows.Len(data.All), 100*float64(rows.Stats.Padding)/float64(rows.Stats.Padding+rows.Stats.Tokens))
	for _, temps := range [][]float64{{1}, {1, 2}, {1, 2, 3, 4}} {
		start = time.Now()
		job, err := cache.NewJob(cache.Options{Source: rows.View(data.All), Teacher: e, Vocab: e.Vocabulary(), Temps: temps})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "cache")
		if err := shard.Run(t.Context(), path, job, shard.Selection{}, shard.Options{}); err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		c, err := cache.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(shard.PartPath(path, 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		if err := c.Verify(); err != nil {
			t.Fatal(err)
		}
		read := time.Since(start)
		var mass []string
		for _, temp := range temps {
			mass = append(mass, fmt.Sprintf("%.3f", c.Captured(temp)))
		}
		n := float64(c.Stats().Positions)
		t.Logf("k 32, T %v: %.0f positions a second, %.1f bytes a position, captured mass %v; reading %.0f positions a second",
			temps, n/took.Seconds(), float64(st.Size())/n, mass, n/read.Seconds())
		c.Close()
	}
}
