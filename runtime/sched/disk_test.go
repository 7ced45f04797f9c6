package sched

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
	"github.com/qwq-edge/qwq/runtime/sample"
)

// memDisk is a Disk in memory.
type memDisk struct {
	mu       sync.Mutex
	worth    int
	stored   []stored
	sessions map[string][]int32
	loads    int
	damage   func(r io.Reader) io.Reader
	block    chan struct{} // a Save waits for it after its first bytes
	begun    chan struct{}
}

type stored struct {
	ids     []int32
	from    int
	session string
	data    []byte
}

func (d *memDisk) Prompt([]int32, string) int { return d.worth }

// best gives the pieces that have the most of ids.
func (d *memDisk) best(ids []int32) (pieces []stored, n int) {
	for {
		var next stored
		most := n
		for _, o := range d.stored {
			if k := common(o.ids, ids); k > most && o.from <= n {
				next, most = o, k
			}
		}
		if most == n {
			return pieces, n
		}
		pieces, n = append(pieces, next), most
	}
}

func (d *memDisk) Base(ids []int32, _ string) int { return d.Find(ids) }

func (d *memDisk) Find(ids []int32) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, n := d.best(ids)
	return n
}

func (d *memDisk) Load(ids []int32, f func(int, io.Reader) error) {
	d.mu.Lock()
	pieces, _ := d.best(ids)
	d.loads++
	d.mu.Unlock()
	for _, s := range pieces {
		r := io.Reader(bytes.NewReader(s.data))
		if d.damage != nil {
			r = d.damage(r)
		}
		if f(common(s.ids, ids), r) != nil {
			return // the prompt is read again
		}
	}
}

type blocking struct {
	d *memDisk
	w io.Writer
}

func (b blocking) Write(p []byte) (int, error) {
	if b.d.block != nil {
		select {
		case b.d.begun <- struct{}{}:
		default:
		}
		select {
		case <-b.d.block:
		case <-time.After(20 * time.Millisecond): // a slow card
		}
	}
	return b.w.Write(p)
}

func (d *memDisk) Save(ids []int32, from int, session string, size int64, write func(io.Writer) error) {
	var b bytes.Buffer
	if err := write(blocking{d, &b}); err != nil {
		return
	}
	if int64(b.Len()) != size {
		panic("another size than announced")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stored = append(d.stored, stored{slices.Clone(ids), from, session, b.Bytes()})
}

func (d *memDisk) Session(session string, ids []int32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sessions == nil {
		d.sessions = map[string][]int32{}
	}
	d.sessions[session] = ids
}

func (d *memDisk) saved(session string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.stored {
		if s.session == session {
			n = len(s.ids)
		}
	}
	return n
}

// tokens reads a stream to its end, probabilities too.
func tokensOf(t *testing.T, st *Stream) (out []engine.Token) {
	t.Helper()
	for tok, err := range st.Tokens() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, tok)
	}
	return out
}

func sameTokens(a, b []engine.Token) bool {
	return slices.EqualFunc(a, b, func(x, y engine.Token) bool {
		return x.ID == y.ID && x.Logprob == y.Logprob && x.Text == y.Text
	})
}

