package tape

import (
	"errors"
	"fmt"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// Precision is what matrices are multiplied in.
type Precision uint8

// The precisions. Everything but the operands of a matrix product is float32,
// the parameters and their gradients too.
const (
	FP32 Precision = iota
	BF16           // operands rounded to bfloat16, sums in float32
	FP16           // operands rounded to float16, infinite beyond 65504: the loss must be scaled; sums in float32
)

// Options configures a Device; the zero value trains everything in float32.
type Options struct {
	// Recompute keeps only the input of each layer and runs the layer again in
	// Backward: a third more work, less memory, the same bits.
	Recompute bool
	Precision Precision
	// Train says which weights are trained; the others are frozen. nil: all, or
	// none but the pairs with LoRA.
	Train  func(name string) bool
	LoRA   LoRA
	Ship   *Ship  // nil: the parameters themselves are multiplied with
	Router Router // nil: mixtures have no loss of their own
	// InputGrad computes the gradient of Inputs.Embeds, see Device.InputGrad.
	InputGrad bool
}

// Router is a loss on how a mixture of experts spreads its rows (loss.Balance). A
// recorded step calls Routed for every mixture, with the softmax p of the router's
// logits, [rows, experts]; its Backward, after all of them, Grad, which adds the
// loss's gradient to d = dL/dp. Eval calls Routed too.
type Router interface {
	Routed(p kernel.F32) error
	Grad(d, p kernel.F32)
}

// Device implements backend.Device. One goroutine at a time may use it.
type Device struct {
	opt     Options
	names   map[string]bool
	weights []*weight
	params  Params
	size    int // of Flat
	sealed  bool
	ops     ops
}

// New makes a tape that computes with pool, which must outlive it.
func New(pool *kernel.Pool, o Options) *Device {
	d := &Device{opt: o, names: map[string]bool{}}
	d.ops = ops{pool: pool, opt: &d.opt}
	return d
}

// Params is the trained parameters. It ends the time for Weight calls.
func (d *Device) Params() (*Params, error) {
	if err := d.seal(); err != nil {
		return nil, err
	}
	return &d.params, nil
}

var errKV = errors.New("tape: no KV store: training attends to the batch's own rows")

// KV implements backend.Device: a tape has no stores.
func (d *Device) KV(backend.KVSpec) (backend.KVStore, error) { return nil, errKV }

// Close implements backend.Device. The pool is the caller's.
func (d *Device) Close() error {
	d.ops.reset()
	return nil
}

// Step implements backend.Device: it runs f and records it for Backward. The
// tensors are valid until Backward or the next Step.
func (d *Device) Step(_ backend.StepKey, in *backend.Inputs, f func(backend.Ops) ([]backend.Tensor, error)) ([]backend.Tensor, error) {
	return d.step(in, true, f)
}

// Eval is Step without a record: Head then runs the loss alone.
func (d *Device) Eval(in *backend.Inputs, f func(backend.Ops) ([]backend.Tensor, error)) ([]backend.Tensor, error) {
	return d.step(in, false, f)
}

func (d *Device) step(in *backend.Inputs, record bool, f func(backend.Ops) ([]backend.Tensor, error)) ([]backend.Tensor, error) {
	if err := d.seal(); err != nil {
		return nil, err
	}
	d.encode(false)
	o := &d.ops
	o.reset()
	o.mem.trim()
	o.in, o.record, o.recorded = in, record, record
	out, err := f(o)
	if err == nil {
		err = o.err
	}
	if err != nil {
		o.reset()
		return nil, err
	}
	return out, nil
}

// Host implements backend.Device: a tape's tensors are host memory.
func (d *Device) Host(t backend.Tensor) ([]float32, error) { return t.Data, nil }

// PeakBytes is the most memory that tensors took at a time since the last Step
// began, gradients of tensors included, parameters and their gradients not.
func (d *Device) PeakBytes() int { return 4 * d.ops.mem.peak }

// Grad returns dL/dt for a tensor of the recorded step: zeros at first, to be
// added to before Backward. nil: nothing that is trained reaches t.
func (d *Device) Grad(t backend.Tensor) ([]float32, error) {
	o := &d.ops
	v := o.val(t)
	if o.err != nil {
		return nil, o.err
	}
	if !o.recorded || !v.needs {
		return nil, nil
	}
	dst, add := o.into(v)
	if !add {
		clear(dst.Data)
	}
	return dst.Data, nil
}

// Backward adds to grad, which has the layout of Params().Flat, the gradient of
// everything that Grad and Head have put on the step's tensors, and ends the
// step.
func (d *Device) Backward(grad []float32) error {
	o := &d.ops
	if !o.recorded {
		return errors.New("tape: backward without a recorded step")
	}
	if len(grad) != d.size {
		return fmt.Errorf("tape: gradient of %d values, the parameters have %d", len(grad), d.size)
	}
	o.grad = grad
	for _, v := range o.values {
		o.unhold(v)
	}
	o.unwind(0)
	o.grad = nil
	err := o.err
	o.reset()
	return err
}

// InputGrad is dL/dEmbeds of the last Backward, [rows, hidden], valid until the
// next Step; nil without Options.InputGrad.
func (d *Device) InputGrad() []float32 { return d.ops.inputGrad }

// HeadChunk is the rows of hidden states whose logits take about 32 MiB.
func HeadChunk(vocab int) int { return max(64, (1<<23)/max(vocab, 1)&^63) }

// Head applies head (model.Head) to the rows of hidden, a tensor of the recorded
// step, chunk rows at a time. loss gets the logits of rows lo to hi-1, [hi-lo,
// vocabulary], and overwrites them with dL/dlogits. The gradients are added to
// grad and to Grad(hidden). After Eval, or with a nil grad, what loss writes is
// ignored. A gradient is summed chunk by chunk, so chunk is part of its bits.
func (d *Device) Head(hidden backend.Tensor, chunk int, head func(backend.Ops, backend.Tensor) backend.Tensor,
	loss func(lo, hi int, logits []float32) error, grad []float32,
) error {
	o := &d.ops
	h := o.val(hidden)
	switch {
	case o.err != nil:
		return o.err
	case chunk < 1:
		return fmt.Errorf("tape: head in chunks of %d rows", chunk)
	case grad != nil && len(grad) != d.size:
		return fmt.Errorf("tape: gradient of %d values, the parameters have %d", len(grad), d.size)
	}
	var dHidden []float32
	record := o.record
	o.record = grad != nil && o.recorded
	if o.record {
		var err error
		if dHidden, err = d.Grad(hidden); err != nil {
			return err
		}
	}
	o.grad = grad
	defer func() { o.grad, o.record = nil, record }()
	for lo := 0; lo < hidden.Rows; lo += chunk {
		if err := o.headChunk(h, lo, min(lo+chunk, hidden.Rows), dHidden, head, loss); err != nil {
			return err
		}
	}
	return nil
}

// headChunk is rows lo to hi-1 of Head: a record of its own on top of the step's.
func (o *ops) headChunk(h *value, lo, hi int, dHidden []float32, head func(backend.Ops, backend.Tensor) backend.Tensor,
	loss func(lo, hi int, logits []float32) error,
) error {
	values, nodes := len(o.values), len(o.nodes)
	x := o.leaf(hi-lo, h.cols, &buffer{data: h.buf.data[lo*h.cols : hi*h.cols], refs: 1, view: true})
	if dHidden != nil {
		x.needs = true
		x.grad = &buffer{data: dHidden[lo*h.cols : hi*h.cols], refs: 1, view: true}
	}
	y := o.val(head(o, o.tensor(x)))
	if o.err == nil {
		logits := o.consume(y) // the gradient takes the logits' place
		o.err = loss(lo, hi, logits.buf.data)
		if o.err == nil && o.record && y.needs {
			y.grad, logits.buf, logits.held = logits.buf, nil, false
		}
	}
	for _, v := range o.values[values:] {
		o.unhold(v)
	}
	o.unwind(nodes)
	o.values = o.values[:values]
	return o.err
}
