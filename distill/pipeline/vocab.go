package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/cache"
	"github.com/qwq-edge/qwq/distill/data"
	"github.com/qwq-edge/qwq/distill/student"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/shard"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

const (
	vocabFile   = "data/vocab.gguf"   // a trimmed vocabulary: tokenizer keys and keyIDs
	teacherRows = "data/teacher-rows" // in the teacher's ids, where the student's are others
	keyIDs      = "qwq.distill.teacher_ids"
)

// trim decides the student's vocabulary by the ids of rows, and writes it.
func (p *Pipeline) trim(tok *tokenizer.Tokenizer, rows *data.Rows, vocab int) (*student.Trimmed, error) {
	v := rows.View(data.Train)
	index := make([]int, v.Rows())
	for i := range index {
		index[i] = i
	}
	counts, err := student.CountIDs(v, index, vocab)
	if err != nil {
		return nil, err
	}
	t, err := student.Trim(tok, counts, p.r.Student.Vocab)
	if err != nil {
		return nil, p.r.Errorf("student.vocab", "%s", err)
	}
	all, kept := int64(0), int64(0)
	for _, n := range counts {
		all += n
	}
	ids := make([]uint32, len(t.IDs))
	for i, id := range t.IDs {
		ids[i] = uint32(id)
		kept += counts[id]
	}
	p.o.Note(fmt.Sprintf("vocabulary: %d of the teacher's %d ids, which are %.2f %% of the text", len(ids), vocab, 100*float64(kept)/float64(max(all, 1))))
	w, err := gguf.Create(p.path(vocabFile), gguf.Layout{KVs: append([]gguf.KV{{Key: keyIDs, Value: gguf.Uint32s(ids)}}, t.Keys...)}, true)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	return t, w.Commit()
}

// trimmed reads the vocabulary that trim wrote; nil: the student has the teacher's.
func (p *Pipeline) trimmed() (*student.Trimmed, error) {
	if p.r.Student.Vocab == 0 {
		return nil, nil
	}
	b, err := os.ReadFile(p.path(vocabFile)) // not mapped: the keys outlive the file
	if err != nil {
		return nil, err
	}
	f, err := gguf.Parse(b)
	if err != nil {
		return nil, err
	}
	ids, ok := f.Ints(keyIDs)
	if !ok {
		return nil, f.Errorf(keyIDs, "missing")
	}
	t := &student.Trimmed{}
	for _, id := range ids {
		t.IDs = append(t.IDs, int32(id))
	}
	for _, kv := range f.KVs() {
		if student.IsTokenizerKey(kv.Key) {
			t.Keys = append(t.Keys, kv)
		}
	}
	return t, nil
}

// vocab relates the student's ids to the teacher's.
func (p *Pipeline) vocab() (distill.Vocab, error) {
	t, err := p.trimmed()
	if err != nil {
		return distill.Vocab{}, err
	}
	if t != nil {
		return t.Vocab(), nil
	}
	var x planned
	if err := p.result("plan", &x); err != nil {
		return distill.Vocab{}, err
	}
	if x.To.Vocab != x.Vocab { // of the same tokenizer, padded to another number
		return distill.Vocab{Size: x.To.Vocab}, nil
	}
	return distill.Vocab{}, nil
}

// tokenizer is the teacher's.
func (p *Pipeline) tokenizer() (*tokenizer.Tokenizer, error) {
	if p.r.Teacher.Served() {
		return tokenizer.Load(p.at(p.r.Teacher.Tokenizer))
	}
	var x planned
	if err := p.result("plan", &x); err != nil {
		return nil, err
	}
	return p.tokenizerAt(x)
}

// tokenizerAt is the teacher's, of a plan that is being made.
func (p *Pipeline) tokenizerAt(x planned) (*tokenizer.Tokenizer, error) {
	if p.r.Teacher.Served() {
		return p.tokenizer()
	}
	return tokenizer.Load(p.teacherPath(x))
}

// ownTokenizer is the student's, in whose ids the rows are.
func (p *Pipeline) ownTokenizer() (*tokenizer.Tokenizer, error) {
	if p.r.Student.Vocab > 0 {
		return tokenizer.Load(p.path(vocabFile))
	}
	return p.tokenizer()
}

// tokenizerKeys are the tokenizer's for a student with rows ids.
func (p *Pipeline) tokenizerKeys(rows int, trim *student.Trimmed) ([]gguf.KV, error) {
	if trim != nil {
		return trim.Keys, nil
	}
	tok, err := p.tokenizer()
	if err != nil {
		return nil, err
	}
	return tok.KVs(rows)
}

// remap writes the rows that were sampled in the teacher's ids in the student's.
func (p *Pipeline) remap(ctx context.Context, rows *data.Rows, t *student.Trimmed) error {
	own, err := p.ownTokenizer()
	if err != nil {
		return err
	}
	id, err := data.TokenizerID(own)
	if err != nil {
		return err
	}
	to := make([]int32, rows.Vocab)
	for i := range to {
		to[i] = -1
	}
	for s, id := range t.IDs {
		to[id] = int32(s)
	}
	err = shard.Run(ctx, p.path(rowsFile), data.Remap{Rows: rows, To: to, Vocab: len(t.IDs), Tokenizer: id}, shard.Selection{}, shard.Options{})
	if err != nil {
		return fmt.Errorf("%w: the sampled text keeps its ids, so all of them must be in the student's vocabulary: raise student.vocab", err)
	}
	return nil
}

// dropTeacherRows removes what only the choice of a vocabulary needed.
func (p *Pipeline) dropTeacherRows() error {
	for _, f := range []string{teacherRows, shard.PartPath(teacherRows, 0, 1)} {
		if err := os.Remove(p.path(f)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// inTeacher is rows of a trimmed vocabulary in the teacher's ids.
type inTeacher struct {
	cache.Source
	ids []int32 // the teacher's id of each of the rows'
}

// asTeacher is v in the ids that trim was cut from; nil: as it is.
func asTeacher(v cache.Source, trim *student.Trimmed) cache.Source {
	if trim == nil {
		return v
	}
	return inTeacher{v, trim.IDs}
}

// ID implements cache.Source.
func (s inTeacher) ID() distill.Hash {
	h := sha256.New()
	id := s.Source.ID()
	h.Write(id[:])
	_ = binary.Write(h, binary.LittleEndian, s.ids)
	return distill.Hash(h.Sum(nil))
}

// Batch implements cache.Source.
func (s inTeacher) Batch(index []int, b *distill.Batch) error {
	if err := s.Source.Batch(index, b); err != nil {
		return err
	}
	for _, x := range [][]int32{b.IDs, b.Next} {
		for i, id := range x {
			if int(id) >= len(s.ids) {
				return fmt.Errorf("id %d of the rows, the student's vocabulary has %d", id, len(s.ids))
			}
			if id >= 0 {
				x[i] = s.ids[id]
			}
		}
	}
	return nil
}