// TestDisk: what was saved is read by the next process in place of the prompt, for each
// type of KV cache, and the answers have the same bits, probabilities included.
func TestDisk(t *testing.T) {
	path := modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Tokenizer: true, Context: 512})
	rng := rand.New(rand.NewPCG(1, 9))
	system := ids(rng, 300)
	var requests []Request
	for i := range 6 {
		r := Request{Request: engine.Request{IDs: append(slices.Clone(system), ids(rng, 1+20*i)...), MaxTokens: 30, IgnoreEOS: true, Logprobs: -1}}
		r.Sampling = sample.Options{Temperature: 0.9, TopK: 40, Seed: uint64(i)}
		requests = append(requests, r)
	}
	for _, kv := range []string{"f32", "f16", "q8_0"} {
		d := &memDisk{worth: 290}
		var want [][]engine.Token
		for start := range 3 {
			m, err := engine.Open(path, engine.Options{Threads: 1 + start%2, KV: kv, Sequences: 2})
			if err != nil {
				t.Fatal(err)
			}
			o := Options{Keep: -1}
			if start > 0 {
				o.Disk = d
			}
			s := New(m, o)
			for i, r := range requests {
				got := tokensOf(t, submit(t, s, r))
				cached := got[len(got)-1].Timings.CachedTokens
				switch {
				case start == 0:
					want = append(want, got)
				case !sameTokens(got, want[i]):
					t.Errorf("%s: start %d: request %d has other tokens", kv, start, i)
				case start == 2 && cached != 290:
					t.Errorf("%s: request %d: %d tokens came from the disk", kv, i, cached)
				}
			}
			if err := errors.Join(s.Drain(t.Context()), m.Close()); err != nil {
				t.Error(err)
			}
		}
		if len(d.stored) != 1 || len(d.stored[0].ids) != 290 {
			t.Errorf("%s: %d were saved", kv, len(d.stored))
		}
	}
}

