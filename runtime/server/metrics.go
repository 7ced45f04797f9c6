package server

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/sched"
)

// Upper bounds of the histograms' buckets, in seconds.
var (
	firstBounds = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120}
	gapBounds   = []float64{0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5}
)

// Metrics counts what a hub's models and a server do, for GET /metrics. Counts of a
// model outlive its being unloaded.
type Metrics struct {
	requests tally[requestKind]

	mu     sync.Mutex
	models map[string]*modelMetrics
}

// requestKind is what requests are counted by: all of it bounded, so the path is the
// pattern of its endpoint.
type requestKind struct {
	method, path string
	code         int
}

// NewMetrics makes counts of nothing.
func NewMetrics() *Metrics { return &Metrics{models: map[string]*modelMetrics{}} }

// Model is what hears of a model's requests; it is for HubOptions.Events.
func (m *Metrics) Model(name string) sched.Events {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.models[name]
	if v == nil {
		v = &modelMetrics{answers: map[string]uint64{}, first: newHistogram(firstBounds), gap: newHistogram(gapBounds)}
		m.models[name] = v
	}
	return v
}

// request counts an answered request.
func (m *Metrics) request(method, pattern string, code int) {
	k := requestKind{method: "other", path: "other", code: code}
	if slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions}, method) {
		k.method = method
	}
	if _, path, ok := strings.Cut(pattern, " "); ok {
		k.path = path
	} else if pattern != "" {
		k.path = pattern
	}
	m.requests.add(k)
}

// modelMetrics implements sched.Events.
type modelMetrics struct {
	mu                        sync.Mutex
	answers                   map[string]uint64 // by why they ended
	refused                   uint64
	prompt, cached, generated uint64
	drafted, accepted         uint64
	steps, rows               uint64
	busy                      time.Duration
	first, gap                histogram
}

func (m *modelMetrics) Refused(uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused++
}

func (m *modelMetrics) First(wait time.Duration, prompt, cached int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.first.observe(wait.Seconds())
	m.prompt += uint64(prompt)
	m.cached += uint64(cached)
	m.generated++
}

func (m *modelMetrics) Token(gap time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gap.observe(gap.Seconds())
	m.generated++
}

func (m *modelMetrics) Done(t engine.Timings, finish string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers[finish]++
	m.drafted += uint64(t.Drafted)
	m.accepted += uint64(t.Accepted)
}

func (m *modelMetrics) Step(rows int, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.steps++
	m.rows += uint64(rows)
	m.busy += took
}

// copy is what the counts are now.
func (m *modelMetrics) copy() *modelMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := &modelMetrics{
		answers: maps.Clone(m.answers), refused: m.refused, prompt: m.prompt, cached: m.cached, generated: m.generated,
		drafted: m.drafted, accepted: m.accepted, steps: m.steps, rows: m.rows, busy: m.busy, first: m.first, gap: m.gap,
	}
	out.first.counts, out.gap.counts = slices.Clone(m.first.counts), slices.Clone(m.gap.counts)
	return out
}

// write adds everything that is counted.
func (m *Metrics) write(e *exposition) {
	e.family("qwqd_http_requests_total", "counter", "Requests that were answered, by endpoint and status; 499: the client had gone.")
	keys, counts := m.requests.sorted(func(a, b requestKind) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.method, b.method), cmp.Compare(a.code, b.code))
	})
	for i, k := range keys {
		e.sample(float64(counts[i]), "method", k.method, "path", k.path, "code", strconv.Itoa(k.code))
	}
	m.mu.Lock()
	names := slices.Sorted(maps.Keys(m.models))
	models := make([]*modelMetrics, len(names))
	for i, n := range names {
		models[i] = m.models[n].copy()
	}
	m.mu.Unlock()
	each := func(name, kind, help string, f func(m *modelMetrics) float64) {
		e.family(name, kind, help)
		for i, m := range models {
			e.sample(f(m), "model", names[i])
		}
	}
	e.family("qwqd_answers_total", "counter", "Answers that ended, by why: stop, length, cancelled or error.")
	for i, m := range models {
		for _, why := range slices.Sorted(maps.Keys(m.answers)) {
			e.sample(float64(m.answers[why]), "model", names[i], "finish", why)
		}
	}
	each("qwqd_refused_total", "counter", "Requests that the scheduler refused because too much was going on.", func(m *modelMetrics) float64 { return float64(m.refused) })
	each("qwqd_prompt_tokens_total", "counter", "Tokens of prompts, cached ones included.", func(m *modelMetrics) float64 { return float64(m.prompt) })
	each("qwqd_cached_tokens_total", "counter", "Tokens of prompts that were not read again.", func(m *modelMetrics) float64 { return float64(m.cached) })
	each("qwqd_generated_tokens_total", "counter", "Tokens that were generated.", func(m *modelMetrics) float64 { return float64(m.generated) })
	each("qwqd_drafted_tokens_total", "counter", "Tokens that were guessed ahead, counted when their answer ends.", func(m *modelMetrics) float64 { return float64(m.drafted) })
	each("qwqd_accepted_tokens_total", "counter", "Guessed tokens that were right: this over the guessed ones is the acceptance rate.", func(m *modelMetrics) float64 { return float64(m.accepted) })
	each("qwqd_steps_total", "counter", "Passes through the model.", func(m *modelMetrics) float64 { return float64(m.steps) })
	each("qwqd_rows_total", "counter", "Tokens that the passes computed: this over the passes is the mean batch.", func(m *modelMetrics) float64 { return float64(m.rows) })
	each("qwqd_step_seconds_total", "counter", "Time in passes through the model.", func(m *modelMetrics) float64 { return m.busy.Seconds() })
	e.family("qwqd_time_to_first_token_seconds", "histogram", "Time from a request to its first token, waiting included.")
	for i, m := range models {
		e.histogram(&m.first, "model", names[i])
	}
	e.family("qwqd_inter_token_seconds", "histogram", "Time between two tokens of an answer; tokens of one pass share its time.")
	for i, m := range models {
		e.histogram(&m.gap, "model", names[i])
	}
}
