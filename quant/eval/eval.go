// Package eval measures a language model on a text: perplexity, and against a
// reference model the Kullback-Leibler divergence and how often both prefer
// the same token. It knows nothing of engines: a Scorer gives logits. All sums
// are float64.
//
//	r, err := eval.Run(ctx, model, nil, ids, eval.Options{Context: 512, BOS: 1})
//	fmt.Println(r.Perplexity())
package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Scorer computes the logits of every position of ids and calls each with them
// in order; logits: [vocabulary], valid during the call. An error of each ends
// it and is returned.
type Scorer interface {
	Logits(ctx context.Context, ids []int32, each func(pos int, logits []float32) error) error
}

// Method is which tokens of a window are scored.
type Method string

// The methods.
const (
	// Stride scores every token that no window before has scored.
	Stride Method = ""
	// LlamaCPP scores the second half of each whole window, as llama-perplexity
	// does; windows do not overlap, and where there is a BOS it replaces each
	// window's first token.
	LlamaCPP Method = "llama.cpp"
)

// Options chooses the windows.
type Options struct {
	Context int   // tokens of a window, BOS included; at least 2
	Stride  int   // from one window to the next; 0 or more than a window's text: all of it
	BOS     int32 // put first in each window; negative: none
	Method  Method
	// Progress is called after each window with the tokens scored so far and the
	// sum of their negative log likelihoods; may be nil.
	Progress func(window, windows, tokens int, nll float64)
}

// Result is what a text measured.
type Result struct {
	Tokens int     // scored
	NLL    float64 // mean negative log likelihood, nats per token
	// The rest is 0 without a reference.
	KLMean, KLMedian, KL999 float64 // KL(reference ‖ model), nats: mean, median, 99.9th percentile
	Top1                    float64 // share of positions where both prefer the same token
}

// Perplexity is e^NLL.
func (r Result) Perplexity() float64 { return math.Exp(r.NLL) }

// window is ids of one forward pass; positions from first on predict scored
// tokens: position i predicts ids[i+1].
type window struct {
	ids   []int32
	first int
}

// windows cuts the text.
func (o Options) windows(ids []int32) ([]window, error) {
	switch {
	case o.Context < 2:
		return nil, fmt.Errorf("eval: window of %d tokens", o.Context)
	case o.Stride < 0:
		return nil, fmt.Errorf("eval: stride %d", o.Stride)
	case o.Method != Stride && o.Method != LlamaCPP:
		return nil, fmt.Errorf("eval: method %q is not %q", o.Method, LlamaCPP)
	}
	var w []window
	if o.Method == LlamaCPP {
		w = o.halves(ids)
	} else {
		w = o.strides(ids)
	}
	if len(w) == 0 {
		return nil, fmt.Errorf("eval: text of %d tokens is too short for windows of %d", len(ids), o.Context)
	}
	return w, nil
}

func (o Options) halves(ids []int32) (w []window) {
	for at := 0; at+o.Context <= len(ids); at += o.Context {
		part := ids[at : at+o.Context]
		if o.BOS >= 0 {
			part = append([]int32{o.BOS}, part[1:]...)
		}
		w = append(w, window{part, o.Context / 2})
	}
	return w
}

func (o Options) strides(ids []int32) (w []window) {
	body, bos := o.Context, 0
	if o.BOS >= 0 {
		body, bos = o.Context-1, 1
	}
	stride := o.Stride
	if stride == 0 || stride > body {
		stride = body
	}
	done := 0 // tokens of the text that were scored, or cannot be
	for at := 0; done < len(ids); at += stride {
		end := min(at+body, len(ids))
		part := ids[at:end]
		if bos == 1 {
			part = append([]int32{o.BOS}, part...)
		}
		// Token t of the text is predicted at position t-at+bos-1 of the window.
		first := max(done-at+bos-1, 0)
		if first < len(part)-1 {
			w = append(w, window{part, first})
		}
		done = end
	}
	return w
}

// Run measures s on a text, against ref unless that is nil.
func Run(ctx context.Context, s, ref Scorer, ids []int32, o Options) (Result, error) {
	ws, err := o.windows(ids)
	if err != nil {
		return Result{}, err
	}
	var m meter
	for i, w := range ws {
		if err := m.window(ctx, s, ref, w); err != nil {
			return Result{}, err
		}
		if o.Progress != nil {
			o.Progress(i+1, len(ws), m.tokens, m.nll)
		}
	}
	return m.result(ref != nil), nil
}

// meter adds up.
type meter struct {
	tokens, agree int
	nll           float64
	kl            []float64
}

var errStop = errors.New("eval: stop")

func (m *meter) window(ctx context.Context, s, ref Scorer, w window) error {
	next := func() ([]float32, error) { return nil, nil }
	if ref != nil {
		var stop func()
		next, stop = pull(ctx, ref, w)
		defer stop()
	}
	seen := 0
	err := s.Logits(ctx, w.ids[:len(w.ids)-1], func(pos int, logits []float32) error {
		if pos < w.first {
			return nil
		}
		want, err := next()
		if err != nil {
			return err
		}
		seen++
		return m.score(logits, want, w.ids[pos+1])
	})
	if err == nil && seen != len(w.ids)-1-w.first {
		err = fmt.Errorf("eval: %d positions scored, want %d", seen, len(w.ids)-1-w.first)
	}
	return err
}

// score adds one position; want is the reference's logits or nil.
func (m *meter) score(logits, want []float32, id int32) error {
	if int(id) >= len(logits) || id < 0 {
		return fmt.Errorf("eval: id %d is not in 0 to %d", id, len(logits)-1)
	}
	norm, top := logSum(logits)
	m.tokens++
	m.nll += norm - float64(logits[id])
	if want == nil {
		return nil
	}
	if len(want) != len(logits) {
		return fmt.Errorf("eval: the reference has %d logits, the model %d", len(want), len(logits))
	}
	wantNorm, wantTop := logSum(want)
	if top == wantTop {
		m.agree++
	}
	var kl float64
	for i, x := range want {
		p := float64(x) - wantNorm
		kl += math.Exp(p) * (p - (float64(logits[i]) - norm))
	}
	m.kl = append(m.kl, max(kl, 0)) // rounding can make it -1e-17
	return nil
}

// logSum returns ln Σ e^x and the lowest index of the largest x.
func logSum(x []float32) (norm float64, top int) {
	for i := range x {
		if x[i] > x[top] {
			top = i
		}
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v) - float64(x[top]))
	}
	return float64(x[top]) + math.Log(sum), top
}

func (m *meter) result(ref bool) Result {
	r := Result{Tokens: m.tokens, NLL: m.nll / float64(m.tokens)}
	if !ref {
		return r
	}
	var sum float64
	for _, k := range m.kl {
		sum += k
	}
	slices.Sort(m.kl)
	r.KLMean = sum / float64(len(m.kl))
	r.KLMedian, r.KL999 = quantile(m.kl, 0.5), quantile(m.kl, 0.999)
	r.Top1 = float64(m.agree) / float64(m.tokens)
	return r
}

// quantile interpolates in sorted values.
func quantile(x []float64, q float64) float64 {
	at := q * float64(len(x)-1)
	i := int(at)
	if i+1 >= len(x) {
		return x[len(x)-1]
	}
	return x[i] + (at-float64(i))*(x[i+1]-x[i])
}
