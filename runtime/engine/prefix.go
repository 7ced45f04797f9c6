package engine

import (
	"fmt"
	"io"
	"slices"

	"github.com/qwq-edge/qwq/runtime/kvcache"
)

// Prefix is the KV cache of a sequence's first tokens, held apart from the sequence,
// whose pages it shares. It may be used while the sequence is stepped. Release must be
// called.
type Prefix struct {
	ids []int32
	kv  *kvcache.Seq
}

// Prefix holds the KV cache of the first n tokens, or of as many as are read. It is
// called between steps.
func (s *Seq) Prefix(n int) *Prefix {
	n = min(n, s.kv.Len())
	p := &Prefix{ids: slices.Clone(s.ids[:n]), kv: s.kv.Fork()}
	p.kv.Truncate(n)
	return p
}

// IDs are the tokens; they must not be changed.
func (p *Prefix) IDs() []int32 { return p.ids }

// Size is how many bytes Save writes.
func (p *Prefix) Size() int64 { return p.kv.SaveSize() }

// Save writes the KV cache for Restore.
func (p *Prefix) Save(w io.Writer) error { return p.kv.Save(w) }

// Release gives the pages back. It is idempotent.
func (p *Prefix) Release() { p.kv.Release() }

// Restore reads the KV cache of the first n tokens that Prefix.Save wrote for a sequence
// with the same ones, in place of what the sequence has read itself: the caller knows
// that they are the same, and that the model is. What is generated then has the bits that
// it would have. Other sequences may be stepped meanwhile. After an error nothing is read.
func (s *Seq) Restore(r io.Reader, n int) error {
	n = min(n, len(s.ids)-1)
	if err := s.kv.LoadPrefix(r, n); err != nil {
		return fmt.Errorf("engine: restore %d tokens: %w", n, err)
	}
	s.t.CachedTokens = max(s.t.CachedTokens, min(s.kv.Len(), s.prompt-1))
	return nil
}
