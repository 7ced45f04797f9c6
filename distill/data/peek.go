package data

import (
	"context"
	"errors"
	"time"

	"github.com/qwq-edge/qwq/distill"
)

// Peeked is what the beginning of files tells about all of them.
type Peeked struct {
	Tokens  float64 // of all documents, extrapolated where only a part was read
	Part    float64 // that was read, 0 to 1, of the bytes
	Seconds float64 // that reading and tokenizing all takes
	ids     []int32
	docs    []int32 // lengths
}

var errEnough = errors.New("enough")

// Peek reads documents of the files until they have limit tokens.
func Peek(ctx context.Context, o Options, limit int) (*Peeked, error) {
	o.Shards = 1
	j, err := newJob(o)
	if err != nil {
		return nil, err
	}
	p := &Peeked{}
	began := time.Now()
	whole := 0.0 // files that were read to their ends
	for _, name := range j.o.Files {
		part := 0.0
		err := read(ctx, name, reading{maxLine: j.o.MaxLine, separator: j.o.Separator, replace: j.o.ReplaceInvalid}, visit{
			want: func() bool { return true },
			part: func(done float64) { part = done },
			take: func(_ int, r *Record) error {
				d, err := j.enc.encode(r)
				if err != nil {
					return err
				}
				p.ids, p.docs = append(p.ids, d.ids...), append(p.docs, int32(len(d.ids)))
				if len(p.ids) >= limit {
					return errEnough
				}
				return nil
			},
		})
		if errors.Is(err, errEnough) {
			p.Part = part
			break
		}
		if err != nil {
			return nil, err
		}
		whole++
	}
	p.Part = (whole + p.Part) / float64(len(j.o.Files)) // files count alike
	p.Tokens = float64(len(p.ids)) / p.Part
	p.Seconds = time.Since(began).Seconds() / p.Part
	return p, nil
}

// Batch makes rows of the documents that were read, without those that are shorter
// than two ids; a document's end that does not fit is left out. It has fewer rows
// where there is less text, none where there is none.
func (p *Peeked) Batch(rows, length int) *distill.Batch {
	b := &distill.Batch{Length: length}
	at := 0
	for _, n := range p.docs {
		room := rows*length - len(b.IDs)
		ids := p.ids[at : at+int(n)]
		at += int(n)
		for len(ids) > 1 && room > 0 {
			k := min(len(ids), length-len(b.IDs)%length)
			for i, id := range ids[:k] {
				b.IDs = append(b.IDs, id)
				next := int32(-1)
				if i+1 < len(ids) {
					next = ids[i+1]
				}
				b.Next = append(b.Next, next)
			}
			b.Docs = append(b.Docs, int32(k))
			ids, room = ids[k:], room-k
		}
	}
	if over := len(b.IDs) % length; over > 0 && len(b.IDs) > length { // whole rows alone
		for over > 0 {
			last := int(b.Docs[len(b.Docs)-1])
			b.Docs, over = b.Docs[:len(b.Docs)-1], over-last
		}
		sum := 0
		for _, d := range b.Docs {
			sum += int(d)
		}
		b.IDs, b.Next = b.IDs[:sum], b.Next[:sum]
	} else if over > 0 {
		b.Docs = append(b.Docs, int32(length-over))
		for len(b.IDs) < length {
			b.IDs, b.Next = append(b.IDs, 0), append(b.Next, -1)
		}
	}
	b.Rows = len(b.IDs) / length
	return b
}
