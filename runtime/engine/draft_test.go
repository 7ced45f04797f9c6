package engine

import (
	"context"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
	"github.com/qwq-edge/qwq/runtime/sample"
)

// oracle guesses from a known continuation, wrong at every wrong-th token.
type oracle struct {
	truth              []int32
	n, wrong           int
	proposed, accepted int
}

func (o *oracle) Draft(dst, ids []int32, n int) []int32 {
	for i := len(ids); i < len(o.truth) && i < len(ids)+min(n, o.n); i++ {
		id := o.truth[i]
		if o.wrong > 0 && i%o.wrong == 0 {
			id ^= 1
		}
		dst = append(dst, id)
	}
	return dst
}

func (o *oracle) Learn(proposed, accepted int) {
	o.proposed += proposed
	o.accepted += accepted
}

// TestDraft: whatever is guessed, the tokens, their texts and log-probabilities are
// those of a sequence without guesses, also beside others.
func TestDraft(t *testing.T) {
	path := modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Tokenizer: true, Context: 512})
	m := load(t, path, Options{Threads: 2})
	prompt := []int32{5, 6, 7, 8, 9, 5, 6, 7}
	for name, s := range map[string]sample.Options{
		"greedy":  {},
		"sampled": {Temperature: 0.9, TopK: 30, Seed: 3, RepeatPenalty: 1.1, Logprobs: 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := Request{IDs: prompt, MaxTokens: 150, Sampling: s, IgnoreEOS: true}
			whole := func(r Request, beside ...*Seq) (ids []int32, tokens []Token) {
				seq, err := m.NewSeq(r)
				if err != nil {
					t.Fatal(err)
				}
				defer seq.Release()
				for seq.Finish() == "" {
					if err := m.Step(context.Background(), append(beside, seq)); err != nil {
						t.Fatal(err)
					}
					for _, tok := range seq.Tokens() {
						tok.Top = slices.Clone(tok.Top)
						tokens = append(tokens, tok)
					}
				}
				return slices.Clone(seq.IDs()), tokens
			}
			want, tokens := whole(r)
			check := func(name string, d Drafter, beside ...*Seq) {
				t.Helper()
				r.Draft = d
				got, toks := whole(r, beside...)
				if !slices.Equal(got, want) {
					t.Fatalf("%s: ids %v\nwant %v", name, got, want)
				}
				for i, tok := range toks {
					w := tokens[i]
					if tok.Text != w.Text || tok.Logprob != w.Logprob || !slices.Equal(tok.Top, w.Top) || tok.Finish != w.Finish {
						t.Fatalf("%s: token %d is %+v, want %+v", name, i, tok, w)
					}
				}
			}
			for _, o := range []*oracle{{n: 1}, {n: 7}, {n: 32}, {n: 5, wrong: 3}, {n: 4, wrong: 1}} {
				o.truth = want
				check("oracle", o)
				if o.wrong == 0 && (o.accepted == 0 || o.accepted != o.proposed) {
					t.Errorf("%d of %d right guesses were kept", o.accepted, o.proposed)
				}
				if o.wrong == 1 && o.accepted != 0 {
					t.Errorf("%d wrong guesses were kept", o.accepted)
				}
			}
			check("lookup", &Lookup{})
			other, err := m.NewSeq(Request{IDs: []int32{9, 8, 7}, IgnoreEOS: true})
			if err != nil {
				t.Fatal(err)
			}
			defer other.Release()
			check("beside another", &oracle{truth: want, n: 6, wrong: 4}, other)
		})
	}
}

// TestDraftBounds: guesses that are no ids of the model, or too many, are left out.
func TestDraftBounds(t *testing.T) {
	m := load(t, modeltest.Write(t, modeltest.Spec{Tokenizer: true, Context: 64}), Options{Threads: 1})
	want := run(t, m, Request{IDs: []int32{5, 6}, IgnoreEOS: true})
	for _, bad := range []int32{-1, 1 << 20} {
		if got := run(t, m, Request{IDs: []int32{5, 6}, IgnoreEOS: true, Draft: rude(bad)}); !slices.Equal(got, want) {
			t.Errorf("guess %d: %v, want %v", bad, got, want)
		}
	}
}

func run(t *testing.T, m *Model, r Request) (ids []int32) {
	t.Helper()
	for tok, err := range m.Generate(context.Background(), r) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, tok.ID)
	}
	return ids
}

// rude proposes more than it is asked for, with a bad id among them.
type rude int32

func (r rude) Draft(dst, ids []int32, n int) []int32 {
	for range n + 3 {
		dst = append(dst, ids[len(ids)-1])
	}
	return append(dst[:len(dst)/2], int32(r))
}

func (rude) Learn(int, int) {}

// TestLookup: what stood before is proposed again.
func TestLookup(t *testing.T) {
	var l Lookup
	if got := l.Draft(nil, []int32{1, 2, 3, 4, 5, 9, 1, 2, 3}, 8); !slices.Equal(got, []int32{4, 5, 9}) {
		t.Errorf("proposed %v, want 4 5 9", got)
	}
	if got := l.Draft(nil, []int32{1, 2, 3, 4, 5, 6}, 8); len(got) != 0 {
		t.Errorf("proposed %v where nothing repeats", got)
	}
	if got := l.Draft(nil, []int32{7}, 8); len(got) != 0 {
		t.Errorf("proposed %v after one id", got)
	}
	l.Learn(3, 3)
	if got := l.Draft(nil, []int32{1, 2, 3, 4, 5, 6, 7, 8, 1, 2}, 8); len(got) != 5 {
		t.Errorf("%d proposals after right ones, want 5", len(got))
	}
	l.Learn(5, 0)
	l.Learn(1, 0)
	if got := l.Draft(nil, []int32{1, 2, 3, 1, 2}, 8); len(got) != 0 {
		t.Errorf("proposed %v after wrong guesses", got)
	}
}

// TestEvict: a sequence that lost its KV cache goes on with the same tokens.
func TestEvict(t *testing.T) {
	m := load(t, modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q4_0, Tokenizer: true, Context: 256}), Options{Threads: 2})
	r := Request{IDs: []int32{5, 6, 7}, MaxTokens: 100, IgnoreEOS: true, Sampling: sample.Options{Temperature: 1, Seed: 4}}
	want := run(t, m, r)
	s, err := m.NewSeq(r)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	for evicted := 0; s.Finish() == ""; {
		if n := len(s.IDs()); n%17 == 9 && n > evicted {
			evicted = n
			s.Evict()
			if used, _ := m.Pages(); used != 0 {
				t.Fatalf("%d pages are used after Evict", used)
			}
		}
		if err := m.StepN(context.Background(), []*Seq{s}, 5); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.IDs()[3:]; !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
