package pipeline

import (
	"context"
	"os"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/teacher"
)

// scorer is the teacher, in a file or served.
type scorer struct {
	distill.Teacher
	kernel string // rung of its kernels; "": not ours
	vocab  int    // its own ids
	close  func()
}

// openScorer opens the teacher for students of the ids v. targets: of a sparse one
// every position's own target is known too.
func (p *Pipeline) openScorer(ctx context.Context, v distill.Vocab, targets bool) (*scorer, error) {
	var x planned
	if err := p.result("plan", &x); err != nil {
		return nil, err
	}
	if p.r.Teacher.Served() {
		o := p.httpOptions(x.Vocab)
		o.Student, o.Targets = v, targets
		h, err := teacher.Dial(ctx, o)
		if err != nil {
			return nil, err
		}
		return &scorer{h, "", x.Vocab, func() {}}, nil
	}
	e, err := teacher.Open(p.teacherPath(x), teacher.Options{Threads: p.r.Threads, Vocab: v})
	if err != nil {
		return nil, err
	}
	return &scorer{e, e.Kernel(), e.Vocabulary(), func() { e.Close() }}, nil
}

// httpOptions are a served teacher's.
func (p *Pipeline) httpOptions(vocab int) teacher.HTTPOptions {
	t := p.r.Teacher
	o := teacher.HTTPOptions{URL: t.URL, Model: t.Model, Vocab: vocab, Revision: t.Revision, K: min(p.r.Cache.K, vocab), Temps: p.r.Cache.Temps}
	if t.KeyEnv != "" {
		o.Key = os.Getenv(t.KeyEnv)
	}
	return o
}

// openEngine opens a teacher in a file, which can write too.
func (p *Pipeline) openEngine() (*teacher.Engine, error) {
	var x planned
	if err := p.result("plan", &x); err != nil {
		return nil, err
	}
	return teacher.Open(p.teacherPath(x), teacher.Options{Threads: p.r.Threads})
}
