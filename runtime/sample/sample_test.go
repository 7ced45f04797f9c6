package sample

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/internal/testdata"
)

// TestGoldens compares every case of goldens/sampling, made with the
// processors of transformers in our order. Where edge_distance is below 1e-6
// the kept set may differ by rounding; where tie_sensitive is set only the
// number and the sorted probabilities count.
func TestGoldens(t *testing.T) {
	dir := testdata.Shared(t, "goldens", "sampling")
	arrays := testdata.NPZ(t, filepath.Join(dir, "expected.npz"))
	b, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Cases []struct {
			Case, Logits  string
			Temperature   float64  `json:"temperature"`
			TopP          *float64 `json:"top_p"`
			TopK          int      `json:"top_k"`
			MinP          float64  `json:"min_p"`
			RepeatPenalty float64  `json:"repetition_penalty"`
			Kept          int      `json:"n_kept"`
			Edge          *float64 `json:"edge_distance"`
			Ties          bool     `json:"tie_sensitive"`
			Argmax        int32    `json:"argmax"`
		}
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Cases) != 216 {
		t.Fatalf("%d cases, want 216", len(doc.Cases))
	}
	var worst float64
	for _, c := range doc.Cases {
		logits := arrays["logits."+c.Logits].F32
		o := Options{Temperature: c.Temperature, TopK: c.TopK, MinP: c.MinP, RepeatPenalty: c.RepeatPenalty}
		if c.TopP != nil {
			o.TopP = max(*c.TopP, 1e-12) // 0 keeps one token there and means "off" here
		}
		greedy := New(Options{RepeatPenalty: c.RepeatPenalty})
		if o.Temperature == 0 {
			o.Temperature = 1
		}
		s := New(o)
		for _, id := range arrays["history_ids"].I64 {
			s.Accept(int32(id))
			greedy.Accept(int32(id))
		}
		if got := New(Options{}).Next(logits, nil).ID; got != c.Argmax {
			t.Errorf("%s: greedy id %d, want %d", c.Case, got, c.Argmax)
		}
		if c.RepeatPenalty > 0 && o.TopK == 0 && o.TopP == 0 && o.MinP == 0 {
			scores, want := arrays[c.Case+".scores"].F32, 0 // every id is kept
			for i := range scores {
				if scores[i] > scores[want] {
					want = i
				}
			}
			if got := greedy.Next(logits, nil).ID; got != int32(want) {
				t.Errorf("%s: greedy id %d with penalty, want %d", c.Case, got, want)
			}
		}
		if !s.filter(logits, nil) {
			t.Errorf("%s: nothing kept", c.Case)
			continue
		}
		if c.Edge != nil && *c.Edge < 1e-6 && !c.Ties {
			continue
		}
		if len(s.cand) != c.Kept {
			t.Errorf("%s %+v: kept %d, want %d", c.Case, o, len(s.cand), c.Kept)
			continue
		}
		var total float64
		for _, x := range s.cand {
			total += x.p
		}
		var ids []int64
		var probs, scores, wantP, wantS []float64
		for _, x := range s.cand {
			ids, probs, scores = append(ids, int64(x.id)), append(probs, x.p/total), append(scores, float64(x.score))
		}
		for i, p := range arrays[c.Case+".probs"].F32 {
			wantP, wantS = append(wantP, float64(p)), append(wantS, float64(arrays[c.Case+".scores"].F32[i]))
		}
		if c.Ties {
			for _, v := range [][]float64{probs, scores, wantP, wantS} {
				slices.Sort(v)
			}
		} else if want := arrays[c.Case+".kept"].I64; !slices.Equal(ids, want) {
			t.Errorf("%s: kept %v, want %v", c.Case, ids, want)
			continue
		}
		for i := range probs {
			worst = max(worst, math.Abs(probs[i]-wantP[i]))
			if d := math.Abs(probs[i] - wantP[i]); d > 1e-5 {
				t.Errorf("%s: probability %d is %v, want %v", c.Case, i, probs[i], wantP[i])
			}
			if d := math.Abs(scores[i] - wantS[i]); d > 1e-5*max(1, math.Abs(wantS[i])) {
				t.Errorf("%s: score %d is %v, want %v", c.Case, i, scores[i], wantS[i])
			}
		}
	}
	t.Logf("worst probability error %.2g", worst)
}

