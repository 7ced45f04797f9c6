package engine

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
)

// ErrNotKept is wrapped by the error of MeasureThreads when the result is valid
// but could not be written.
var ErrNotKept = errors.New("engine: thread counts could not be kept")

// calibration times the model's own matrices with every candidate count: one
// token for decoding, a small batch for prefill. Slices of all candidates are
// interleaved, and the best of each counts, so that other work on the machine
// hurts all alike.
type calibration struct {
	pool   *kernel.Pool
	ms     []quant.Matrix // of the layers, in the order of a step
	at     [2]int         // next matrix, by phase
	trials []Trial
	next   int           // slice number: (round, candidate, phase)
	used   time.Duration // so far
	err    error
	x, y   []float32
}

const (
	calibrationTime   = 200 * time.Millisecond // of all slices
	calibrationRounds = 3
	calibrationBytes  = 128 << 20 // of weights at most, from the first layer on
	calibrationWarm   = 30 * time.Millisecond
	calibrationTokens = 64 // of a prefill slice
	closeEnough       = 0.97
)

// newCalibration begins a calibration of the matrices of f, which are of the
// shapes that a step multiplies.
func newCalibration(p *kernel.Pool, f *gguf.File) *calibration {
	c := &calibration{pool: p}
	var size uint64
	cols, rows := 0, 0
	for _, t := range f.Tensors() {
		if len(t.Dims) != 2 || !strings.HasPrefix(t.Name, "blk.") || !t.Type.CanDecode() {
			continue
		}
		m, err := t.Matrix()
		if err != nil {
			c.err = err
			break
		}
		if c.ms = append(c.ms, m); m.Cols > cols {
			cols = m.Cols
		}
		rows = max(rows, m.Rows)
		if size += t.Size; size > calibrationBytes {
			break
		}
	}
	if len(c.ms) == 0 && c.err == nil {
		c.err = errors.New("no matrices to measure with")
	}
	for _, n := range candidates(p.Threads(), cpu.Detect()) {
		c.trials = append(c.trials, Trial{Threads: n})
	}
	c.x, c.y = make([]float32, calibrationTokens*cols), make([]float32, calibrationTokens*rows)
	for i := range c.x {
		c.x[i] = float32(i*37%199-99) / 99
	}
	return c
}

// candidates are the counts worth trying on n CPUs: all up to 4, else powers of
// two, three quarters, the cores without their second threads, the fast cores,
// and all.
func candidates(n int, info cpu.Info) []int {
	list := []int{n, n * 3 / 4, n / 2, info.Physical}
	for i := 1; i <= n; i++ {
		if i <= 4 && n <= 4 || i&(i-1) == 0 {
			list = append(list, i)
		}
	}
	for _, c := range info.Clusters {
		list = append(list, len(c.CPUs))
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return slices.DeleteFunc(list, func(i int) bool { return i < 1 || i > n })
}

// slice measures one candidate in one phase for a few milliseconds and reports
// whether the calibration is over. The first slice reads the weights once.
func (c *calibration) slice() bool {
	if c.err != nil {
		return true
	}
	if c.next == 0 {
		c.warm()
	}
	total := 2 * len(c.trials) * calibrationRounds
	phase, trial := c.next&1, &c.trials[c.next/2%len(c.trials)]
	length := (calibrationTime - calibrationWarm) / time.Duration(total)
	if c.used+length > calibrationTime {
		return true // a slow machine
	}
	c.pool.Limit(trial.Threads)
	start, work := time.Now(), 0.0
	for c.err == nil && (work == 0 || time.Since(start) < length) {
		work += c.multiply(phase)
	}
	d := time.Since(start)
	if rate := work / d.Seconds(); phase == 0 {
		trial.Decode = max(trial.Decode, rate)
	} else {
		trial.Prefill = max(trial.Prefill, rate)
	}
	c.used += d
	c.next++
	return c.next == total
}

// warm reads the matrices once, and forgets those that a slow disk did not give
// in time.
func (c *calibration) warm() {
	c.pool.Limit(c.pool.Threads())
	start := time.Now()
	for i := range c.ms {
		c.at[0] = i
		for at := 0; at < c.ms[i].Rows && c.err == nil; at += unitRows(c.ms[i], 0) {
			c.rows(i, at, 1, unitRows(c.ms[i], 0))
		}
		if time.Since(start) > calibrationWarm {
			c.ms = c.ms[:i+1]
			break
		}
	}
	c.at = [2]int{}
	c.used += time.Since(start)
}

// unitRows is how many rows of m are multiplied at a time: all, but not so many
// that a slow machine needs more than a few milliseconds.
func unitRows(m quant.Matrix, phase int) int {
	limit := 4 << 20 // products
	if phase == 1 {
		limit /= 16
	}
	return min(m.Rows, max(limit/max(m.Cols, 1), 64))
}

// multiply computes one unit of the next matrix and returns its work: bytes for
// decoding, products for prefill.
func (c *calibration) multiply(phase int) float64 {
	i := c.at[phase] % len(c.ms)
	c.at[phase]++
	m := c.ms[i]
	n := unitRows(m, phase)
	at := c.at[phase] / len(c.ms) * n % (m.Rows - n + 1)
	tokens := 1
	if phase == 1 {
		tokens = calibrationTokens
	}
	c.rows(i, at, tokens, n)
	if phase == 0 {
		return float64(n * m.RowBytes())
	}
	return float64(n * m.Cols * tokens)
}

// rows multiplies rows at to at+n of matrix i.
func (c *calibration) rows(i, at, tokens, n int) {
	m := c.ms[i]
	n = min(n, m.Rows-at)
	row := m.RowBytes()
	part := quant.Matrix{Type: m.Type, Rows: n, Cols: m.Cols, Data: m.Data[at*row : (at+n)*row]}
	x := kernel.F32{Rows: tokens, Cols: m.Cols, Data: c.x[:tokens*m.Cols]}
	y := kernel.F32{Rows: tokens, Cols: n, Data: c.y[:tokens*n]}
	if err := c.pool.MatMul([]kernel.F32{y}, x, []quant.Matrix{part}, kernel.Fuse{}); err != nil {
		c.err = err
	}
}

// result chooses the counts: of those that come within 3 % of the best the
// fewest threads, which leave more of the machine to others. All of them where
// the time was not enough to try every count.
func (c *calibration) result(key ThreadCounts) ThreadCounts {
	key.Trials = c.trials
	key.Prefill = fewest(c.trials, func(t Trial) float64 { return t.Prefill })
	key.Decode = fewest(c.trials, func(t Trial) float64 { return t.Decode })
	return key
}

func fewest(trials []Trial, rate func(Trial) float64) int { // ascending counts
	best := 0.0
	for _, t := range trials {
		best = max(best, rate(t))
	}
	choice := trials[len(trials)-1].Threads
	for _, t := range slices.Backward(trials) {
		if rate(t) == 0 {
			return trials[len(trials)-1].Threads
		}
		if rate(t) >= closeEnough*best {
			choice = t.Threads
		}
	}
	return choice
}
