package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/mmap"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/grammar"
	"github.com/qwq-edge/qwq/runtime/kvcache"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
	"github.com/qwq-edge/qwq/runtime/sample"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// The clock of regexp2's time limits, which CLIP's tokenizer uses, ends by itself a second later.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"))
}

func load(t testing.TB, path string, o Options) *Model {
	t.Helper()
	m, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if used, _ := m.Pages(); used != 0 {
			t.Errorf("%d KV pages leaked", used)
		}
	})
	return m
}

func random(t testing.TB, o Options) *Model {
	t.Helper()
	return load(t, modeltest.Write(t, modeltest.Spec{Tokenizer: true, Type: quant.Q8_0}), o)
}

// collect runs a request to its end.
func collect(t testing.TB, m *Model, r Request) (ids []int32, text string, last Token) {
	t.Helper()
	for tok, err := range m.Generate(context.Background(), r) {
		if err != nil {
			t.Fatal(err)
		}
		ids, text, last = append(ids, tok.ID), text+tok.Text, tok
	}
	return ids, text, last
}

// TestStories: the greedy text of a real model equals llama2.c's.
func TestStories(t *testing.T) {
	dir := testdata.Shared(t, "data", "llm", "stories260K")
	golden, err := os.ReadFile(dir + "/golden_greedy_llama2c.txt")
	if err != nil {
		t.Fatal(err)
	}
	m := load(t, dir+"/stories260K.gguf", Options{})
	if m.Info().KV != quant.F32 || m.Context() != 2048 {
		t.Errorf("kv %v, context %d", m.Info().KV, m.Context())
	}
	parts := strings.Split(string(golden), "### prompt: ")[1:]
	if len(parts) != 4 {
		t.Fatalf("%d prompts", len(parts))
	}
	for _, p := range parts {
		prompt, want, _ := strings.Cut(p, "\n")
		want = strings.TrimSuffix(want, "\n")
		ids := m.Tokenizer().Encode(prompt, tokenizer.EncodeOptions{AddSpecial: true})
		n := 128 + 1 - len(ids) // the last token is sampled at the 128th position
		_, text, last := collect(t, m, Request{Prompt: prompt, MaxTokens: n})
		if got := m.Tokenizer().Decode(ids, true) + text; got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", prompt, got, want)
		}
		if last.Finish != FinishLength || last.Timings.PromptTokens != len(ids) || last.Timings.GeneratedTokens != n {
			t.Errorf("%q: finish %q, %+v", prompt, last.Finish, last.Timings)
		}
	}
}

