package teacher

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/cache"
	"github.com/qwq-edge/qwq/internal/shard"
)

const httpVocab = 50

// logProbs is what the server's model says after ids.
func logProbs(ids []int32) []float64 {
	seed := uint64(0)
	for _, id := range ids {
		seed = seed*1000003 + uint64(id) + 1
	}
	rng := rand.New(rand.NewPCG(seed, 7))
	l, sum := make([]float64, httpVocab), 0.0
	for i := range l {
		l[i] = rng.NormFloat64() * 2
		sum += math.Exp(l[i])
	}
	for i := range l {
		l[i] -= math.Log(sum)
	}
	return l
}

// server answers in a mode; busy counts how often it says 503 first.
type server struct {
	mode string
	busy int
	seen int
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.mode == "chat only" || r.URL.Path != "/v1/completions" || r.Header.Get("Authorization") != "Bearer secret" {
		http.Error(w, "no such thing", http.StatusNotFound)
		return
	}
	if s.busy > 0 {
		s.busy--
		http.Error(w, "later", http.StatusServiceUnavailable)
		return
	}
	s.seen++
	var q struct {
		Prompt         []int32
		PromptLogprobs int `json:"prompt_logprobs"`
		Logprobs       int
		Echo           bool
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	k := max(q.PromptLogprobs, q.Logprobs)
	if s.mode == "few" && k > 5 {
		http.Error(w, "logprobs must be at most 5", http.StatusBadRequest)
		return
	}
	type value struct {
		Logprob float64 `json:"logprob"`
	}
	prompt := []map[string]value{nil}
	top := []map[string]float64{nil}
	tokens, own := []string{"token_id:" + fmt.Sprint(q.Prompt[0])}, []any{nil}
	for i := 1; i < len(q.Prompt); i++ {
		l := logProbs(q.Prompt[:i])
		sorted := slices.Clone(l)
		slices.Sort(sorted)
		p, t := map[string]value{}, map[string]float64{}
		for id, v := range l {
			if v >= sorted[httpVocab-k] || int32(id) == q.Prompt[i] {
				name := "token_id:" + fmt.Sprint(id)
				if s.mode == "text" {
					name = fmt.Sprintf("word%d", id)
				}
				t[name] = v
				if s.mode == "other ids" {
					id += 1000
				}
				if s.mode == "no distribution" {
					v /= 10
				}
				p[fmt.Sprint(id)] = value{v}
			}
		}
		prompt, top = append(prompt, p), append(top, t)
		tokens, own = append(tokens, "token_id:"+fmt.Sprint(q.Prompt[i])), append(own, l[q.Prompt[i]])
	}
	choice := map[string]any{"text": "x"}
	switch {
	case s.mode == "ignores":
	case s.mode == "short":
		choice["prompt_logprobs"] = prompt[:2]
	case s.mode != "echo" && s.mode != "text" && q.PromptLogprobs > 0:
		choice["prompt_logprobs"] = prompt
	case (s.mode == "echo" || s.mode == "text") && q.Echo:
		choice["logprobs"] = map[string]any{"tokens": tokens, "token_logprobs": own, "top_logprobs": top}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{choice}})
}

func dial(t *testing.T, s *server, change func(*HTTPOptions)) (*HTTP, error) {
	t.Helper()
	ts := httptest.NewServer(s)
	t.Cleanup(ts.Close)
	o := HTTPOptions{URL: ts.URL + "/v1/", Model: "m", Key: "secret", Vocab: httpVocab, K: 8}
	if change != nil {
		change(&o)
	}
	return Dial(t.Context(), o)
}

func httpBatch() *distill.Batch {
	b := &distill.Batch{Rows: 2, Length: 12, Docs: []int32{5, 7, 1, 11}}
	rng := rand.New(rand.NewPCG(3, 3))
	for range 24 {
		b.IDs = append(b.IDs, int32(rng.IntN(httpVocab)))
		b.Next = append(b.Next, int32(rng.IntN(httpVocab)))
	}
	copy(b.Next, b.IDs[1:])
	for _, at := range []int{4, 12} { // a document's end; 11 and 23 go on in another row
		b.Next[at] = -1
	}
	return b
}

