package data

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/qwq-edge/qwq/internal/shard"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// Options say what to read and how to pack it. Files, Tokenizer, and Length are
// needed; every other field's zero value is its default.
type Options struct {
	Files     []string // in order: .txt .text .md .jsonl .ndjson, also .gz and .zst, .parquet
	Tokenizer *tokenizer.Tokenizer
	// TokenizerID names the tokenizer in the rows file; zero: hashed here.
	TokenizerID shard.Hash
	Length      int     // tokens of a row, 2 to 1<<20
	HeldOut     float64 // share of documents held out, 0 to below 1; chosen by their hash
	Loss        Loss    // of conversations; "": LossAnswers
	// Separator is the line between the documents of a text file; "": the text
	// <|endoftext|>.
	Separator      string
	MaxLine        int  // bytes of a line of JSON or a document of text; 0: 16 MiB
	ReplaceInvalid bool // bytes that are no UTF-8 become U+FFFD; else they are an error
	KeepDuplicates bool
	Shards         int // parts of the tokenizing; 0: 1
}

// Job tokenizes files and packs rows; its result is what Open reads. Part i
// tokenizes every document whose number in the files is i modulo the parts, so
// that the rows do not depend on the number of parts and one big file is shared
// out as well. Deduplication and packing are the reduction.
type Job struct {
	o   Options
	enc *encoder
	key shard.Hash
}

// formatVersion is part of every key: raise it when parts or rows change.
const formatVersion = 1

// NewJob checks the options and hashes the files, which must not change
// afterwards.
func NewJob(o Options) (*Job, error) {
	j, err := newJob(o)
	if err != nil {
		return nil, err
	}
	j.key, err = j.hash()
	return j, err
}

// newJob is NewJob without a look at the files.
func newJob(o Options) (*Job, error) {
	if o.Separator == "" {
		o.Separator = "<|endoftext|>"
	}
	if o.MaxLine == 0 {
		o.MaxLine = 16 << 20
	}
	if o.Shards == 0 {
		o.Shards = 1
	}
	if o.Loss == "" {
		o.Loss = LossAnswers
	}
	switch {
	case len(o.Files) == 0:
		return nil, errors.New("data: no files")
	case o.Tokenizer == nil:
		return nil, errors.New("data: no tokenizer")
	case o.Length < 2 || o.Length > maxLength:
		return nil, fmt.Errorf("data: rows of %d tokens are not between 2 and %d", o.Length, maxLength)
	case !(o.HeldOut >= 0 && o.HeldOut < 1):
		return nil, fmt.Errorf("data: a held-out share of %g is not from 0 to below 1", o.HeldOut)
	case o.MaxLine < 1 || o.MaxLine > 1<<30:
		return nil, fmt.Errorf("data: lines of %d bytes are not between 1 and %d", o.MaxLine, 1<<30)
	case o.Shards < 1:
		return nil, fmt.Errorf("data: %d parts", o.Shards)
	case o.Loss != LossAnswers && o.Loss != LossAll:
		return nil, fmt.Errorf("data: loss %q is not %q or %q", o.Loss, LossAnswers, LossAll)
	}
	if o.TokenizerID == (shard.Hash{}) {
		id, err := TokenizerID(o.Tokenizer)
		if err != nil {
			return nil, err
		}
		o.TokenizerID = id
	}
	enc, err := newEncoder(o.Tokenizer, o.Loss)
	if err != nil {
		return nil, err
	}
	return &Job{o: o, enc: enc}, nil
}

// TokenizerID is the SHA-256 of everything that decides a tokenizer's ids: the
// keys that hold it in a model file, chat template included.
func TokenizerID(t *tokenizer.Tokenizer) (shard.Hash, error) {
	kvs, err := t.KVs(t.Len())
	if err != nil {
		return shard.Hash{}, fmt.Errorf("data: %w", err)
	}
	h := sha256.New()
	for _, kv := range kvs {
		fmt.Fprintf(h, "%q %v", kv.Key, kv.Value.Type())
		if list, ok := kv.Value.Strs(); ok {
			fmt.Fprintf(h, "%q\n", list)
		} else if s, ok := kv.Value.Str(); ok {
			fmt.Fprintf(h, "%q\n", s)
		} else if b, err := kv.Value.MarshalJSON(); err != nil {
			return shard.Hash{}, fmt.Errorf("data: key %s: %w", kv.Key, err)
		} else {
			fmt.Fprintf(h, "%s\n", b)
		}
	}
	return shard.Hash(h.Sum(nil)), nil
}

