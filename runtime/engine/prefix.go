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
func (p *Prefix) Size(from int) int64 { return p.kv.SaveSize(from) }

// Save writes the KV cache of the tokens from a number on, a multiple of
// kvcache.PagePositions, for Restore.
func (p *Prefix) Save(w io.Writer, from int) error { return p.kv.SaveFrom(w, from) }

// Release gives the pages back. It is idempotent.
func (p *Prefix) Release() { p.kv.Release() }

// Restore reads the KV cache of tokens up to the n-th that Prefix.Save wrote for a
// sequence with the same ones, in place of what the sequence has read of them: the caller
// knows that they are the same, and that the model is. The ones before must be read. What
// is generated then has the bits that it would have. Other sequences may be stepped
// meanwhile. After an error only what was before them is read.
func (s *Seq) Restore(r io.Reader, n int) error {
	n = min(n, len(s.ids)-1)
	err := s.kv.Append(r, n)
	s.t.CachedTokens = min(s.kv.Len(), s.prompt-1)
	if err != nil {
		return fmt.Errorf("engine: restore %d tokens: %w", n, err)
	}
	return nil
}