func vocabulary(n int) []float32 {
	x := make([]float32, n)
	state := uint64(7)
	for i := range x {
		state = state*6364136223846793005 + 1442695040888963407
		x[i] = float32(int32(state>>33)%4000)/300 - float32(i%7)
	}
	return x
}

// TestPinned holds ids that were drawn once; they must never change, on any
// platform.
func TestPinned(t *testing.T) {
	x := vocabulary(1000)
	for _, c := range []struct {
		o    Options
		want []int32
	}{
		{Options{Temperature: 1}, pinnedPlain},
		{Options{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: 1}, pinnedDefault},
		{Options{Temperature: 1.3, TopP: 0.9, RepeatPenalty: 1.2, RepeatLast: 4, Seed: math.MaxUint64}, pinnedPenalty},
	} {
		s := New(c.o)
		for range 2 {
			var got []int32
			for range 12 {
				id := s.Next(x, nil).ID
				s.Accept(id)
				got = append(got, id)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%+v: %v, want %v", c.o, got, c.want)
			}
			s.Reset()
		}
	}
}

func TestTopPAgainstSort(t *testing.T) {
	x := vocabulary(5000)
	for _, p := range []float64{1e-9, 0.1, 0.5, 0.9, 0.999, 1 - 1e-12} {
		s := New(Options{Temperature: 1.5, TopP: p})
		s.filter(x, nil)
		got := map[int32]bool{}
		for _, c := range s.cand {
			got[c.id] = true
		}
		all := New(Options{Temperature: 1.5})
		all.filter(x, nil)
		slices.SortStableFunc(all.cand, func(a, b candidate) int {
			switch {
			case a.score > b.score:
				return -1
			case a.score < b.score:
				return 1
			}
			return 0
		})
		var total, before float64
		for _, c := range all.cand {
			total += c.p
		}
		n := 0
		for i, c := range all.cand {
			if i > 0 && before >= p*total {
				break
			}
			if !got[c.id] {
				t.Errorf("p %v: id %d is not kept", p, c.id)
			}
			n, before = n+1, before+c.p
		}
		if n != len(got) {
			t.Errorf("p %v: kept %d, want %d", p, len(got), n)
		}
	}
}

func TestAllowedAndBias(t *testing.T) {
	x := []float32{1, 5, 3, 5, float32(math.NaN())}
	if id := New(Options{}).Next(x, nil).ID; id != 1 {
		t.Errorf("tie: got %d, want the lowest id 1", id)
	}
	for _, temp := range []float64{0, 1} {
		o := Options{Temperature: temp, TopK: 1}
		if id := New(o).Next(x, []uint64{1 << 2}).ID; id != 2 {
			t.Errorf("temp %v: one id allowed: got %d, want 2", temp, id)
		}
		if id := New(o).Next(x, []uint64{}).ID; id != -1 {
			t.Errorf("temp %v: nothing allowed: got %d, want -1", temp, id)
		}
		o.LogitBias = map[int32]float32{0: 100, 99: 3}
		if id := New(o).Next(x, nil).ID; id != 0 {
			t.Errorf("temp %v: bias: got %d, want 0", temp, id)
		}
	}
	if id := New(Options{RepeatPenalty: 2}).Next(x, nil).ID; id != 1 {
		t.Errorf("empty history: got %d, want 1", id)
	}
	s := New(Options{RepeatPenalty: 2, RepeatLast: 1})
	s.Accept(1)
	s.Accept(3)
	if id := s.Next(x, nil).ID; id != 1 {
		t.Errorf("window of one: got %d, want 1", id)
	}
}

func TestLogprobs(t *testing.T) {
	x := []float32{0, float32(math.Log(3)), float32(math.Log(3)), float32(math.Inf(-1))}
	c := New(Options{Logprobs: 3}).Next(x, nil)
	want := float32(math.Log(3.0 / 7))
	if c.ID != 1 || math.Abs(float64(c.Logprob-want)) > 1e-6 || len(c.Top) != 3 {
		t.Fatalf("got %+v, want id 1, logprob %v and 3 alternatives", c, want)
	}
	if c.Top[0].ID != 1 || c.Top[1].ID != 2 || c.Top[2].ID != 0 {
		t.Errorf("alternatives %v, want ids 1, 2, 0", c.Top)
	}
	if c = New(Options{Logprobs: -1}).Next(x, nil); len(c.Top) != 0 || c.Logprob == 0 {
		t.Errorf("chosen only: got %+v", c)
	}
}