// TestDiskSession: a conversation's ids are noted after each answer, its KV cache goes to
// disk when it has been idle, and when the scheduler drains; Close leaves it.
func TestDiskSession(t *testing.T) {
	m := load(t, engine.Options{Threads: 1})
	d := &memDisk{}
	prompt := ids(rand.New(rand.NewPCG(2, 9)), 200)
	ask := func(s *Scheduler, session string, p []int32) []int32 {
		st := submit(t, s, Request{Request: engine.Request{IDs: p, MaxTokens: 20, IgnoreEOS: true}, Session: session})
		got, _, err := read(st)
		if err != nil {
			t.Fatal(err)
		}
		return append(slices.Clone(p), got...)
	}
	wait := func(what string, f func() bool) {
		t.Helper()
		for range 400 {
			if f() {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Fatalf("%s did not happen", what)
	}
	s := start(t, m, Options{Disk: d, Idle: 30 * time.Millisecond})
	first := ask(s, "a", prompt)
	wait("saving when idle", func() bool { return d.saved("a") == 219 })
	if !slices.Equal(d.sessions["a"], first[:219]) {
		t.Errorf("%d ids were noted", len(d.sessions["a"]))
	}
	s.Close()
	s = start(t, m, Options{Disk: d, Idle: time.Hour})
	second := ask(s, "a", append(first, prompt[:100]...))
	if d.saved("a") != 219 {
		t.Error("saved before it was idle")
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if last := d.stored[len(d.stored)-1]; last.from != 192 || len(last.data) > len(d.stored[0].data) {
		t.Errorf("the second turn was written from %d on, %d bytes", last.from, len(last.data))
	}
	if n := d.saved("a"); n != 339 || !slices.Equal(d.sessions["a"], second[:339]) {
		t.Errorf("%d tokens saved by Drain, %d ids", n, len(d.sessions["a"]))
	}
	s = start(t, m, Options{Disk: d, Idle: time.Hour})
	cut := submit(t, s, Request{Request: engine.Request{IDs: second, MaxTokens: 1, IgnoreEOS: true, Logprobs: -1}})
	whole, err := m.NewSeq(engine.Request{IDs: second, MaxTokens: 1, IgnoreEOS: true, Logprobs: -1})
	if err != nil {
		t.Fatal(err)
	}
	for whole.Finish() == "" {
		if err := m.Step(t.Context(), []*engine.Seq{whole}); err != nil {
			t.Fatal(err)
		}
	}
	if got := tokensOf(t, cut); got[0].Timings.CachedTokens != 339 || !sameTokens(got, whole.Tokens()) {
		t.Errorf("from two pieces: %+v, want %+v", got, whole.Tokens())
	}
	whole.Release()
	ask(s, "b", ids(rand.New(rand.NewPCG(8, 8)), 90))
	s.Close()
	if len(d.sessions["b"]) != 109 || d.saved("b") != 0 {
		t.Errorf("Close left %d ids, %d saved", len(d.sessions["b"]), d.saved("b"))
	}
	s = start(t, m, Options{Disk: d, Idle: time.Hour}) // after a kill
	if err := s.Warm(t.Context(), "b", d.sessions["b"]); err != nil {
		t.Error(err)
	}
	st := submit(t, s, Request{Request: engine.Request{IDs: append(slices.Clone(d.sessions["b"]), 7, 8), MaxTokens: 1}})
	if got := tokensOf(t, st); got[0].Timings.CachedTokens != 109 {
		t.Errorf("%d tokens were computed again", got[0].Timings.CachedTokens)
	}
	s.ForgetSession("b")
	if err := s.Drain(t.Context()); err != nil || d.saved("b") != 0 {
		t.Errorf("forgotten, and %d tokens were saved, %v", d.saved("b"), err)
	}
	if used, _ := m.Pages(); used != 0 {
		t.Errorf("%d pages are used at the end", used)
	}
}

// TestDiskMany: of more conversations than are kept in memory, those that go are written.
func TestDiskMany(t *testing.T) {
	m := load(t, engine.Options{Threads: 1})
	d := &memDisk{}
	s := start(t, m, Options{Disk: d, Idle: time.Hour, Keep: 2})
	for i, session := range []string{"a", "b", "c"} {
		p := ids(rand.New(rand.NewPCG(uint64(i), 10)), 100)
		if _, _, err := read(submit(t, s, Request{Request: engine.Request{IDs: p, MaxTokens: 2, IgnoreEOS: true}, Session: session})); err != nil {
			t.Fatal(err)
		}
	}
	for range 400 {
		if d.saved("a") > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if d.saved("a") != 101 || d.saved("b") != 0 {
		t.Errorf("%d and %d tokens were written", d.saved("a"), d.saved("b"))
	}
}

// TestDiskForget: a session that is forgotten while it is written, or waits for that, does
// not come to disk afterwards.
func TestDiskForget(t *testing.T) {
	m := load(t, engine.Options{Threads: 1})
	d := &memDisk{block: make(chan struct{}), begun: make(chan struct{}, 1)}
	s := start(t, m, Options{Disk: d, Idle: time.Hour, Keep: 1})
	for i, session := range []string{"a", "b", "c"} { // a is being written, b waits, c is kept
		p := ids(rand.New(rand.NewPCG(uint64(i), 11)), 100)
		if _, _, err := read(submit(t, s, Request{Request: engine.Request{IDs: p, MaxTokens: 2, IgnoreEOS: true}, Session: session})); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			<-d.begun
		}
	}
	for _, session := range []string{"b", "c", "a"} {
		s.ForgetSession(session)
		d.mu.Lock()
		delete(d.sessions, session)
		d.stored = slices.DeleteFunc(d.stored, func(v stored) bool { return v.session == session })
		d.mu.Unlock()
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if len(d.sessions) != 0 || len(d.stored) != 0 {
		t.Errorf("%d sessions and %d snapshots came afterwards", len(d.sessions), len(d.stored))
	}
	if used, _ := m.Pages(); used != 0 {
		t.Errorf("%d pages are used at the end", used)
	}
}

// TestDiskPressure: pages that go to a slow disk are taken back when streams need them.
func TestDiskPressure(t *testing.T) {
	m := load(t, engine.Options{Threads: 1, Sequences: 1}) // 8 pages
	d := &memDisk{worth: 300, block: make(chan struct{}), begun: make(chan struct{}, 1)}
	s := start(t, m, Options{Disk: d, Idle: time.Millisecond})
	rng := rand.New(rand.NewPCG(3, 9))
	r := Request{Request: engine.Request{IDs: ids(rng, 400), MaxTokens: 2, IgnoreEOS: true}, Session: "a"}
	if _, _, err := read(submit(t, s, r)); err != nil {
		t.Fatal(err)
	}
	<-d.begun // 5 to 7 of 8 pages are held by the disk
	r.IDs, r.Session, r.MaxTokens = ids(rng, 450), "", 40
	got, _, err := read(submit(t, s, r))
	if err != nil || len(got) != 40 {
		t.Errorf("%d tokens, %v", len(got), err)
	}
	close(d.block)
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if used, _ := m.Pages(); used != 0 {
		t.Errorf("%d pages are used at the end", used)
	}
}

// TestDiskBroken: whatever the disk gives, the answer is the same.
func TestDiskBroken(t *testing.T) {
	m := load(t, engine.Options{Threads: 1})
	prompt := ids(rand.New(rand.NewPCG(4, 9)), 300)
	r := Request{Request: engine.Request{IDs: prompt, MaxTokens: 8, IgnoreEOS: true, Logprobs: -1}}
	d := &memDisk{worth: 256}
	s := start(t, m, Options{Disk: d})
	want := tokensOf(t, submit(t, s, r))
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(io.Reader) io.Reader{
		"short": func(r io.Reader) io.Reader { return io.LimitReader(r, 9000) },
		"error": func(r io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(r, 5000), readerFunc(func([]byte) (int, error) { return 0, errors.New("medium") }))
		},
		"bits": func(r io.Reader) io.Reader {
			n := 0
			return readerFunc(func(p []byte) (int, error) {
				k, err := r.Read(p)
				if n < 7000 && n+k >= 7000 {
					p[7000-n-1] ^= 4
				}
				n += k
				return k, err
			})
		},
	} {
		d.damage = damage
		s := start(t, m, Options{Disk: d})
		before := d.loads
		got := tokensOf(t, submit(t, s, r))
		if !sameTokens(got, want) || got[len(got)-1].Timings.CachedTokens != 0 || d.loads != before+1 {
			t.Errorf("%s: %v", name, got)
		}
		s.Close()
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestDiskRoom: nothing is read for a request that memory has no room for.
func TestDiskRoom(t *testing.T) {
	m := load(t, engine.Options{Threads: 1})
	d := &memDisk{worth: 256}
	r := Request{Request: engine.Request{IDs: ids(rand.New(rand.NewPCG(6, 9)), 300), MaxTokens: 1, IgnoreEOS: true}}
	full := false
	s := start(t, m, Options{Disk: d, Room: func(int64) error {
		if full {
			return errors.New("no memory")
		}
		return nil
	}})
	if _, _, err := read(submit(t, s, r)); err != nil {
		t.Fatal(err)
	}
	for range 400 {
		if d.saved("") > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.Forget()
	full = true
	var busy *BusyError
	if _, err := s.Submit(t.Context(), r); !errors.As(err, &busy) || d.loads != 0 || d.Find(r.IDs) != 256 {
		t.Errorf("%v after %d loads of %d tokens", err, d.loads, d.Find(r.IDs))
	}
	full = false
	if _, _, err := read(submit(t, s, r)); err != nil || d.loads != 1 {
		t.Errorf("%v after %d loads", err, d.loads)
	}
}

// TestDiskBurst: requests that come together after a restart load a prefix once.
func TestDiskBurst(t *testing.T) {
	m := load(t, engine.Options{Threads: 1, Sequences: 8})
	prompt := ids(rand.New(rand.NewPCG(5, 9)), 300)
	d := &memDisk{worth: 300}
	r := Request{Request: engine.Request{IDs: append(slices.Clone(prompt), 5), MaxTokens: 8, IgnoreEOS: true}}
	s := start(t, m, Options{Disk: d})
	if _, _, err := read(submit(t, s, r)); err != nil {
		t.Fatal(err)
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = start(t, m, Options{Disk: d})
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			r := r
			r.IDs = append(slices.Clone(prompt), int32(10+i))
			st, err := s.Submit(t.Context(), r)
			if err != nil {
				t.Error(err)
				return
			}
			for tok, err := range st.Tokens() {
				if err != nil || tok.Finish != "" && tok.Timings.CachedTokens != 300 {
					t.Errorf("request %d: %v, %+v", i, err, tok.Timings)
				}
			}
		})
	}
	wg.Wait()
	if d.loads != 1 {
		t.Errorf("loaded %d times", d.loads)
	}
}
