package pipeline

import (
	"context"

	"github.com/qwq-edge/qwq/distill/student"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// fits refuses a training that is larger than the machine, or than the control group
// that it runs in, before any work. What other processes use now does not count: it
// may be free when the training begins.
func (p *Pipeline) fits(ctx context.Context, x planned) error {
	host := p.host()
	most := host.Total
	if host.Limit > 0 && (most == 0 || host.Limit < most) {
		most = host.Limit
	}
	if most == 0 {
		return nil
	}
	// What cannot be less: numbers of the student, and where all of them learn their
	// gradients and Adam's two moments. A larger one's file is not even written.
	need := 16 * int64(x.Params)
	if p.r.Train.LoRA != nil || len(p.r.Train.Freeze) > 0 {
		need = 4 * int64(x.Params)
	} else if need <= int64(most) {
		m, err := p.trainingMemory(ctx, x)
		if err != nil {
			return err
		}
		need = m.Total()
	}
	if need <= int64(most) {
		return nil
	}
	return p.r.Errorf("train", "a student of %d parameters with micro-batches of %d x %d tokens needs at least %s of memory, this machine has %s: "+
		"a smaller student, fewer rows (train.batch) or tokens (data.length) at a time, or train.recompute need less",
		x.Params, p.r.Train.Batch, p.r.Data.Length, mebibytes(need), mebibytes(int64(most)))
}

// fitsFirst asks that of a run whose training is not done: one that was may be
// evaluated on a smaller machine.
func (p *Pipeline) fitsFirst(ctx context.Context) error {
	if r, err := p.load("train"); err != nil || r != nil {
		return err
	}
	var x planned
	if err := p.result("plan", &x); err != nil {
		return err
	}
	return p.fits(ctx, x)
}

// trainingMemory is what one process of the training holds.
func (p *Pipeline) trainingMemory(ctx context.Context, x planned) (m student.Memory, err error) {
	f, done, err := p.openBase(ctx, x)
	if err != nil {
		return m, err
	}
	defer done()
	h, err := arch.ReadHyper(f)
	if err != nil {
		return m, err
	}
	t := p.trainingPlan()
	if p.o.Ranks != nil {
		t.Leaves = max(1, t.Leaves/p.o.Ranks.Size())
		if p.o.ShardOptimizer {
			t.Shared = p.o.Ranks.Size()
		}
	}
	return t.Memory(h, student.Has(f, h.Arch), x.To), nil
}