func TestHTTPScore(t *testing.T) {
	for _, mode := range []string{"vllm", "echo"} {
		s := &server{mode: mode}
		h, err := dial(t, s, nil)
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		b := httpBatch()
		starts := map[int]int{} // position: start of its piece
		at := 0
		for _, d := range b.Docs {
			for i := range int(d) {
				starts[at+i] = at
			}
			at += int(d)
		}
		var dst distill.Targets
		s.seen = 0
		for _, r := range [][2]int{{0, 3}, {3, 12}, {12, 24}} {
			if err := h.Score(t.Context(), b, r[0], r[1], &dst); err != nil {
				t.Fatalf("%s: %v", mode, err)
			}
			for i := range dst.N {
				p := r[0] + i
				if b.Next[p] < 0 {
					continue
				}
				l := logProbs(b.IDs[starts[p] : p+1])
				mass := float64(dst.Tail[i])
				for j := range dst.K {
					id := dst.IDs[i*dst.K+j]
					if got := float64(dst.LogP[i*dst.K+j]); math.Abs(got-l[id]) > 1e-5 || j > 0 && got > float64(dst.LogP[i*dst.K+j-1]) {
						t.Errorf("%s: position %d, entry %d: id %d with %g, want %g", mode, p, j, id, got, l[id])
					}
					mass += math.Exp(l[id])
				}
				if math.Abs(mass-1) > 1e-5 {
					t.Errorf("%s: position %d: masses sum to %g", mode, p, mass)
				}
			}
		}
		if s.seen != 3 { // the piece of one unscored id needs none
			t.Errorf("%s: %d requests, want 3", mode, s.seen)
		}
	}
}

func TestHTTPRefused(t *testing.T) {
	for _, mode := range []string{"chat only", "ignores", "text", "other ids", "no distribution", "short", "few"} {
		if _, err := dial(t, &server{mode: mode}, nil); !errors.Is(err, ErrCannotScore) {
			t.Errorf("%s: got %v, want ErrCannotScore", mode, err)
		}
	}
	for name, change := range map[string]func(*HTTPOptions){
		"temperature": func(o *HTTPOptions) { o.Temps = []float64{1, 2} }, "address": func(o *HTTPOptions) { o.URL = "ftp://x" },
		"no model": func(o *HTTPOptions) { o.Model = "" }, "k": func(o *HTTPOptions) { o.K = -1 }, "key": func(o *HTTPOptions) { o.Key = "" },
		"vocabulary": func(o *HTTPOptions) { o.Student = distill.Vocab{Size: 1, Teacher: []int32{99}} },
	} {
		if _, err := dial(t, &server{mode: "vllm"}, change); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := dial(t, &server{mode: "vllm"}, func(o *HTTPOptions) { o.Temps = []float64{2} }); err == nil || !strings.Contains(err.Error(), "temperature 2") {
		t.Errorf("temperature 2: got %v", err)
	}
}

func TestHTTPBusy(t *testing.T) {
	s := &server{mode: "vllm"}
	h, err := dial(t, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.busy = 1
	var dst distill.Targets
	if err := h.Score(t.Context(), httpBatch(), 0, 2, &dst); err != nil {
		t.Errorf("a server that is busy once: %v", err)
	}
}

// TestHTTPCache caches a served teacher.
func TestHTTPCache(t *testing.T) {
	h, err := dial(t, &server{mode: "vllm"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := cache.Options{Source: httpRows{}, Teacher: h, Vocab: httpVocab, K: 8, Parts: 1}
	job, err := cache.NewJob(o)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cache")
	if err := shard.Run(t.Context(), path, job, shard.Selection{}, shard.Options{}); err != nil {
		t.Fatal(err)
	}
	c, err := cache.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	teacher, err := c.Teacher(cache.TeacherOptions{Temps: []float64{1}})
	if err != nil {
		t.Fatal(err)
	}
	var got, want distill.Targets
	b := httpBatch()
	if err := errors.Join(teacher.Score(t.Context(), b, 0, 24, &got), h.Score(t.Context(), b, 0, 24, &want)); err != nil {
		t.Fatal(err)
	}
	for i := range got.N {
		for j := range got.K {
			at := i*got.K + j
			if b.Next[i] >= 0 && (got.IDs[at] != want.IDs[at] || math.Abs(float64(got.LogP[at]-want.LogP[at])) > 4e-3) {
				t.Errorf("position %d, entry %d: %d %g, want %d %g", i, j, got.IDs[at], got.LogP[at], want.IDs[at], want.LogP[at])
			}
		}
	}
	o.Temps = []float64{1, 2}
	if job, err = cache.NewJob(o); err == nil {
		err = shard.Run(t.Context(), path+"2", job, shard.Selection{}, shard.Options{})
	}
	if err == nil || !strings.Contains(err.Error(), "temperature 2") {
		t.Errorf("caching for temperature 2: got %v", err)
	}
}

// httpRows is the two rows of httpBatch.
type httpRows struct{}

func (httpRows) ID() distill.Hash { return distill.Hash{1} }
func (httpRows) Rows() int        { return 2 }
func (httpRows) Length() int      { return 12 }
func (httpRows) Batch(index []int, b *distill.Batch) error {
	if !slices.Equal(index, []int{0, 1}) {
		return errors.New("other rows than both")
	}
	*b = *httpBatch()
	return nil
}