func TestMath(t *testing.T) {
	for x := -707.9; x <= 0; x += 0.0137 {
		if got, want := exp(x), math.Exp(x); math.Abs(got-want) > 1e-15*want {
			t.Fatalf("exp(%v) = %v, want %v", x, got, want)
		}
	}
	for x := 1e-300; x < 1e300; x *= 1.37 {
		if got, want := ln(x), math.Log(x); math.Abs(got-want) > 1e-15*max(1, math.Abs(want)) {
			t.Fatalf("ln(%v) = %v, want %v", x, got, want)
		}
	}
	if exp(0) != 1 || exp(-1000) != 0 || ln(1) != 0 {
		t.Errorf("exp(0) %v, exp(-1000) %v, ln(1) %v", exp(0), exp(-1000), ln(1))
	}
}

func TestDistribution(t *testing.T) {
	x := []float32{0, float32(math.Log(2)), float32(math.Log(5))}
	s := New(Options{Temperature: 1, Seed: 3})
	var n [3]float64
	for range 80000 {
		n[s.Next(x, nil).ID]++
	}
	for i, want := range []float64{10000, 20000, 50000} {
		if math.Abs(n[i]-want) > 600 {
			t.Errorf("id %d drawn %v times of 80000, want about %v", i, n[i], want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, o := range []Options{{Temperature: -1}, {Temperature: math.NaN()}, {TopK: -1}, {TopP: -0.1}, {MinP: 2}, {RepeatPenalty: -1}, {RepeatLast: -1}, {Logprobs: 1000}, {LogitBias: map[int32]float32{-4: 1}}} {
		if o.Check() == nil {
			t.Errorf("%+v passed", o)
		}
	}
	if err := (Options{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, RepeatPenalty: 1, Seed: 1}).Check(); err != nil {
		t.Error(err)
	}
}

func TestNoAllocation(t *testing.T) {
	x := vocabulary(20000)
	for _, o := range []Options{{}, {Temperature: 1}, {Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}, {Temperature: 2, TopP: 0.99, RepeatPenalty: 1.1, RepeatLast: 64, Logprobs: 5}} {
		s := New(o)
		step := func() { s.Accept(s.Next(x, nil).ID) }
		for range 100 {
			step()
		}
		if n := testing.AllocsPerRun(20, step); n != 0 {
			t.Errorf("%+v: %v allocations a token", o, n)
		}
	}
}

func BenchmarkNext152k(b *testing.B) {
	x := vocabulary(151936)
	for _, c := range []struct {
		name string
		o    Options
	}{{"greedy", Options{}}, {"topk40", Options{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}}, {"topp", Options{Temperature: 1, TopP: 0.95}}, {"plain", Options{Temperature: 1}}} {
		b.Run(c.name, func(b *testing.B) {
			s := New(c.o)
			for b.Loop() {
				s.Next(x, nil)
			}
		})
	}
}

// TestFrequency: what was generated is penalised once for being there and once per time,
// the prompt is not; a clone goes its own way.
func TestFrequency(t *testing.T) {
	logits := []float32{3, 2.9, 2, 1}
	s := New(Options{Frequency: 0.5, Presence: 0.25})
	for range 5 {
		s.Accept(0) // the prompt
	}
	s.Begin()
	var got []int32
	for range 6 {
		c := s.Next(logits, nil)
		got = append(got, c.ID)
		s.Accept(c.ID)
	}
	// 0: 3, 1: 2.9 | 0: 2.25 | 1: 2.15, 2: 2 | 0: 1.75, 1: 1.65
	if want := []int32{0, 1, 0, 1, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	c := s.Clone()
	c.Accept(3)
	if s.counts[3] != 0 || c.counts[3] != 1 || c.counts[0] != 3 {
		t.Errorf("the sampler has %v, its clone %v", s.counts, c.counts)
	}
	s.Reset()
	if c := s.Next(logits, nil); c.ID != 0 {
		t.Errorf("after Reset %d, want 0", c.ID)
	}
	if err := (Options{Frequency: math.NaN()}).Check(); err == nil {
		t.Error("NaN was taken")
	}
}
