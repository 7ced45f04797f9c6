package backend

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
)

// CPUOptions configures a CPU; the zero value works.
type CPUOptions struct {
	Threads int    // that compute; 0: one per CPU
	Kernel  string // variant; "": QWQ_KERNEL, else the best of this machine
	Precise bool   // float32 activations for quantized weights too; slow
	// FetchExperts reads the matrices of the experts that a step has chosen whole,
	// as long as steps wait for storage; else their pages come one by one.
	FetchExperts bool
}

// CPU is the Device of every machine. Weights are used in place.
type CPU struct {
	pool   *kernel.Pool
	ops    cpuOps
	closed bool
}

// NewCPU starts the worker threads; Close ends them.
func NewCPU(o CPUOptions) (*CPU, error) {
	pool, err := kernel.New(kernel.Options{Threads: o.Threads, Variant: o.Kernel})
	if err != nil {
		return nil, err
	}
	d := &CPU{pool: pool}
	d.ops = cpuOps{pool: pool, precise: o.Precise, fetch: fetch{on: o.FetchExperts, waits: -1}}
	return d, nil
}

// Pool is the thread pool that computes; it lives until Close.
func (d *CPU) Pool() *kernel.Pool { return d.pool }

// Close ends the worker threads. It must not run during a Step.
func (d *CPU) Close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	return d.pool.Close()
}

// cpuWeight is a view of the mapping, and for vectors their float32 copy.
type cpuWeight struct {
	name string
	m    quant.Matrix
	vec  []float32
}

func (w *cpuWeight) Name() string      { return w.name }
func (w *cpuWeight) Shape() (int, int) { return w.m.Rows, w.m.Cols }

// Weight implements Device. Nothing is copied but vectors.
func (d *CPU) Weight(name string, m quant.Matrix) (Weight, error) {
	if !m.Type.CanDecode() {
		return nil, fmt.Errorf("backend: tensor %q: type %v cannot be computed with", name, m.Type)
	}
	if _, err := quant.NewMatrix(m.Type, m.Rows, m.Cols, m.Data); err != nil {
		return nil, fmt.Errorf("backend: tensor %q: %w", name, err)
	}
	w := &cpuWeight{name: name, m: m}
	if kernel.Integer(m.Type) && m.Rows > 1 {
		d.ops.codes = !d.ops.precise
	}
	if m.Rows == 1 {
		w.vec = make([]float32, m.Cols)
		if err := quant.Decode(m.Type, w.vec, m.Data); err != nil {
			return nil, fmt.Errorf("backend: tensor %q: %w", name, err)
		}
	}
	return w, nil
}

// KV implements Device.
func (d *CPU) KV(spec KVSpec) (KVStore, error) { return newStore(spec) }

// Host implements Device: the CPU's tensors are host memory already.
func (d *CPU) Host(t Tensor) ([]float32, error) { return t.Data, nil }

var errClosed = errors.New("backend: device is closed")

// Step implements Device; the CPU always calls f. A page of the mapping that
// cannot be read (the file was truncated, the disk fails) is an error of this
// step.
func (d *CPU) Step(_ StepKey, in *Inputs, f func(Ops) ([]Tensor, error)) (out []Tensor, err error) {
	if d.closed {
		return nil, errClosed
	}
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			out, err = nil, faultError(r)
		}
	}()
	d.ops.begin(in)
	out, err = f(&d.ops)
	if err == nil {
		err = d.ops.err
	}
	if err != nil {
		out = nil
	}
	return out, err
}

// faultError turns a memory fault into an error and passes every other panic
// on: those are bugs.
func faultError(r any) error {
	if f, ok := r.(interface {
		error
		Addr() uintptr
	}); ok {
		return fmt.Errorf("backend: memory at %#x cannot be read, the model file was truncated or its device failed: %w", f.Addr(), error(f))
	}
	panic(r)
}
