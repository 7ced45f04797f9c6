package pipeline

import (
	"context"
	"fmt"

	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/distill/teacher"
	"github.com/qwq-edge/qwq/internal/shard"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// offName is the student before the on-policy rounds.
const offName = "off-policy"

// rounds trains the student on the recipe's data and then on what it writes itself:
// each round it samples text, the teacher scores it, and the student learns from
// that. The last round's result is the student.
func (p *Pipeline) rounds(ctx context.Context) (files []string, err error) {
	h, err := p.plannedHidden()
	if err != nil {
		return nil, err
	}
	if err := p.arm(ctx, training{Name: offName, Start: startFile, Spec: p.r.Loss.Spec(), Train: p.r.Train, Hidden: h}); err != nil {
		return nil, err
	}
	o := p.r.OnPolicy
	last := offName
	for i := 1; i <= o.Rounds; i++ {
		from := lesson{fmt.Sprintf("data/round-%d", i), fmt.Sprintf("cache/round-%d", i)}
		if err := p.lesson(ctx, last+".gguf", from, i); err != nil {
			return nil, fmt.Errorf("round %d: %w", i, err)
		}
		name := fmt.Sprintf("round-%d", i)
		if i == o.Rounds {
			name = studentName
		}
		t := p.r.Train
		t.Steps, t.Warmup, t.LR, t.FinalLR, t.Schedule = o.Steps, 0, o.LR, 0, optim.Constant
		if err := p.arm(ctx, training{Name: name, Start: last + ".gguf", Spec: o.Loss.Spec(), Train: t, From: from}); err != nil {
			return nil, fmt.Errorf("round %d: %w", i, err)
		}
		last = name
	}
	return []string{offName + ".gguf", studentName + ".gguf"}, nil
}

// lesson lets the model in a file write, and the teacher score that.
func (p *Pipeline) lesson(ctx context.Context, model string, to lesson, round int) error {
	e, err := teacher.Open(p.path(model), teacher.Options{Threads: p.r.Threads})
	if err != nil {
		return err
	}
	defer e.Close()
	tok, err := tokenizer.Load(p.path(model))
	if err != nil {
		return err
	}
	o, err := p.generate(e, tok, p.r.OnPolicy.Generate, "on-policy.generate")
	if err != nil {
		return err
	}
	o.Sampling.Seed += uint64(round)
	o.K, o.Parts = 1, generateParts(o.Sequences, 0) // what it says of itself is not kept
	g, err := teacher.NewGenerator(o)
	if err != nil {
		return err
	}
	if err := p.shards(ctx, to.Rows, g, shard.Selection{}, "parts of the student's text"); err != nil {
		return err
	}
	if p.r.Cache.Live {
		return nil
	}
	job, closeAll, err := p.scoreJob(ctx, to.Rows)
	if err != nil {
		return err
	}
	defer closeAll()
	return p.shards(ctx, to.Cache, job, shard.Selection{}, "parts of the teacher's word on it")
}
