package engine

import (
	"cmp"
	"fmt"
	"math/bits"
	"runtime"
	"sync/atomic"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
)

// threads decides with how many threads each step runs. Results do not depend on
// it. Counts that the options leave open are taken from a table of measurements,
// or else measured during the first long generation (see calibration); until
// then every CPU computes.
type threads struct {
	pool    *kernel.Pool // nil: the device is not the engine's own CPU
	prefill atomic.Int32 // threads of a step of many rows
	decode  atomic.Int32 // of a step of few
	open    struct{ prefill, decode bool }
	table   string // path of the table, "" for none
	key     ThreadCounts
	file    *gguf.File
	seen    int          // decode steps so far
	running *calibration // nil: not begun, or done
	done    bool         // measured, found in the table, or nothing to measure
}

// prefillRows is the number of rows from which on a step is bound by arithmetic:
// about where kernels pack the weights.
const prefillRows = 16

// calibrateAfter is the number of decode steps before thread counts are measured:
// a short run is over sooner, and the weights are in memory by then.
const calibrateAfter = 32

// counts are the options' thread counts, 0 for those that are open.
func (o Options) counts() (prefill, decode int) {
	return cmp.Or(o.PrefillThreads, o.Threads), cmp.Or(o.DecodeThreads, o.Threads)
}

// poolThreads is how many threads the pool needs.
func (o Options) poolThreads() int {
	prefill, decode := o.counts()
	if prefill == 0 || decode == 0 {
		return max(prefill, decode, min(runtime.NumCPU(), kernel.MaxThreads))
	}
	return max(prefill, decode)
}

// setThreads looks the counts up that the options leave open.
func (m *Model) setThreads(f *gguf.File, o Options) {
	t := &m.threads
	if t.pool == nil {
		return
	}
	prefill, decode := o.counts()
	t.open.prefill, t.open.decode = prefill == 0, decode == 0
	t.prefill.Store(int32(cmp.Or(prefill, runtime.NumCPU())))
	t.decode.Store(int32(cmp.Or(decode, runtime.NumCPU())))
	t.table, t.file = o.ThreadTable, f
	t.key = threadKey(f, t.pool.Variant())
	t.done = t.table == "" || !t.open.prefill && !t.open.decode || runtime.NumCPU() == 1
	if t.done {
		return
	}
	table, err := ReadThreadTable(t.table)
	if err != nil {
		m.warn("%v: measured again", err)
	}
	for i := range table {
		if table[i].matches(&t.key) {
			t.apply(table[i])
			t.done = true
		}
	}
}

// apply takes over the measured counts that the options leave open.
func (t *threads) apply(c ThreadCounts) {
	if t.open.prefill {
		t.prefill.Store(int32(c.Prefill))
	}
	if t.open.decode {
		t.decode.Store(int32(c.Decode))
	}
}

// threadKey says which machine, kernels and class of model counts are for.
func threadKey(f *gguf.File, variant string) ThreadCounts {
	var sizes [64]uint64 // by type; types are small numbers
	var total uint64
	best := quant.Type(0)
	for _, x := range f.Tensors() {
		total += x.Size
		if n := int(x.Type); len(x.Dims) > 1 && n < len(sizes) {
			if sizes[n] += x.Size; sizes[n] > sizes[best] {
				best = x.Type
			}
		}
	}
	return ThreadCounts{Machine: cpu.Model(), CPUs: runtime.NumCPU(), Kernel: variant, Type: best.String(), Class: sizeClass(total)}
}

// sizeClass is the power of two that n bytes fit, 1 MiB or more.
func sizeClass(n uint64) string {
	mib := uint64(1)
	if n > 1<<20 {
		mib = 1 << bits.Len64((n-1)>>20)
	}
	if mib >= 1<<10 {
		return fmt.Sprintf("%d GiB", mib>>10)
	}
	return fmt.Sprintf("%d MiB", mib)
}

// limit sets the pool up for a step of rows rows.
func (t *threads) limit(rows int) {
	if t.pool == nil {
		return
	}
	if rows >= prefillRows {
		t.pool.Limit(int(t.prefill.Load()))
	} else {
		t.pool.Limit(int(t.decode.Load()))
	}
}

// stepped is called after each step. Once a generation is long it measures, a
// slice of a few milliseconds at a time, so that no token waits for all of it.
func (t *threads) stepped(rows int) {
	if t.done || rows >= prefillRows {
		return
	}
	if t.seen++; t.seen < calibrateAfter {
		return
	}
	if t.running == nil {
		t.running = newCalibration(t.pool, t.file)
	}
	if !t.running.slice() {
		return
	}
	if t.running.err == nil {
		c := t.running.result(t.key)
		t.apply(c)
		_ = writeThreadTable(t.table, c) // a folder that is not writable: measured again next time
	}
	t.running, t.done = nil, true
}

// MeasureThreads measures the thread counts for this model on this machine now,
// in about 200 ms, uses those that the options leave open, and keeps them in
// Options.ThreadTable where that is set. An error that wraps ErrNotKept comes
// with a valid result.
func (m *Model) MeasureThreads() (ThreadCounts, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &m.threads
	if m.closed {
		return ThreadCounts{}, ErrClosed
	}
	if t.pool == nil || t.pool.Threads() < runtime.NumCPU() {
		return ThreadCounts{}, fmt.Errorf("engine: thread counts can be measured only where the engine has every CPU")
	}
	run := newCalibration(t.pool, t.file)
	for !run.slice() {
	}
	if run.err != nil {
		return ThreadCounts{}, fmt.Errorf("engine: thread counts: %w", run.err)
	}
	c := run.result(t.key)
	t.apply(c)
	t.running, t.done = nil, true
	if t.table == "" {
		return c, nil
	}
	if err := writeThreadTable(t.table, c); err != nil {
		return c, fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	return c, nil
}
