package pipeline

import (
	"context"
	"math/bits"
	"time"

	"github.com/qwq-edge/qwq/distill/student"
	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/internal/kernel"
)

// Estimate is what a run would take.
type Estimate struct {
	Student       student.Shape   `json:"student"`
	Params        int             `json:"parameters"`
	TeacherParams int             `json:"teacher_parameters"`
	Students      int             `json:"students"` // that are trained
	Tokens        int64           `json:"tokens"`   // that each reads
	TrainSeconds  float64         `json:"train_seconds"`
	Memory        int64           `json:"memory"` // bytes while training
	Available     int64           `json:"available"`
	Stages        []StageEstimate `json:"stages"`
}

// StageEstimate says whether a stage has to be done.
type StageEstimate struct {
	Name string `json:"name"`
	Done bool   `json:"done"`
}

// Estimate plans a run without doing more than the plan stage, which decides the
// shapes. A stage whose inputs are not there yet is one to do.
func (p *Pipeline) Estimate(ctx context.Context) (*Estimate, error) {
	if err := p.until(ctx, "plan"); err != nil {
		return nil, err
	}
	var x planned
	if err := p.result("plan", &x); err != nil {
		return nil, err
	}
	t := p.r.Train
	e := &Estimate{Student: x.To, Params: x.Params, TeacherParams: x.TeacherParams, Students: 1,
		Tokens: int64(t.Steps) * int64(t.Leaves) * int64(t.Batch) * int64(p.r.Data.Length)}
	if p.r.Baseline.Hard {
		e.Students = 2
	}
	rate, err := p.flops()
	if err != nil {
		return nil, err
	}
	e.TrainSeconds = float64(e.Tokens) * p.work(x) / rate
	e.Memory = p.memory(x)
	e.Available = int64(cpu.HostMemory().Free())
	known := true
	for _, s := range stages() {
		done := false
		if known {
			key, err := p.key(s)
			if err != nil {
				return nil, err
			}
			r, err := p.load(s.name)
			if err != nil {
				return nil, err
			}
			done = r != nil && r.Key == key
			p.done[s.name] = r
		}
		known = known && done
		e.Stages = append(e.Stages, StageEstimate{s.name, done})
	}
	return e, nil
}

// work is the multiplications and additions that a token of training takes: two a
// weight forward, four backward, two more where layers run twice, and attention.
func (p *Pipeline) work(x planned) float64 {
	s := x.To
	weights := float64(s.Layers)*float64(s.Hidden)*float64(2*s.Heads*s.HeadDim+2*s.KVHeads*s.HeadDim+3*s.FFN) + float64(s.Vocab)*float64(s.Hidden)
	per := 6.0
	if p.r.Train.Recompute {
		per = 8
	}
	return per*weights + 2*per*float64(s.Layers*s.Heads*s.HeadDim)*float64(p.r.Data.Length)/2
}

// memory is the bytes of parameters, gradients, the optimizer's state and the
// activations of a micro-batch.
func (p *Pipeline) memory(x planned) int64 {
	s, t := x.To, p.r.Train
	copies := 1 + 2 + bits.Len(uint(t.Leaves-1)) + 1
	if t.EMA > 0 {
		copies++
	}
	layer := 4*s.Hidden + 3*s.Heads*s.HeadDim + 2*s.KVHeads*s.HeadDim + 3*s.FFN
	kept := s.Layers
	if t.Recompute {
		kept = 1
	}
	tokens := int64(t.Batch) * int64(p.r.Data.Length)
	return 4*int64(copies)*int64(x.Params) + 4*tokens*(int64(kept)*int64(layer)+int64(s.Layers*s.Hidden)) + 64<<20
}

// flops measures what a product of the student's sizes reaches here, a second.
func (p *Pipeline) flops() (float64, error) {
	pool, err := kernel.New(kernel.Options{Threads: p.r.Threads})
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	const n = 512
	m := func() kernel.F32 { return kernel.F32{Rows: n, Cols: n, Data: make([]float32, n*n)} }
	c, a, b := m(), m(), m()
	gemm := pool.Gemm
	if p.r.Train.Precision == "bf16" {
		gemm = pool.GemmBF16
	}
	best := time.Duration(1 << 62)
	for range 20 {
		began := time.Now()
		if err := gemm(c, a, b, false, true, false); err != nil {
			return 0, err
		}
		best = min(best, time.Since(began))
	}
	// What is no product takes about as long again in a small student.
	return 2 * n * n * n / max(best.Seconds(), 1e-9) / 2, nil
}
