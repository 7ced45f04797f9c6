// Package sample turns one row of logits into a token id. It is a leaf: it
// knows nothing of models, tokenizers or devices, and it must never allocate
// in Next once the first call has sized its buffers.
//
// The steps run in this order: logit bias, frequency and presence penalty, repetition
// penalty, temperature, top-k, top-p, min-p, draw. Each is off unless asked for. The same options,
// logits and history give the same id on every platform: exponentials and
// logarithms are this package's own (math.Exp differs between
// architectures), sums run in float64 over ascending ids, and the generator
// is PCG-DXSM (math/rand/v2) seeded with (Seed, 0x9e3779b97f4a7c15).
//
//	s := sample.New(sample.Options{Temperature: 0.8, TopK: 40, Seed: 1})
//	for {
//		c := s.Next(logits, nil)
//		s.Accept(c.ID)
//	}
package sample

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// Options chooses the distribution. The zero value is greedy decoding.
type Options struct {
	Temperature   float64 // 0: argmax of the logits, the lowest id wins a tie; else logits are divided by it
	TopK          int     // keep the k largest (ties with the k-th stay); 0: off
	TopP          float64 // keep the most likely tokens until their mass reaches it; 0 or ≥ 1: off
	MinP          float64 // keep tokens of at least this share of the likeliest one's probability; 0: off
	RepeatPenalty float64 // once per distinct id of the history: logit < 0 is multiplied, else divided; 0 or 1: off
	RepeatLast    int     // the history is the last n accepted ids; 0: all of them
	// Frequency and Presence are subtracted from the logits of the ids that were accepted
	// after Begin: Frequency once per time, Presence once. 0: off; less than 0 favours them.
	Frequency, Presence float64
	Seed                uint64 // of the generator; every value, 0 too, is a seed
	LogitBias           map[int32]float32
	Logprobs            int // 0: none; -1: the chosen token's; n > 0: also those of the n likeliest
}

// MaxLogprobs is the largest number of alternatives that Options.Logprobs may
// ask for.
const MaxLogprobs = 100

