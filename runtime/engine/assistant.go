package engine

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/kvcache"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/sample"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// Assistant is a small model that guesses for a larger one with the same vocabulary, its
// distilled student for example. Its methods may be called concurrently. The small model
// stays the caller's, and must not be closed before the sequences that it guesses for have
// been released.
type Assistant struct {
	m *Model

	mu   sync.Mutex
	kept []*drafting // of sequences that have ended, the oldest first
}

// mostKept is how many KV caches an Assistant keeps for prompts that begin alike.
const mostKept = 4

// NewAssistant makes small an assistant of large. Other tokens are an error that names
// the first one.
func NewAssistant(large, small *Model) (*Assistant, error) {
	if large.info.Encoder || small.info.Encoder {
		return nil, fmt.Errorf("engine: draft model: %w", ErrEncoder)
	}
	if large == small {
		return nil, fmt.Errorf("engine: a model cannot draft for itself")
	}
	if err := sameVocabulary(large, small); err != nil {
		return nil, fmt.Errorf("engine: draft model: %w", err)
	}
	return &Assistant{m: small}, nil
}

func sameVocabulary(large, small *Model) error {
	a, b := large.tok, small.tok
	switch {
	case (a == nil) != (b == nil):
		return fmt.Errorf("only one of the two models has a tokenizer")
	case a == nil && large.Vocabulary() != small.Vocabulary():
		return fmt.Errorf("its vocabulary has %d ids, the model's %d", small.Vocabulary(), large.Vocabulary())
	case a == nil:
		return nil
	}
	padding := func(t *tokenizer.Tokenizer, from int) bool { // ids that spell nothing
		for id := from; id < t.Len(); id++ {
			if len(t.Token(int32(id))) > 0 {
				return false
			}
		}
		return true
	}
	n := min(a.Len(), b.Len())
	for id := range int32(n) {
		if x, y := a.Token(id), b.Token(id); !bytes.Equal(x, y) {
			return fmt.Errorf("its token %d is %.40q, the model's %.40q", id, y, x)
		}
	}
	if !padding(a, n) || !padding(b, n) {
		return fmt.Errorf("its tokenizer has %d tokens, the model's %d", b.Len(), a.Len())
	}
	return nil
}

// Drafter guesses for one sequence. It draws as the sequence's own sampler would, with the
// same random numbers, so that both models choose alike where they think alike.
func (a *Assistant) Drafter() Drafter {
	return &drafting{a: a, pace: pace{right: 0.7}}
}

// Close gives the kept KV caches back.
func (a *Assistant) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.dropKept() {
	}
}

func (a *Assistant) dropKept() bool {
	if len(a.kept) == 0 {
		return false
	}
	a.kept[0].kv.Release()
	a.kept = slices.Delete(a.kept, 0, 1)
	return true
}

// drafting is a Drafter of an Assistant.
type drafting struct {
	a       *Assistant
	sampler sample.Sampler // follows the sequence's
	kv      *kvcache.Seq   // nil: nothing is read
	ids     []int32        // that are in it
	batch   model.Batch
	rows    [1]int32
	pace
}

// Draft implements Drafter. Where the small model is behind, as after a long prompt, it
// reads a chunk and guesses nothing.
func (d *drafting) Draft(dst, ids []int32, n int) []int32 {
	m := d.a.m
	n = min(n, m.context-len(ids))
	if n <= 0 {
		return dst
	}
	d.begin(ids)
	if len(ids)-len(d.ids) > m.chunk {
		d.alone = false                                 // this step is not one without guesses
		d.read(ids[len(d.ids):len(d.ids)+m.chunk], nil) //nolint:errcheck // it is tried again with the rest
		return dst
	}
	began, guesses := time.Now(), 0
	n = min(n, d.want(began))
	next := ids[len(d.ids):]
	for ; guesses < n; guesses++ {
		id := int32(-1)
		err := d.read(next, func(logits []float32) { id = d.sampler.Next(logits, nil).ID })
		if err != nil || id < 0 {
			break
		}
		d.sampler.Accept(id)
		dst = append(dst, id)
		next = dst[len(dst)-1:]
	}
	if guesses > 0 {
		d.drafted(time.Since(began)/time.Duration(guesses), time.Now())
	}
	return dst
}

// Learn implements Drafter.
func (d *drafting) Learn(proposed, accepted int) { d.learn(proposed, accepted, time.Now()) }

// begin makes the KV cache one of the beginning of ids.
func (d *drafting) begin(ids []int32) {
	if d.kv == nil {
		d.a.mu.Lock()
		best := 0
		for _, k := range d.a.kept {
			if n := min(commonPrefix(k.ids, ids), len(ids)-1); n >= kvcache.PagePositions && n > best {
				if d.kv != nil {
					d.kv.Release()
				}
				best, d.kv = n, k.kv.Fork()
				d.ids = append(d.ids[:0], k.ids...)
			}
		}
		d.a.mu.Unlock()
		if d.kv == nil {
			d.kv, d.ids = d.a.m.cache.New(), d.ids[:0]
		}
	}
	n := min(commonPrefix(d.ids, ids), len(ids)-1)
	d.kv.Truncate(n)
	d.ids = d.ids[:n]
}

// read reads ids, and gives the logits after the last one.
func (d *drafting) read(ids []int32, use func(logits []float32)) error {
	m := d.a.m
	for _, id := range ids {
		if int(id) >= m.info.Vocabulary {
			return fmt.Errorf("engine: id %d is padding that the draft model does not have", id)
		}
	}
	b := &d.batch
	b.IDs = append(b.IDs[:0], ids...)
	b.Seqs = append(b.Seqs[:0], model.Span{KV: d.kv, Start: d.kv.Len(), N: len(ids), Causal: true})
	b.Rows, b.Want = d.rows[:0], backend.Logits
	if use != nil {
		d.rows[0] = int32(len(ids) - 1)
		b.Rows = d.rows[:1]
	}
	run := func() error {
		return m.run(b, func(out []backend.Tensor) error {
			if use == nil {
				return nil
			}
			logits, err := m.dev.Host(out[0])
			if err == nil {
				use(logits[:out[0].Cols])
			}
			return err
		})
	}
	err := run()
	for err != nil && d.makeRoom() {
		err = run()
	}
	if err == nil {
		d.ids = append(d.ids, ids...)
	}
	return err
}

// makeRoom gives up a kept KV cache; false: there is none.
func (d *drafting) makeRoom() bool {
	d.a.mu.Lock()
	defer d.a.mu.Unlock()
	return d.a.dropKept()
}

// Release gives the KV cache to the assistant, for prompts that begin alike.
func (d *drafting) Release() {
	if d.kv == nil {
		return
	}
	d.a.mu.Lock()
	defer d.a.mu.Unlock()
	d.a.kept = append(d.a.kept, &drafting{kv: d.kv, ids: d.ids})
	d.kv, d.ids = nil, nil
	for len(d.a.kept) > mostKept {
		d.a.dropKept()
	}
}
