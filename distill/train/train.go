package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// Source gives micro-batch i of a step; both count from 0, i over all processes.
// It is a function of both and of nothing else: that is the data cursor.
type Source interface {
	Leaf(step, i int) (*distill.Batch, error)
}

// Loss gets the logits of positions lo to hi-1 of b, [hi-lo, vocabulary],
// overwrites them with scale·dL/dlogits, and adds the rows' losses, not scaled, to
// sums, one for each of Options.Names. Positions whose Next is -1 have no loss and
// a gradient of 0. While the model is evaluated scale is 0 and the logits may be
// left as they are.
type Loss func(ctx context.Context, b *distill.Batch, lo, hi int, logits []float32, scale float64, sums []float64) error

// States is a loss between hidden states, on top of Loss.
type States struct {
	// Layers are those whose states are wanted: i after layer i, 0 the embedding.
	Layers []int
	// Loss gets the states x of positions lo to hi-1 of b, [hi-lo, hidden] for each of
	// Layers, after Loss has had the same positions. It adds scale·dL/dx to dx and
	// scale·dL/dparameters to grad, which has the layout of Params().Flat, and the
	// rows' losses, not scaled, to sums.
	Loss func(ctx context.Context, b *distill.Batch, lo, hi int, x, dx []kernel.F32, grad []float32, scale float64, sums []float64) error
}

// Options configures a Trainer.
type Options struct {
	Steps    int            // of the whole run
	Leaves   int            // micro-batches a step, a multiple of the processes; 0: one each
	Optim    optim.Options  // Adam
	Rules    optim.Rules    // what trains, what decays
	Schedule optim.Schedule // its Steps may be 0: Options.Steps
	Clip     float64        // limit of the gradient's norm; 0: none
	EMA      float64        // decay of the parameters' moving average; 0: none
	Scaler   optim.Scaler   // loss scaling; the zero value does not scale
	Chunk    int            // rows of logits at a time; 0: tape.HeadChunk
	Names    []string       // of the sums of Loss, the first being the loss itself; nil: "loss"
	States   *States        // nil: no loss between hidden states; Eval leaves it out

	// Dir gets metrics.jsonl and checkpoint; "": neither is written.
	Dir   string
	Every int          // steps between checkpoints; 0: one at the end
	ID    distill.Hash // of everything else that decides the run; a checkpoint of another is refused
	// AllowRungChange resumes a checkpoint of another kernel rung: the run goes on,
	// but not with the bits it would have had.
	AllowRungChange bool
	Exchanger       Exchanger // the other processes; nil: none
	// ShardOptimizer lets each process hold Adam's moments of its share of the
	// parameters only, and update only those (ZeRO-1). No bit changes, and the
	// checkpoint is the same.
	ShardOptimizer bool
	Report         func(Metrics)    // called after each step; may be nil
	Now            func() time.Time // nil: time.Now
}

// Metrics is one line of metrics.jsonl.
type Metrics struct {
	Step    int                `json:"step"` // counted from 1
	Loss    map[string]float64 `json:"loss"` // mean over the scored positions
	LR      float64            `json:"lr"`
	Norm    float64            `json:"norm"` // of the gradient, before clipping
	Tokens  int64              `json:"tokens"`
	Scored  int64              `json:"scored"`
	Scale   float64            `json:"scale,omitempty"` // of the loss
	Skipped bool               `json:"skipped,omitempty"`
	Seconds float64            `json:"seconds"`
}

// Trainer is a run. One goroutine may use it.
type Trainer struct {
	pool   *kernel.Pool
	dev    *tape.Device
	model  *model.Model
	source Source
	loss   Loss
	opt    Options
	params *tape.Params
	groups []optim.Group

	ranks   *ranks
	squares []float64    // of the gradient, by block
	state   *optim.State // of this process's share where ShardOptimizer
	average []float32    // nil without EMA
	scaler  optim.Scaler
	step    int // steps done

	tree    [][]float32 // gradients, by depth in the tree
	sums    [][]float64
	batches []*distill.Batch // of the step: this process's leaves
	batch   model.Batch
	states  states
	log     *metricsLog
}

