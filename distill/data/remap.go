package data

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/qwq-edge/qwq/internal/shard"
)

// Remap is the job that writes the same rows with other ids. It is for text that was
// sampled with one vocabulary and is read with a part of it.
type Remap struct {
	Rows      *Rows
	To        []int32    // new id of each old one, -1: none, an error where a row has it
	Vocab     int        // the new ids are below it
	Tokenizer shard.Hash // of the new ids
}

// Key implements shard.Job.
func (m Remap) Key() shard.Hash {
	return sha256.Sum256(fmt.Appendf(nil, "remap %d %s %s %d %v", formatVersion, m.Rows.content, m.Tokenizer, m.Vocab, m.To))
}

// Shards implements shard.Job.
func (Remap) Shards() int { return 1 }

// Run implements shard.Job.
func (m Remap) Run(_ context.Context, _ int, w io.Writer) (err error) {
	defer guard(debug.SetPanicOnFault(true), &err)
	r := m.Rows
	p, err := NewWriter(w, m.Tokenizer, r.Length, m.Vocab, 0)
	if err != nil {
		return err
	}
	n := r.idBytes * (r.Length + 1)
	for at := 0; at < len(r.data); at += r.stride {
		row := r.data[at : at+r.stride]
		b := make([]byte, 0, p.idBytes*(r.Length+1)+r.stride-n)
		for i := range r.Length + 1 {
			id := r.id(row, i)
			if id >= 0 {
				if int(id) >= len(m.To) || m.To[id] < 0 || int(m.To[id]) >= m.Vocab {
					return fmt.Errorf("data: row %d: id %d at %d has no new one below %d", at/r.stride, id, i, m.Vocab)
				}
				id = m.To[id]
			}
			b = p.appendID(b, id)
		}
		if _, err := p.w.Write(append(b, row[n:]...)); err != nil {
			return err
		}
		p.rows++
	}
	p.held, p.stats = r.split[HeldOut], r.Stats
	return p.Close()
}

// Reduce implements shard.Job.
func (Remap) Reduce(_ context.Context, parts []io.Reader, w io.Writer) error {
	_, err := io.Copy(w, parts[0])
	return err
}