// Check reports the first option that is out of range.
func (o Options) Check() error {
	finite := func(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
	switch {
	case !finite(o.Temperature) || o.Temperature < 0:
		return fmt.Errorf("sample: temperature %v is not 0 or more", o.Temperature)
	case o.TopK < 0:
		return fmt.Errorf("sample: top-k %d is negative", o.TopK)
	case !finite(o.TopP) || o.TopP < 0:
		return fmt.Errorf("sample: top-p %v is not 0 or more", o.TopP)
	case !finite(o.MinP) || o.MinP < 0 || o.MinP > 1:
		return fmt.Errorf("sample: min-p %v is not in 0 to 1", o.MinP)
	case !finite(o.RepeatPenalty) || o.RepeatPenalty < 0:
		return fmt.Errorf("sample: repeat penalty %v is not 0 or more", o.RepeatPenalty)
	case !finite(o.Frequency) || !finite(o.Presence):
		return fmt.Errorf("sample: frequency penalty %v, presence penalty %v", o.Frequency, o.Presence)
	case o.RepeatLast < 0:
		return fmt.Errorf("sample: repeat window %d is negative", o.RepeatLast)
	case o.Logprobs < -1 || o.Logprobs > MaxLogprobs:
		return fmt.Errorf("sample: %d logprobs asked for, the most is %d", o.Logprobs, MaxLogprobs)
	}
	for id, b := range o.LogitBias {
		if id < 0 || b != b {
			return fmt.Errorf("sample: logit bias %v for id %d", b, id)
		}
	}
	return nil
}

// Alternative is a token that could have been chosen.
type Alternative struct {
	ID      int32
	Logprob float32 // natural logarithm of its probability under the raw logits
}

// Choice is the result of Next.
type Choice struct {
	ID      int32         // -1 when nothing is allowed (or every logit is NaN or -Inf)
	Logprob float32       // under the raw logits, before bias, penalty and temperature; 0 unless Options.Logprobs
	Top     []Alternative // likeliest first, the lower id first among equals; valid until the next call
}

// candidate is a token that is still in the running; lists of them are in
// ascending id order.
type candidate struct {
	id    int32
	score float32 // after bias, penalty and temperature
	p     float64 // exp(score - largest score); not normalised
}

type bias struct {
	id int32
	b  float32
}

// Sampler draws tokens of one sequence. It is not safe for concurrent use.
type Sampler struct {
	o       Options
	rng     rand.PCG
	biases  []bias
	history []int32       // accepted ids, at most the window when there is one
	next    int           // ring position in history once the window is full
	counts  map[int32]int // of the ids accepted after Begin; nil unless they are penalised
	seen    []uint64      // bitset scratch; all zero between calls
	work    []float32
	cand    []candidate
	sorted  []candidate
	heap    []float32
	top     []Alternative
}

// New returns a sampler; options out of range (Options.Check) are taken as
// off.
func New(o Options) *Sampler {
	s := &Sampler{o: o}
	for id, b := range o.LogitBias {
		s.biases = append(s.biases, bias{id, b})
	}
	slices.SortFunc(s.biases, func(a, b bias) int { return cmp.Compare(a.id, b.id) })
	s.Reset()
	return s
}

// Reset forgets the history and seeds the generator again.
func (s *Sampler) Reset() {
	s.rng.Seed(s.o.Seed, 0x9e3779b97f4a7c15)
	s.history, s.next = s.history[:0], 0
	s.Begin()
}

// Begin says that the prompt is over: what is accepted from now on is generated.
func (s *Sampler) Begin() {
	if s.o.Frequency != 0 || s.o.Presence != 0 {
		s.counts = map[int32]int{}
	}
}

// Clone returns an independent sampler in the same state, for a forked
// sequence.
func (s *Sampler) Clone() *Sampler {
	c := &Sampler{o: s.o, rng: s.rng, biases: s.biases, next: s.next}
	c.history, c.counts = slices.Clone(s.history), maps.Clone(s.counts)
	return c
}

// Follow puts s into the state of o, so that it would choose alike, and keeps its own
// buffers. It computes no log-probabilities.
func (s *Sampler) Follow(o *Sampler) {
	s.o, s.rng, s.biases, s.next = o.o, o.rng, o.biases, o.next
	s.o.Logprobs = 0
	s.history = append(s.history[:0], o.history...)
	if s.counts = nil; o.counts != nil {
		s.counts = maps.Clone(o.counts)
	}
}

// Accept adds an id to the history that the repetition penalty looks at.
// Prompt ids count too, when the caller passes them.
func (s *Sampler) Accept(id int32) {
	if s.counts != nil {
		s.counts[id]++
	}
	if !s.repeats() {
		return
	}
	if n := s.o.RepeatLast; n > 0 && len(s.history) >= n {
		s.history[s.next] = id
		s.next = (s.next + 1) % n
		return
	}
	s.history = append(s.history, id)
}

func (s *Sampler) repeats() bool { return s.o.RepeatPenalty > 0 && s.o.RepeatPenalty != 1 }

// penalised says whether the history changes logits.
func (s *Sampler) penalised() bool { return s.repeats() || len(s.counts) > 0 }

// Next chooses a token. logits: [vocabulary], not changed. allowed is a
// bitset by token id, least significant bit first; ids beyond its end are not
// allowed; nil allows everything. A NaN logit counts as -Inf.
func (s *Sampler) Next(logits []float32, allowed []uint64) Choice {
	var c Choice
	if s.o.Temperature <= 0 || s.o.Temperature != s.o.Temperature {
		c.ID = s.greedy(logits, allowed)
	} else if s.filter(logits, allowed) {
		c.ID = s.draw()
	} else {
		c.ID = -1
	}
	if s.o.Logprobs != 0 && c.ID >= 0 {
		s.logprobs(logits, &c)
	}
	return c
}

func (s *Sampler) greedy(logits []float32, allowed []uint64) int32 {
	if len(s.biases) > 0 || s.penalised() {
		s.work = append(s.work[:0], logits...)
		s.adjust(s.work)
		logits = s.work
	}
	best, id := float32(math.Inf(-1)), int32(-1)
	for i, x := range logits {
		if x > best && (allowed == nil || permitted(allowed, i)) {
			best, id = x, int32(i)
		}
	}
	return id
}

func permitted(set []uint64, id int) bool {
	w := id >> 6
	return w < len(set) && set[w]>>(id&63)&1 != 0
}

// adjust applies bias and penalties to x in place.
func (s *Sampler) adjust(x []float32) {
	for _, b := range s.biases {
		if int(b.id) < len(x) {
			x[b.id] += b.b
		}
	}
	for id, n := range s.counts {
		if id >= 0 && int(id) < len(x) {
			x[id] -= float32(float64(s.o.Frequency*float64(n)) + s.o.Presence) // rounded: never fused
		}
	}
	if !s.repeats() {
		return
	}
	if n := (len(x) + 63) / 64; len(s.seen) < n {
		s.seen = make([]uint64, n)
	}
	p := float32(s.o.RepeatPenalty)
	for _, id := range s.history {
		if id < 0 || int(id) >= len(x) || permitted(s.seen, int(id)) {
			continue
		}
		s.seen[id>>6] |= 1 << (id & 63)
		if x[id] < 0 {
			x[id] *= p
		} else {
			x[id] /= p
		}
	}
	for _, id := range s.history {
		if id >= 0 && int(id) < len(x) {
			s.seen[id>>6] = 0
		}
	}
}

// draw picks from the candidates in proportion to p, walking up the ids.
func (s *Sampler) draw() int32 {
	var total float64
	for i := range s.cand {
		total += s.cand[i].p
	}
	u := float64(float64(s.rng.Uint64()>>11) * 0x1p-53 * total) // rounded: never fused with the subtraction
	for i := range s.cand {
		if u -= s.cand[i].p; u < 0 {
			return s.cand[i].id
		}
	}
	return s.cand[len(s.cand)-1].id
}