// New makes a run at step 0. m is on dev, whose pool is pool.
func New(pool *kernel.Pool, dev *tape.Device, m *model.Model, s Source, l Loss, o Options) (*Trainer, error) {
	if o.Exchanger == nil {
		o.Exchanger = alone{}
	}
	ranks := o.Exchanger.Size()
	if o.Leaves == 0 {
		o.Leaves = ranks
	}
	if o.Schedule.Steps == 0 {
		o.Schedule.Steps = o.Steps
	}
	if o.Names == nil {
		o.Names = []string{"loss"}
	}
	if o.Chunk == 0 {
		o.Chunk = tape.HeadChunk(m.Hyper().Vocab)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	switch {
	case o.Steps < 1 || o.Leaves < 1 || o.Chunk < 0 || o.Every < 0:
		return nil, fmt.Errorf("train: %d steps of %d leaves, a checkpoint every %d, logits in chunks of %d", o.Steps, o.Leaves, o.Every, o.Chunk)
	case ranks < 1 || ranks&(ranks-1) != 0 || o.Leaves%ranks != 0:
		return nil, fmt.Errorf("train: %d leaves a step on %d processes: want a power of two of processes that divides them", o.Leaves, ranks)
	case !(o.EMA >= 0 && o.EMA < 1) || !(o.Clip >= 0):
		return nil, fmt.Errorf("train: moving average of %g, norm clipped to %g", o.EMA, o.Clip)
	case !o.States.check(m.Hyper().Layers):
		return nil, fmt.Errorf("train: states after layers %v of a model of %d", o.States.Layers, m.Hyper().Layers)
	case backend.Device(dev) != m.Device():
		return nil, errors.New("train: the model is on another device")
	}
	if err := errors.Join(o.Optim.Check(), o.Schedule.Check()); err != nil {
		return nil, err
	}
	p, err := dev.Params()
	if err != nil {
		return nil, err
	}
	var table []optim.Param
	for _, e := range p.Table {
		table = append(table, optim.Param(e))
	}
	t := &Trainer{pool: pool, dev: dev, model: m, source: s, loss: l, opt: o, params: p, scaler: o.Scaler}
	if t.groups, err = optim.Groups(table, o.Rules); err != nil {
		return nil, err
	}
	n := len(p.Flat)
	t.ranks, t.squares = newRanks(o.Exchanger, n), make([]float64, optim.Blocks(n))
	t.state = optim.NewState(0, n)
	if own := t.ranks.own(); o.ShardOptimizer {
		t.state = optim.NewState(t.ranks.at(own.lo), t.ranks.at(own.hi))
	}
	if o.EMA > 0 {
		t.average = append([]float32(nil), p.Flat...)
	}
	for range bits.Len(uint(o.Leaves/ranks-1)) + 1 {
		t.tree, t.sums = append(t.tree, make([]float32, n)), append(t.sums, make([]float64, len(o.Names)))
	}
	return t, nil
}

// Step is the number of steps done.
func (t *Trainer) Step() int { return t.step }

// Params is the parameters as they are now.
func (t *Trainer) Params() *tape.Params { return t.params }

// Average is the moving average of the parameters, nil without Options.EMA.
func (t *Trainer) Average() []float32 { return t.average }

// Run takes the steps that are left. Where ctx ends in the middle of a step, the
// state is that before it.
func (t *Trainer) Run(ctx context.Context) (err error) {
	if err := t.agree(); err != nil {
		return err
	}
	if err := t.openLog(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.log.close()) }()
	for t.step < t.opt.Steps {
		m, err := t.next(ctx)
		if err != nil {
			return fmt.Errorf("train: step %d: %w", t.step+1, err)
		}
		if err := t.log.write(m); err != nil {
			return err
		}
		if t.opt.Report != nil {
			t.opt.Report(m)
		}
		if t.step == t.opt.Steps || t.opt.Every > 0 && t.step%t.opt.Every == 0 {
			if err := errors.Join(t.log.sync(), t.save()); err != nil {
				return err
			}
		}
	}
	return nil
}

var errEmpty = errors.New("no position is scored")

// next takes one step.
func (t *Trainer) next(ctx context.Context) (Metrics, error) {
	o, began := &t.opt, t.opt.Now()
	scored, tokens, err := t.fetch()
	if err != nil {
		return Metrics{}, err
	}
	n := []int64{scored, tokens}
	if err := each(t.ranks, n, func(a, b int64) int64 { return a + b }); err != nil {
		return Metrics{}, err
	}
	if n[0] == 0 {
		return Metrics{}, errEmpty
	}
	factor := t.scaler.Factor()
	if err := t.subtree(ctx, 0, len(t.batches), 0, factor/float64(n[0])); err != nil {
		return Metrics{}, err
	}
	sums := t.sums[0]
	scaled, err := t.combine(sums)
	if err != nil {
		return Metrics{}, err
	}
	norm := scaled / factor
	m := Metrics{Step: t.step + 1, Loss: map[string]float64{}, LR: o.Schedule.LR(t.step), Norm: norm, Scored: n[0], Tokens: n[1], Scale: t.scaler.Scale}
	for i, name := range o.Names {
		m.Loss[name] = sums[i] / float64(n[0])
	}
	m.Skipped = !t.scaler.Update(scaled)
	if m.Skipped && factor == 1 { // no smaller scale would help
		return m, fmt.Errorf("the gradient's norm is %v, the loss %v", norm, m.Loss)
	}
	if m.Skipped {
		m.Norm = 0 // no number in JSON
		for k, v := range m.Loss {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				delete(m.Loss, k)
			}
		}
	} else {
		if err := t.update(optim.Update{LR: m.LR, Scale: optim.Clip(norm, o.Clip) / factor}); err != nil {
			return Metrics{}, err
		}
		if t.average != nil {
			optim.EMA(t.pool, t.average, t.params.Flat, o.EMA)
		}
	}
	t.step++
	m.Seconds = o.Now().Sub(began).Seconds()
	return m, nil
}