// TestStepIsGenerate: four sequences that prefill and decode in one batch give
// what each gives alone, sampler included, for any chunk and thread count.
func TestStepIsGenerate(t *testing.T) {
	path := modeltest.Write(t, modeltest.Spec{Tokenizer: true, Type: quant.Q8_0})
	var reqs []Request
	for i := range 4 {
		ids := []int32{1}
		for k := range 5 + 40*i {
			ids = append(ids, int32((k*k+7*k+i)%300+5))
		}
		reqs = append(reqs, Request{IDs: ids, MaxTokens: 20 + i, IgnoreEOS: true, Sampling: sample.Options{Temperature: 0.9, TopK: 50, Seed: uint64(i)}})
	}
	reqs[2].Sampling = sample.Options{RepeatPenalty: 1.3}
	var want [4][]int32
	for _, o := range []Options{{Threads: 1}, {Threads: 2, Batch: 1}, {Threads: 3, Batch: 7}} {
		m := load(t, path, o)
		var seqs []*Seq
		for i, r := range reqs {
			alone, _, _ := collect(t, m, r)
			if want[i] == nil {
				want[i] = alone
			}
			if !slices.Equal(alone, want[i]) {
				t.Errorf("%+v: sequence %d alone: %v, want %v", o, i, alone, want[i])
			}
			s, err := m.NewSeq(r)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Release()
			seqs = append(seqs, s)
		}
		for steps := 0; slices.ContainsFunc(seqs, func(s *Seq) bool { return s.Finish() == "" }); steps++ {
			if err := m.Step(context.Background(), seqs); err != nil || steps > 1000 {
				t.Fatal(steps, err)
			}
		}
		for i, s := range seqs {
			if got := s.IDs()[s.Prompt():]; !slices.Equal(got, want[i]) {
				t.Errorf("%+v: sequence %d in a batch: %v, want %v", o, i, got, want[i])
			}
		}
		turn := append(slices.Clone(seqs[3].IDs()), 9, 8, 7)
		fresh, _, _ := collect(t, m, Request{IDs: turn, MaxTokens: 12, IgnoreEOS: true})
		s, err := m.NewSeqFrom(seqs[3], Request{IDs: turn, MaxTokens: 12, IgnoreEOS: true})
		if err != nil {
			t.Fatal(err)
		}
		for s.Finish() == "" {
			if err := m.Step(context.Background(), []*Seq{s}); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(s.IDs()[s.Prompt():], fresh) || s.Timings().CachedTokens != len(turn)-4 {
			t.Errorf("continued from a prefix: %v, %d cached; fresh: %v", s.IDs()[s.Prompt():], s.Timings().CachedTokens, fresh)
		}
		s.Release()
		for _, s := range seqs {
			s.Release()
		}
	}
}

// script forces the ids that are to be sampled.
type script struct {
	ids []int32
	set []uint64
}

func (s *script) Allowed() []uint64 {
	s.set = make([]uint64, 5)
	s.set[s.ids[0]>>6] |= 1 << (s.ids[0] & 63)
	return s.set
}
func (s *script) Accept(int32) { s.ids = s.ids[1:] }

func TestEnds(t *testing.T) {
	m := random(t, Options{Context: 64})
	plain := m.Tokenizer().Encode("the cat sat on the mat. é中", tokenizer.EncodeOptions{})
	n := len(plain)
	withEnd := append(slices.Clone(plain), 2, plain[0])
	for _, c := range []struct {
		name   string
		script []int32
		r      Request
		ids    int
		text   string
		finish string
	}{
		{"length", plain, Request{MaxTokens: n}, n, " the cat sat on the mat. é中", "length"},
		{"end token", withEnd, Request{}, n + 1, " the cat sat on the mat. é中", "stop"},
		{"end token ignored", withEnd, Request{IgnoreEOS: true, MaxTokens: n + 2}, n + 2, " the cat sat on the mat. é中" + " the", "length"},
		{"end token shown", withEnd, Request{IgnoreEOS: true, Special: true, MaxTokens: n + 1}, n + 1, " the cat sat on the mat. é中</s>", "length"},
		{"stop text", plain, Request{Stop: []string{"xyz", "t on t"}}, 0, " the cat sa", "stop"},
		{"stop text at the end of the length", plain, Request{MaxTokens: n, Stop: []string{"中"}}, n, " the cat sat on the mat. é", "stop"},
		{"beginning of a stop text at the end", plain, Request{MaxTokens: n, Stop: []string{"中。"}}, n, " the cat sat on the mat. é中", "length"},
		{"beginning of a stop text at the end token", withEnd, Request{Stop: []string{"é中!"}}, n + 1, " the cat sat on the mat. é中", "stop"},
	} {
		c.r.Prompt, c.r.Mask = "a", &script{ids: slices.Clone(c.script)}
		ids, text, last := collect(t, m, c.r)
		if c.ids == 0 {
			c.ids = len(ids)
		}
		if text != c.text || last.Finish != c.finish || len(ids) != c.ids || !slices.Equal(ids, c.script[:len(ids)]) {
			t.Errorf("%s: %q finish %q ids %v, want %q %q and %d ids", c.name, text, last.Finish, ids, c.text, c.finish, c.ids)
		}
	}
	ids, _, last := collect(t, m, Request{IDs: []int32{1, 5, 9}, IgnoreEOS: true})
	if len(ids)+3 != 64 || last.Finish != FinishLength {
		t.Errorf("context of 64 full: %d ids after 3, finish %q", len(ids), last.Finish)
	}
	half := []int32{3 + 0xE4, 3 + 0xB8} // two of the three bytes of a character
	_, text, _ := collect(t, m, Request{IDs: []int32{1}, MaxTokens: 2, Mask: &script{ids: half}})
	if text != "\uFFFD" && text != "\uFFFD\uFFFD" {
		t.Errorf("half a character at the end: %q", text)
	}
}

// ender is a script that is complete when its ids have come.
type ender struct{ script }

func (e *ender) Complete() bool { return len(e.ids) == 0 }

// TestComplete: where nothing more may come the text ends without an end token, whether
// these count or not, and what the stream held back is part of it.
func TestComplete(t *testing.T) {
	m := random(t, Options{Context: 64})
	plain := m.Tokenizer().Encode("the cat é", tokenizer.EncodeOptions{})
	for _, ignore := range []bool{false, true} {
		ids, text, last := collect(t, m, Request{Prompt: "a", IgnoreEOS: ignore, Stop: []string{"é!"}, Mask: &ender{script{ids: slices.Clone(plain)}}})
		if !slices.Equal(ids, plain) || text != " the cat é" || last.Finish != FinishStop {
			t.Errorf("ignore %t: %v %q %s", ignore, ids, text, last.Finish)
		}
	}
}

func TestPaddedIDs(t *testing.T) {
	m := load(t, modeltest.Write(t, modeltest.Spec{Tokenizer: true, Vocab: 352}), Options{})
	ids, text, _ := collect(t, m, Request{IDs: []int32{1, 351}, MaxTokens: 2, Sampling: sample.Options{LogitBias: map[int32]float32{340: 1e4}}})
	if !slices.Equal(ids, []int32{340, 340}) || text != "" {
		t.Errorf("ids beyond the tokenizer: %v %q", ids, text)
	}
	g, err := grammar.ParseGBNF("root ::= [a-z ]{20} .*", grammar.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	held := &held{grammar.NewVocabulary(m.Tokenizer()).Matcher(g)}
	ids, text, _ = collect(t, m, Request{IDs: []int32{1, 351}, MaxTokens: 12, Mask: held, Sampling: sample.Options{LogitBias: map[int32]float32{340: 1e4}}})
	if len(ids) != 12 || slices.ContainsFunc(ids, func(id int32) bool { return int(id) >= m.Tokenizer().Len() }) {
		t.Errorf("ids beyond the tokenizer under a grammar: %v %q", ids, text)
	}
}

// held is the mask of a grammar.
type held struct{ *grammar.Matcher }

func (h *held) Allowed() []uint64 {
	allowed, err := h.Matcher.Allowed()
	if err != nil {
		panic(err)
	}
	return allowed
}

func (h *held) Accept(id int32) {
	if err := h.Matcher.Accept(id); err != nil {
		panic(err)
	}
}

func TestLogprobs(t *testing.T) {
	m := random(t, Options{})
	prompt := []int32{1, 20, 30}
	var want []float32
	if err := m.Logits(context.Background(), prompt, func(pos int, x []float32) error {
		want = slices.Clone(x)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var norm float64
	for _, x := range want {
		norm += math.Exp(float64(x))
	}
	for tok, err := range m.Generate(context.Background(), Request{IDs: prompt, MaxTokens: 1, Logprobs: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		lp := float64(want[tok.ID]) - math.Log(norm)
		if math.Abs(float64(tok.Logprob)-lp) > 1e-5 || len(tok.Top) != 3 || tok.Top[0].ID != tok.ID {
			t.Errorf("%+v, want logprob %v and itself first of 3", tok, lp)
		}
	}
}

func TestLogitsEveryPosition(t *testing.T) {
	path := modeltest.Write(t, modeltest.Spec{Type: quant.F16})
	ids := make([]int32, 150)
	for i := range ids {
		ids[i] = int32(i * 3 % 320)
	}
	var want []float32
	for _, batch := range []int{64, 1, 9} {
		m := load(t, path, Options{Batch: batch})
		if m.Tokenizer() != nil || m.Info().KV != quant.F16 {
			t.Errorf("tokenizer %v, kv %v", m.Tokenizer(), m.Info().KV)
		}
		var got []float32
		next := 0
		err := m.Logits(context.Background(), ids, func(pos int, x []float32) error {
			if pos != next || len(x) != m.Vocabulary() {
				t.Fatalf("position %d of %d values, want position %d", pos, len(x), next)
			}
			next++
			got = append(got, x...)
			return nil
		})
		if err != nil || next != len(ids) {
			t.Fatal(next, err)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("batch %d gives other bits", batch)
		}
	}
}

func TestErrors(t *testing.T) {
	m := random(t, Options{Context: 64})
	bare := load(t, modeltest.Write(t, modeltest.Spec{}), Options{})
	long := make([]int32, 65)
	for label, c := range map[string]struct {
		m    *Model
		r    Request
		want string
	}{
		"prompt too long":   {m, Request{IDs: long}, "prompt of 65 tokens, the context holds 64"},
		"id out of range":   {m, Request{IDs: []int32{1, 320}}, "id 320 at position 1"},
		"no tokens":         {m, Request{IDs: []int32{}}, "no tokens"},
		"sampling":          {m, Request{Prompt: "a", Sampling: sample.Options{TopK: -1}}, "top-k"},
		"negative length":   {m, Request{Prompt: "a", MaxTokens: -1}, "-1 tokens"},
		"text for no words": {bare, Request{Prompt: "a"}, "no tokenizer"},
		"nothing allowed":   {m, Request{Prompt: "a", Mask: &script{ids: []int32{319 + 1}}}, "no token is allowed"},
	} {
		if label == "nothing allowed" {
			c.r.Mask = nothing{}
		}
		var err error
		for _, err = range c.m.Generate(context.Background(), c.r) {
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", label, err, c.want)
		}
	}
	boom := errors.New("boom")
	if err := m.Logits(context.Background(), []int32{1, 2}, func(int, []float32) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("callback's error: %v", err)
	}
	if err := m.Logits(context.Background(), long, nil); err == nil {
		t.Error("logits of a prompt that is too long")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	var err error
	for _, err = range m.Generate(ctx, Request{Prompt: "a", IgnoreEOS: true}) {
		if n++; n == 3 {
			cancel()
		}
	}
	if n != 4 || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled after 3: %d results, %v", n, err)
	}
	for _, err := range m.Generate(context.Background(), Request{Prompt: "a", IgnoreEOS: true}) {
		if err != nil {
			t.Error(err)
		}
		break // leaving early must give the pages back, see load
	}
}

type nothing struct{}

func (nothing) Allowed() []uint64 { return []uint64{} }
func (nothing) Accept(int32)      {}

func TestOptions(t *testing.T) {
	path := modeltest.Write(t, modeltest.Spec{Tokenizer: true, Type: quant.F16, HeadDim: 48})
	for label, o := range map[string]Options{
		"kv q8_0 with heads of 48": {KV: "q8_0"}, "kv type": {KV: "q4_0"}, "negative": {Threads: -1}, "kernel": {Kernel: "x87"}, "huge": {Context: math.MaxInt}, "huge product": {Context: 1 << 30, Sequences: 1 << 30},
	} {
		if m, err := Open(path, o); err == nil {
			m.Close()
			t.Errorf("%s: no error", label)
		}
	}
	for kv, want := range map[string]quant.Type{"": quant.F16, "AUTO": quant.F16, "f32": quant.F32} {
		if m := load(t, path, Options{KV: kv}); m.Info().KV != want {
			t.Errorf("kv %q: %v, want %v", kv, m.Info().KV, want)
		}
	}
	m := load(t, path, Options{Precise: true, Context: 1000, Threads: 2})
	i := m.Info()
	if i.KV != quant.F32 || len(i.Warnings) != 1 || i.Context != 1000 || i.Trained != 512 || i.Threads != 2 || i.KVBytes != 2*2*2*48*4 {
		t.Errorf("%+v", i)
	}
	if _, err := Open(path+".none", Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	wide := modeltest.Write(t, modeltest.Spec{Tokenizer: true, Vocab: 300})
	if _, err := Open(wide, Options{}); err == nil || !strings.Contains(err.Error(), "320 tokens") {
		t.Errorf("more ids than rows: %v", err)
	}
}

func TestFullCache(t *testing.T) {
	m := random(t, Options{Context: 64, Sequences: 1})
	a, err := m.NewSeq(Request{Prompt: "a"})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := m.NewSeq(Request{Prompt: "b"})
	defer b.Release()
	if err := m.Step(context.Background(), []*Seq{a}); err != nil {
		t.Fatal(err)
	}
	if err := m.Step(context.Background(), []*Seq{a, b}); !errors.Is(err, kvcache.ErrFull) || a.Pending() != 1 {
		t.Errorf("second sequence in one page: %v, %d pending", err, a.Pending())
	}
	a.Release()
	if err := m.Step(context.Background(), []*Seq{a, b}); err != nil {
		t.Error(err)
	}
	if len(b.Tokens()) != 1 {
		t.Error("no token after the page was released")
	}
}

func TestClose(t *testing.T) {
	m, err := Open(modeltest.Write(t, modeltest.Spec{Tokenizer: true}), Options{Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSeq(Request{Prompt: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := m.Step(context.Background(), []*Seq{s}); !errors.Is(err, ErrClosed) {
		t.Errorf("step after close: %v", err)
	}
	if err := m.Logits(context.Background(), []int32{1}, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("logits after close: %v", err)
	}
	s.Release()
	path := modeltest.Write(t, modeltest.Spec{Tokenizer: true})
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if m, err = New(f, Options{}); err != nil {
		t.Fatal(err)
	}
	if m.Close(); f.Tensor("output_norm.weight") == nil {
		t.Error("closing the model closed a file that is not its own")
	}
}

// TestCloseWhileGenerating: closing in the middle of a generation ends it with
// ErrClosed after the step in progress, without reading what is unmapped.
func TestCloseWhileGenerating(t *testing.T) {
	for range 20 {
		m, err := Open(modeltest.Write(t, modeltest.Spec{Tokenizer: true, Context: 4096}), Options{Threads: 3})
		if err != nil {
			t.Fatal(err)
		}
		began, end := make(chan struct{}), make(chan error)
		go func() {
			var last error
			first := true
			for _, err := range m.Generate(context.Background(), Request{IDs: []int32{1}, IgnoreEOS: true, MaxTokens: 4000}) {
				if first {
					close(began)
					first = false
				}
				last = err
			}
			end <- last
		}()
		<-began
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if err := <-end; !errors.Is(err, ErrClosed) {
			t.Errorf("a generation ended with %v", err)
		}
	}
}

// needFaultAddress skips where an emulator does not say which address faulted:
// Go then takes the fault for a nil pointer.
func needFaultAddress(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(path, make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := mmap.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b, err := m.Region(0, 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if _, ok := recover().(interface{ Addr() uintptr }); !ok {
			t.Skip("a fault carries no address here (an emulator)")
		}
	}()
	copy(make([]byte, 1), b)
}

// TestTruncated: a file that shrinks under a running model fails the request
// and nothing else.
func TestTruncated(t *testing.T) {
	needFaultAddress(t)
	path := modeltest.Write(t, modeltest.Spec{Tokenizer: true, Layers: 4, FFN: 1024, Hidden: 256})
	good := random(t, Options{})
	m := load(t, path, Options{Threads: 2})
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var err error
		for _, err = range m.Generate(context.Background(), Request{IDs: []int32{1, 2, 3}, MaxTokens: 5}) {
		}
		if err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("got %v", err)
		}
	}
	if ids, _, _ := collect(t, good, Request{IDs: []int32{1}, MaxTokens: 3, IgnoreEOS: true}); len(ids) != 3 {
		t.Errorf("the other model wrote %v", ids)
	}
}

// TestNoAllocation: a step allocates nothing, sampling included. With a
// tokenizer there is one allocation a token, the string of its text.
func TestNoAllocation(t *testing.T) {
	for _, withText := range []bool{false, true} {
		m := load(t, modeltest.Write(t, modeltest.Spec{Type: quant.Q8_0, Tokenizer: withText}), Options{Threads: 2})
		s, err := m.NewSeq(Request{IDs: []int32{1, 2}, IgnoreEOS: true, Sampling: sample.Options{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Release()
		one, limit := []*Seq{s}, 0.0
		if withText {
			limit = 1
		}
		step := func() {
			if err := m.Step(context.Background(), one); err != nil {
				t.Fatal(err)
			}
		}
		for range 200 {
			step()
		}
		if n := testing.AllocsPerRun(100, step); n > limit {
			t.Errorf("text %v: %v allocations a token, limit %v", withText, n, limit)
		}
	}
}

func TestConcurrent(t *testing.T) {
	m := random(t, Options{})
	r := Request{Prompt: "the cat", MaxTokens: 20, IgnoreEOS: true, Sampling: sample.Options{Temperature: 1, Seed: 5}}
	want, _, _ := collect(t, m, r)
	done := make(chan error)
	for range 4 {
		go func() {
			var ids []int32
			for tok, err := range m.Generate(context.Background(), r) {
				if err != nil {
					done <- err
					return
				}
				ids = append(ids, tok.ID)
			}
			if !slices.Equal(ids, want) {
				done <- fmt.Errorf("got %v, want %v", ids, want)
				return
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
