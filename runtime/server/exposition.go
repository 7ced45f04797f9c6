package server

import (
	"slices"
	"strconv"
	"strings"
	"sync"
)

// exposition is a text in the form that Prometheus reads, version 0.0.4
// (prometheus.io/docs/instrumenting/exposition_formats): for each family of metrics a
// HELP and a TYPE line, then its samples.
type exposition struct {
	b    []byte
	name string // of the family
}

// expositionType is the text's Content-Type.
const expositionType = "text/plain; version=0.0.4; charset=utf-8"

// family begins a family: a counter, a gauge or a histogram.
func (e *exposition) family(name, kind, help string) {
	e.name = name
	e.b = append(e.b, "# HELP "+name+" "+help+"\n# TYPE "+name+" "+kind+"\n"...)
}

// sample adds a sample of the family; labels are names and values in turn.
func (e *exposition) sample(v float64, labels ...string) { e.line("", v, labels) }

// single is a family of one sample.
func (e *exposition) single(name, kind, help string, v float64) {
	e.family(name, kind, help)
	e.sample(v)
}

func (e *exposition) line(suffix string, v float64, labels []string) {
	e.b = append(append(e.b, e.name...), suffix...)
	for i := 0; i+1 < len(labels); i += 2 {
		e.b = append(e.b, "{,"[min(i, 1)])
		e.b = append(append(e.b, labels[i]...), `="`...)
		e.b = append(append(e.b, escapeLabel.Replace(strings.ToValidUTF8(labels[i+1], "�"))...), '"')
	}
	if len(labels) > 0 {
		e.b = append(e.b, '}')
	}
	e.b = append(strconv.AppendFloat(append(e.b, ' '), v, 'g', -1, 64), '\n')
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// histogram counts values, seconds here, by upper bounds.
type histogram struct {
	bounds []float64
	counts []uint64 // [bounds+1], the last one of what is above all
	sum    float64
}

func newHistogram(bounds []float64) histogram {
	return histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
}

func (h *histogram) observe(v float64) {
	i, _ := slices.BinarySearch(h.bounds, v) // a bound is part of its bucket
	h.counts[i]++
	h.sum += v
}

// histogram adds a family's samples of h.
func (e *exposition) histogram(h *histogram, labels ...string) {
	var n uint64
	at := append(slices.Clone(labels), "le", "")
	for i, c := range h.counts {
		n += c
		at[len(at)-1] = "+Inf"
		if i < len(h.bounds) {
			at[len(at)-1] = strconv.FormatFloat(h.bounds[i], 'g', -1, 64)
		}
		e.line("_bucket", float64(n), at)
	}
	e.line("_sum", h.sum, labels)
	e.line("_count", float64(n), labels)
}

// tally counts by labels; it may be used concurrently. The zero value works.
type tally[K comparable] struct {
	mu sync.Mutex
	n  map[K]uint64
}

func (t *tally[K]) add(k K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[K]uint64{}
	}
	t.n[k]++
}

// sorted lists the keys with their counts.
func (t *tally[K]) sorted(less func(a, b K) int) (keys []K, counts []uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.n {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, less)
	for _, k := range keys {
		counts = append(counts, t.n[k])
	}
	return keys, counts
}