func (j *Job) hash() (shard.Hash, error) {
	h := sha256.New()
	o := &j.o
	fmt.Fprintf(h, "rows %d %s %d %v %s %q %d %v %v %d\n", formatVersion, o.TokenizerID, o.Length,
		math.Float64bits(o.HeldOut), o.Loss, o.Separator, o.MaxLine, o.ReplaceInvalid, o.KeepDuplicates, o.Shards)
	for _, name := range o.Files {
		f, err := os.Open(name)
		if err != nil {
			return shard.Hash{}, err
		}
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			f.Close()
			return shard.Hash{}, fmt.Errorf("data: %s: not a regular file", name)
		}
		one := sha256.New()
		n, err := io.Copy(one, f)
		f.Close()
		if err != nil {
			return shard.Hash{}, err
		}
		fmt.Fprintf(h, "%d %x\n", n, one.Sum(nil))
	}
	return shard.Hash(h.Sum(nil)), nil
}

// Key implements shard.Job.
func (j *Job) Key() shard.Hash { return j.key }

// Shards implements shard.Job.
func (j *Job) Shards() int { return j.o.Shards }

// Run implements shard.Job: the documents of part i, each as
//
//	uvarint ids+1, hash [32]byte, the ids as uvarints, run lengths of unscored
//	and scored ids in turn (uvarint), which sum to ids
//
// and after the last a 0.
func (j *Job) Run(ctx context.Context, i int, w io.Writer) error {
	out := bufio.NewWriterSize(w, 256<<10)
	ordinal := -1
	var buf []byte
	v := visit{
		want: func() bool { ordinal++; return ordinal%j.o.Shards == i },
		take: func(_ int, r *Record) error {
			d, err := j.enc.encode(r)
			if err != nil {
				return err
			}
			buf = appendDocument(buf[:0], r.digest(), d)
			_, err = out.Write(buf)
			return err
		},
	}
	for _, name := range j.o.Files {
		err := read(ctx, name, reading{maxLine: j.o.MaxLine, separator: j.o.Separator, replace: j.o.ReplaceInvalid}, v)
		if err != nil {
			return err
		}
	}
	out.WriteByte(0)
	return out.Flush()
}

func appendDocument(b []byte, h shard.Hash, d *document) []byte {
	b = binary.AppendUvarint(b, uint64(len(d.ids))+1)
	b = append(b, h[:]...)
	for _, id := range d.ids {
		b = binary.AppendUvarint(b, uint64(id))
	}
	now, run := false, 0
	for _, s := range d.scored {
		if s != now {
			b = binary.AppendUvarint(b, uint64(run))
			now, run = s, 0
		}
		run++
	}
	return binary.AppendUvarint(b, uint64(run))
}

// readDocument is the reverse; io.EOF at the end mark. The parts are hashed, so
// what does not fit is a bug or a change behind our back.
func readDocument(r *bufio.Reader, d *document) (h shard.Hash, err error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return h, noEOF(err)
	}
	if n == 0 {
		return h, io.EOF
	}
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return h, noEOF(err)
	}
	n--
	d.ids, d.scored = d.ids[:0], d.scored[:0]
	for range n {
		id, err := binary.ReadUvarint(r)
		if err != nil {
			return h, noEOF(err)
		}
		if id > math.MaxInt32 {
			return h, fmt.Errorf("data: a part is malformed: id %d", id)
		}
		d.ids = append(d.ids, int32(id))
	}
	for now := false; ; now = !now {
		run, err := binary.ReadUvarint(r)
		if err != nil {
			return h, noEOF(err)
		}
		if run > n-uint64(len(d.scored)) {
			return h, fmt.Errorf("data: a part is malformed: run of %d ids of %d", run, n)
		}
		d.scored = append(d.scored, slices.Repeat([]bool{now}, int(run))...)
		if uint64(len(d.scored)) == n {
			return h, nil
		}
	}
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Reduce implements shard.Job: it takes the documents in the files' order, drops
// what it has seen, and packs the rest.
func (j *Job) Reduce(ctx context.Context, parts []io.Reader, w io.Writer) error {
	out, err := NewWriter(w, j.o.TokenizerID, j.o.Length, j.o.Tokenizer.Len(), max(j.o.Tokenizer.EOS(), 0))
	if err != nil {
		return err
	}
	rs := make([]*bufio.Reader, len(parts))
	for i, p := range parts {
		rs[i] = bufio.NewReaderSize(p, 16<<10)
	}
	seen := map[[16]byte]struct{}{}
	var d document
	for i := 0; ; i = (i + 1) % len(rs) {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := readDocument(rs[i], &d)
		if errors.Is(err, io.EOF) { // documents go round in turn: the first part that ends has the number after the last
			break
		}
		if err != nil {
			return err
		}
		if _, dup := seen[[16]byte(h[:16])]; dup && !j.o.KeepDuplicates {
			out.stats.Duplicates++
			continue
		}
		if !j.o.KeepDuplicates {
			seen[[16]byte(h[:16])] = struct{}{}
		}
		split := Train
		if float64(binary.LittleEndian.Uint64(h[16:])>>11)/(1<<53) < j.o.HeldOut {
			split = HeldOut
		}
		if err := out.Add(split, d.ids, d.scored); err != nil {
			return err
		}
	}
	return out.Close()
}