// combine adds the gradients of all processes, each its own share, and the losses,
// and returns the norm of the whole gradient.
func (t *Trainer) combine(sums []float64) (float64, error) {
	grad, own := t.tree[0], t.ranks.own()
	if err := t.ranks.reduce(t.pool, grad, sums); err != nil {
		return 0, err
	}
	optim.Squares(t.pool, t.squares[own.lo:own.hi], grad, t.groups, own.lo, own.hi)
	if err := t.ranks.blocks(t.squares); err != nil {
		return 0, err
	}
	return optim.Root(t.squares), nil
}

// update changes the parameters, while what the others need of this process's
// share is sent and theirs comes: parameters where the optimizer is sharded, else
// gradients.
func (t *Trainer) update(u optim.Update) error {
	grad, w := t.tree[0], t.params.Flat
	adam := func(lo, hi int) {
		t.opt.Optim.Step(t.pool, t.state.Range(lo, hi), w, grad, t.groups, u)
	}
	var err error
	if t.opt.ShardOptimizer {
		err = t.ranks.gather(w, adam, nil)
	} else {
		err = t.ranks.gather(grad, adam, adam)
	}
	t.state.Steps++
	return err
}

// fetch gets this process's leaves of the step.
func (t *Trainer) fetch() (scored, tokens int64, err error) {
	x := t.opt.Exchanger
	own := t.opt.Leaves / x.Size()
	t.batches = t.batches[:0]
	for i := range own {
		b, err := t.source.Leaf(t.step, x.Rank()*own+i)
		if err == nil {
			err = b.Check()
		}
		if err != nil {
			return 0, 0, err
		}
		t.batches = append(t.batches, b)
		scored, tokens = scored+int64(b.Scored()), tokens+int64(len(b.IDs))
	}
	return scored, tokens, nil
}

// subtree puts the sum of n leaves from leaf lo on into the buffers of depth. The
// halves of an even number are equal, so that processes own whole subtrees.
func (t *Trainer) subtree(ctx context.Context, lo, n, depth int, scale float64) error {
	if n == 1 {
		clear(t.tree[depth])
		clear(t.sums[depth])
		return t.leaf(ctx, t.batches[lo], scale, t.tree[depth], t.sums[depth])
	}
	half := (n + 1) / 2
	if err := t.subtree(ctx, lo, half, depth, scale); err != nil {
		return err
	}
	if err := t.subtree(ctx, lo+half, n-half, depth+1, scale); err != nil {
		return err
	}
	t.pool.Add(kernel.Row(t.tree[depth]), kernel.Row(t.tree[depth+1]))
	for i, s := range t.sums[depth+1] {
		t.sums[depth][i] += s
	}
	return nil
}

// bind makes b the trainer's batch: one span per document.
func (t *Trainer) bind(b *distill.Batch) *model.Batch {
	m := &t.batch
	m.IDs, m.Want, m.Seqs = b.IDs, backend.Hidden, m.Seqs[:0]
	for _, n := range b.Docs {
		m.Seqs = append(m.Seqs, model.Span{N: int(n), Causal: true})
	}
	return m
}

// leaf adds the gradient and the losses of one micro-batch.
func (t *Trainer) leaf(ctx context.Context, b *distill.Batch, scale float64, grad []float32, sums []float64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in := t.bind(b)
	if t.opt.States != nil {
		in.Want |= backend.AllHidden
	}
	out, err := t.model.Run(in)
	if err == nil {
		err = t.states.take(t.dev, t.opt.States, out)
	}
	if err != nil {
		return err
	}
	err = t.dev.Head(out[0], t.opt.Chunk, t.model.Head, func(lo, hi int, logits []float32) error {
		if err := t.loss(ctx, b, lo, hi, logits, scale, sums); err != nil || t.opt.States == nil {
			return err
		}
		x, dx := t.states.rows(lo, hi)
		return t.opt.States.Loss(ctx, b, lo, hi, x, dx, grad, scale, sums)
	}, grad)
	if err != nil {
		return err
	}
	return t.dev.Backward(grad)
}

// Eval is the mean losses of a batch with the parameters as they are.
func (t *Trainer) Eval(ctx context.Context, b *distill.Batch) (sums []float64, scored int, err error) {
	if err := b.Check(); err != nil {
		return nil, 0, err
	}
	in, _, err := t.model.Bind(t.bind(b))
	if err != nil {
		return nil, 0, err
	}
	out, err := t.dev.Eval(in, func(o backend.Ops) ([]backend.Tensor, error) { return t.model.Forward(o, in) })
	if err != nil {
		return nil, 0, err
	}
	sums = make([]float64, len(t.opt.Names))
	err = t.dev.Head(out[0], t.opt.Chunk, t.model.Head, func(lo, hi int, logits []float32) error {
		return t.loss(ctx, b, lo, hi, logits, 0, sums)
	}, nil)
	return sums, b.Scored(), err
}
