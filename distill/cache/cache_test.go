package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/internal/shard"
)

// rows is a Source of random rows with random pieces.
type rows struct{ n, length, vocab int }

func (s rows) ID() distill.Hash { return distill.Hash{byte(s.n), byte(s.length)} }
func (s rows) Rows() int        { return s.n }
func (s rows) Length() int      { return s.length }

func (s rows) Batch(index []int, b *distill.Batch) error {
	b.IDs, b.Next, b.Docs, b.Rows, b.Length = nil, nil, nil, len(index), s.length
	for _, i := range index {
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		for left := s.length; left > 0; {
			n := min(1+rng.IntN(s.length), left)
			b.Docs = append(b.Docs, int32(n))
			left -= n
			for p := range n {
				b.IDs = append(b.IDs, int32(rng.IntN(s.vocab)))
				b.Next = append(b.Next, int32(rng.IntN(s.vocab)))
				if p == n-1 {
					b.Next[len(b.Next)-1] = -1
				}
			}
		}
	}
	return nil
}

// oracle is a dense teacher whose logits depend on the id and the position.
type oracle struct {
	vocab int
	pause time.Duration
}

func (o oracle) ID() distill.Hash { return distill.Hash{9} }

func (o oracle) logits(id int32, pos int, z []float32) {
	rng := rand.New(rand.NewPCG(uint64(id), uint64(pos)))
	for i := range z {
		z[i] = float32(rng.NormFloat64() * 3)
	}
}

func (o oracle) Score(_ context.Context, b *distill.Batch, lo, hi int, dst *distill.Targets) error {
	time.Sleep(o.pause)
	dst.N, dst.Vocab = hi-lo, o.vocab
	dst.Dense = make([]float32, dst.N*o.vocab)
	for i := lo; i < hi; i++ {
		o.logits(b.IDs[i], i%b.Length, dst.Dense[(i-lo)*o.vocab:(i-lo+1)*o.vocab])
	}
	return nil
}

func options() Options {
	return Options{Source: rows{150, 24, 300}, Teacher: oracle{vocab: 300}, Vocab: 300, K: 8, Temps: []float64{1, 2, 3.5}, Samples: 4, Parts: 2, BatchRows: 3, Kernel: "avx2"}
}

func make1(t testing.TB, o Options) string {
	t.Helper()
	job, err := NewJob(o)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cache")
	if err := shard.Run(t.Context(), path, job, shard.Selection{}, shard.Options{}); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *Reader {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// softmax is p at temperature temp, in float64.
func softmax(z []float32, temp float64) []float64 {
	m := float64(slices.Max(z))
	p, sum := make([]float64, len(z)), 0.0
	for i, v := range z {
		p[i] = math.Exp((float64(v) - m) / temp)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func TestRoundTrip(t *testing.T) {
	o := options()
	r := open(t, make1(t, o))
	teacher, err := r.Teacher(TeacherOptions{Temps: []float64{1, 3.5}, Samples: 2, Teacher: distill.Hash{9}})
	if err != nil {
		t.Fatal(err)
	}
	var b distill.Batch
	var got distill.Targets
	z := make([]float32, o.Vocab)
	worst, worstZ := 0.0, 0.0
	for _, index := range [][]int{{149, 0, 77}, {63}, {64, 65, 3, 3}} {
		if err := o.Source.Batch(index, &b); err != nil {
			t.Fatal(err)
		}
		lo, hi := 5, len(b.IDs)-2
		if err := teacher.Score(t.Context(), &b, lo, hi, &got); err != nil {
			t.Fatal(err)
		}
		for i := range got.N {
			if b.Next[lo+i] < 0 {
				if got.Tail[i] != 1 || got.IDs[i*got.K] != -1 {
					t.Fatalf("a position that is not scored has ids")
				}
				continue
			}
			oracle{}.logits(b.IDs[lo+i], (lo+i)%b.Length, z)
			p1 := softmax(z, 1)
			mass := float64(got.Tail[i])
			for j := range got.K {
				id, l := got.IDs[i*got.K+j], float64(got.LogP[i*got.K+j])
				worst = max(worst, math.Abs(l-math.Log(p1[id])))
				mass += math.Exp(l)
				higher := 0
				for _, v := range z {
					if v > z[id] {
						higher++
					}
				}
				if higher != j {
					t.Fatalf("id %d is the %d-th likeliest, stored at %d", id, higher, j)
				}
				for k, temp := range got.Temps {
					pt := softmax(z, temp)
					worstZ = max(worstZ, math.Abs(l/temp-float64(got.LogZ[k*got.N+i])-math.Log(pt[id])))
				}
			}
			if math.Abs(mass-1) > 1e-6 {
				t.Fatalf("masses sum to %.8f", mass)
			}
		}
		for _, id := range got.Samples {
			if id < -1 || int(id) >= o.Vocab {
				t.Fatalf("drawn id %d", id)
			}
		}
	}
	t.Logf("largest error of a log-probability %.2g, of one at another temperature %.2g", worst, worstZ)
	if worst > 4.1e-3 || worstZ > 4.1e-3 {
		t.Errorf("log-probabilities are off by %g and %g", worst, worstZ)
	}
}

// TestTailKL holds the tail bucket against the dense divergence: a cached
// teacher can only lose what happens inside the bucket, and with every id kept
// nothing but rounding.
func TestTailKL(t *testing.T) {
	for _, k := range []int{8, 300} {
		o := options()
		o.K, o.Samples, o.Source = k, 0, rows{4, 24, 300}
		o.Parts = 1
		teacher, err := open(t, make1(t, o)).Teacher(TeacherOptions{Temps: []float64{1, 2}})
		if err != nil {
			t.Fatal(err)
		}
		var b distill.Batch
		var got distill.Targets
		if err := o.Source.Batch([]int{1}, &b); err != nil {
			t.Fatal(err)
		}
		if err := teacher.Score(t.Context(), &b, 0, b.Length, &got); err != nil {
			t.Fatal(err)
		}
		z, s := make([]float32, 300), make([]float32, 300)
		for i := range b.Length {
			if b.Next[i] < 0 {
				continue
			}
			oracle{}.logits(b.IDs[i], i, z)
			oracle{}.logits(b.IDs[i]+1, i+1000, s)
			for ti, temp := range got.Temps {
				p, q := softmax(z, temp), softmax(s, temp)
				dense, restP, restQ := 0.0, 0.0, 0.0
				in := map[int32]bool{}
				for _, id := range got.IDs[i*k : (i+1)*k] {
					in[id] = true
				}
				exact := 0.0
				for v := range p {
					dense += p[v] * math.Log(p[v]/q[v])
					if in[int32(v)] {
						exact += p[v] * math.Log(p[v]/q[v])
					} else {
						restP, restQ = restP+p[v], restQ+q[v]
					}
				}
				bucket := func(a, b float64) float64 {
					if a <= 1e-9 || b <= 1e-9 {
						return 0
					}
					return a * math.Log(a/b)
				}
				exact += bucket(restP, restQ)
				kl, inP, inQ := 0.0, 0.0, 0.0
				for j := range k {
					id := got.IDs[i*k+j]
					lp := float64(got.LogP[i*k+j])/temp - float64(got.LogZ[ti*got.N+i])
					kl += math.Exp(lp) * (lp - math.Log(q[id]))
					inP, inQ = inP+math.Exp(lp), inQ+q[id]
				}
				kl += bucket(1-inP, 1-inQ)
				if math.Abs(kl-exact) > 5e-3 {
					t.Errorf("k %d, T %g, position %d: KL of the cache %.5f, of its sets %.5f", k, temp, i, kl, exact)
				}
				if kl > dense+5e-3 {
					t.Errorf("k %d, T %g, position %d: KL of the cache %.5f is above the dense %.5f", k, temp, i, kl, dense)
				}
			}
		}
	}
}

func TestSamplesAreUnbiased(t *testing.T) {
	z := make([]float32, 40)
	oracle{}.logits(1, 1, z)
	s := Summary{k: 4, samples: 5000, temps: []float64{1, 4}}
	var dst distill.Targets
	Reserve(&dst, 1, &Header{Vocab: 40, K: 4, Temps: s.temps, Samples: s.samples})
	if err := s.Row(z, &dst, 0, rand.New(rand.NewPCG(1, 2))); err != nil {
		t.Fatal(err)
	}
	for ti, temp := range s.temps {
		p := softmax(z, temp)
		count := make([]float64, 40)
		for _, id := range dst.Samples[ti*s.samples : (ti+1)*s.samples] {
			count[id]++
		}
		for id := range p {
			n := float64(s.samples)
			if sd := math.Sqrt(n * p[id] * (1 - p[id])); math.Abs(count[id]-n*p[id]) > 5*sd+1 {
				t.Errorf("T %g: id %d drawn %v times, expected %.1f ± %.1f", temp, id, count[id], n*p[id], sd)
			}
		}
	}
}

func TestExp(t *testing.T) {
	for x := float32(0); x > -90; x -= 0.00137 {
		got, want := float64(exp(x)), math.Exp(float64(x))
		if x >= -87 && math.Abs(got-want) > 3e-7*want || x < -87 && got != 0 {
			t.Fatalf("exp(%g) = %g, want %g", x, got, want)
		}
	}
}

func TestTop(t *testing.T) {
	s := Summary{k: 3, temps: []float64{1}}
	if err := s.largest([]float32{1, 5, 5, 2, 5, 5, 0}); err != nil || fmt.Sprint(s.heap) != "[{5 1} {5 2} {5 4}]" {
		t.Errorf("of equal logits the lower ids are kept: got %v, %v", s.heap, err)
	}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		if err := s.largest([]float32{1, bad, 2}); err == nil {
			t.Errorf("logit %g: no error", bad)
		}
	}
}

// TestPartsDoNotMatter: other parts and batches, the same numbers.
func TestPartsDoNotMatter(t *testing.T) {
	a, o := options(), options()
	o.Parts, o.BatchRows = 3, 64
	var x, y distill.Targets
	var b distill.Batch
	for i, opt := range []Options{a, o} {
		teacher, err := open(t, make1(t, opt)).Teacher(TeacherOptions{Temps: opt.Temps, Samples: 4})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Source.Batch([]int{70, 2, 149}, &b); err != nil {
			t.Fatal(err)
		}
		if err := teacher.Score(t.Context(), &b, 0, len(b.IDs), []*distill.Targets{&x, &y}[i]); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprintf("%v", x) != fmt.Sprintf("%v", y) {
		t.Error("the targets differ")
	}
}

func TestRefused(t *testing.T) {
	o := options()
	path := make1(t, o)
	r := open(t, path)
	var temp *TempError
	if _, err := r.Teacher(TeacherOptions{Temps: []float64{1, 4}}); !errors.As(err, &temp) || temp.Temp != 4 {
		t.Errorf("temperature 4: got %v", err)
	}
	for name, c := range map[string]TeacherOptions{
		"teacher": {Teacher: distill.Hash{1}}, "tokenizer": {Tokenizer: distill.Hash{1}}, "samples": {Samples: 5},
		"order": {Temps: []float64{2, 1}}, "vocabulary": {Vocab: distill.Vocab{Size: 2, Teacher: []int32{1, 1}}},
	} {
		if _, err := r.Teacher(c); err == nil {
			t.Errorf("another %s: no error", name)
		}
	}
	teacher, err := r.Teacher(TeacherOptions{Temps: []float64{1, 3.5}})
	if err != nil {
		t.Fatal(err)
	}
	if w := teacher.Warnings(); len(w) != 2 || !strings.Contains(w[1], "temperature 3.5") {
		t.Errorf("warnings %q, want one per temperature: 8 of 300 ids", w)
	}
	var b distill.Batch
	var dst distill.Targets
	wrong := map[string]func(){
		"another id":       func() { b.IDs[3] = (b.IDs[3] + 1) % 300 },
		"shifted by one":   func() { copy(b.IDs, b.IDs[1:]) },
		"other boundaries": func() { b.Docs = []int32{int32(b.Length)} },
		"another length":   func() { b.Length, b.Rows = b.Length/2, 2; b.Docs = []int32{12, 12} },
		"unscored target":  func() { b.Next[b.Docs[0]-1] = 1 },
		"rows swapped ids": func() { b.IDs[0], b.IDs[1] = b.IDs[1]+1, b.IDs[0]+1 },
	}
	for name, change := range wrong {
		if err := o.Source.Batch([]int{5}, &b); err != nil {
			t.Fatal(err)
		}
		change()
		if err := teacher.Score(t.Context(), &b, 0, len(b.IDs), &dst); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	bad := o
	for name, change := range map[string]func(){
		"k": func() { bad.K = 301 }, "temps": func() { bad.Temps = []float64{2, 1} }, "temp 0": func() { bad.Temps = []float64{0} },
		"parts": func() { bad.Parts = 4 }, "vocab": func() { bad.Vocab = 1 }, "source": func() { bad.Source = nil }, "samples": func() { bad.Samples = -1 },
	} {
		bad = o
		change()
		if _, err := NewJob(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	bad = o
	bad.Vocab = 301
	job, err := NewJob(bad)
	if err == nil {
		err = shard.Run(t.Context(), filepath.Join(t.TempDir(), "x"), job, shard.Selection{}, shard.Options{})
	}
	if err == nil {
		t.Error("a vocabulary that is not the teacher's: no error")
	}
}

// TestVocabulary: ids that a student lacks go to the tail, others are renumbered.
func TestVocabulary(t *testing.T) {
	o := options()
	r := open(t, make1(t, o))
	full, err := r.Teacher(TeacherOptions{Temps: []float64{2}})
	if err != nil {
		t.Fatal(err)
	}
	var order []int32 // the student's id s is the teacher's 299-s, for the odd half and those that the row needs
	for id := int32(299); id >= 0; id-- {
		order = append(order, id)
	}
	var b, sb distill.Batch
	if err := o.Source.Batch([]int{8}, &b); err != nil {
		t.Fatal(err)
	}
	missing := int32(-1)
	var want, got distill.Targets
	if err := full.Score(t.Context(), &b, 0, len(b.IDs), &want); err != nil {
		t.Fatal(err)
	}
	for _, id := range want.IDs[:want.K] { // an id that position 0 names and no position has
		if id >= 0 && !slices.Contains(b.IDs, id) {
			missing = id
		}
	}
	if missing < 0 {
		t.Fatal("no id to leave out")
	}
	order = slices.DeleteFunc(order, func(id int32) bool { return id == missing })
	sb = b
	sb.IDs = nil
	for _, id := range b.IDs {
		sb.IDs = append(sb.IDs, int32(slices.Index(order, id)))
	}
	part, err := r.Teacher(TeacherOptions{Temps: []float64{2}, Vocab: distill.Vocab{Size: len(order), Teacher: order}})
	if err != nil {
		t.Fatal(err)
	}
	if err := part.Score(t.Context(), &sb, 0, len(sb.IDs), &got); err != nil {
		t.Fatal(err)
	}
	k, tail, n := want.K, float64(want.Tail[0]), 0
	for j := range k {
		if want.IDs[j] == missing {
			tail += math.Exp(float64(want.LogP[j]))
			continue
		}
		if order[got.IDs[n]] != want.IDs[j] || got.LogP[n] != want.LogP[j] {
			t.Errorf("entry %d: teacher's id %d, want %d", n, order[got.IDs[n]], want.IDs[j])
		}
		n++
	}
	if n != k-1 || got.IDs[k-1] != -1 || !math.IsInf(float64(got.LogP[k-1]), -1) || math.Abs(float64(got.Tail[0])-tail) > 1e-6 {
		t.Errorf("%d entries, last id %d, tail %.6f, want %.6f", n, got.IDs[k-1], got.Tail[0], tail)
	}
}

// TestTamper flips bits all over every file: opening or verifying names the file
// and an offset in it.
func TestTamper(t *testing.T) {
	o := options()
	o.Source, o.Parts = rows{130, 24, 300}, 2
	path := make1(t, o)
	for _, name := range []string{path, shard.PartPath(path, 0, 2), shard.PartPath(path, 1, 2)} {
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		check := func(what string, b []byte) {
			t.Helper()
			if err := os.WriteFile(name, b, 0o666); err != nil {
				t.Fatal(err)
			}
			r, err := Open(path)
			if err == nil {
				err = r.Verify()
				r.Close()
			}
			var known *Error
			if !errors.As(err, &known) || known.File != name || known.Offset < 0 || known.Offset > int64(len(whole)) {
				t.Errorf("%s, %s: got %v", filepath.Base(name), what, err)
			}
		}
		step := 1 + len(whole)/400
		for at := 0; at < len(whole); at += step {
			b := slices.Clone(whole)
			b[at] ^= 1 << (at % 8)
			check(fmt.Sprintf("byte %d of %d", at, len(whole)), b)
		}
		for at := len(whole) - shard.TrailerSize; at < len(whole); at++ {
			b := slices.Clone(whole)
			b[at] ^= 0x10
			check(fmt.Sprintf("trailer byte %d", at), b)
		}
		for _, n := range []int{0, 1, 100, len(whole) / 2, len(whole) - 1} {
			check(fmt.Sprintf("cut to %d", n), whole[:n])
		}
		check("longer", append(slices.Clone(whole), 0))
		if err := os.WriteFile(name, whole, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Verify(); err != nil {
		t.Errorf("whole again: %v", err)
	}
	if _, err := Open(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a cache that is not there: %v", err)
	}
}

// TestKill: a child that caches is killed until it is done; what it leaves is
// the cache that an undisturbed run makes. QWQ_KILL_ROUNDS=50 kills that often.
func TestKill(t *testing.T) {
	o := options()
	o.Source, o.Parts = rows{5 * frameRows, 24, 300}, 5
	if path := os.Getenv("QWQ_CACHE_CHILD"); path != "" {
		o.Teacher = oracle{300, 100 * time.Microsecond}
		job, err := NewJob(o)
		if err == nil {
			err = shard.Run(context.Background(), path, job, shard.Selection{}, shard.Options{})
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	want := make1(t, o)
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("QWQ_KILL_ROUNDS")); err == nil {
		rounds = n
	}
	path := filepath.Join(t.TempDir(), "cache")
	killed, finished := 0, 0
	for killed < rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "QWQ_CACHE_CHILD="+path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(10+rand.IntN(80)) * time.Millisecond)
		_ = cmd.Process.Kill()
		if cmd.Wait() != nil {
			killed++
		}
		if _, err := os.Stat(path); err == nil { // done: compare and start over
			same(t, path, want, 5)
			finished++
			old, _ := filepath.Glob(path + "*")
			for _, f := range old {
				os.Remove(f)
			}
		}
	}
	job, err := NewJob(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := shard.Run(t.Context(), path, job, shard.Selection{}, shard.Options{}); err != nil {
		t.Fatal(err)
	}
	same(t, path, want, 5)
	t.Logf("%d kills, %d times done in between", killed, finished)
}

// TestCutWhileOpen: a part that is cut under a reader is an error, not a crash.
func TestCutWhileOpen(t *testing.T) {
	o := options()
	path := make1(t, o)
	r := open(t, path)
	if err := os.Truncate(shard.PartPath(path, 1, 2), 0); err != nil {
		t.Fatal(err)
	}
	if err := r.Verify(); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("got %v", err)
	}
}

func same(t *testing.T, a, b string, parts int) {
	t.Helper()
	for i := range parts + 1 {
		x, y := a, b
		if i < parts {
			x, y = shard.PartPath(a, i, parts), shard.PartPath(b, i, parts)
		}
		p, err1 := os.ReadFile(x)
		q, err2 := os.ReadFile(y)
		if err1 != nil || err2 != nil || !slices.Equal(p, q) {
			t.Fatalf("%s differs: %v %v", filepath.Base(x), err1, err2)
		}
	}
}

func FuzzFrame(f *testing.F) {
	h := &Header{Version: 1, Vocab: 300, Length: 9, K: 3, Temps: []float64{1, 2}, Samples: 2}
	if err := h.check(); err != nil {
		f.Fatal(err)
	}
	b := newBuilder(h)
	var t distill.Targets
	Reserve(&t, 9, h)
	s := Summary{k: 3, samples: 2, temps: h.Temps}
	z := make([]float32, 300)
	b.row([]int32{1, 2, 3, -1, 5, 6, 7, 8, -1})
	for i := range 7 {
		oracle{}.logits(int32(i), 0, z)
		if err := errors.Join(s.Row(z, &t, i, rand.New(rand.NewPCG(1, 1))), b.position(&t, i)); err != nil {
			f.Fatal(err)
		}
	}
	raw, err := b.bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(1, raw)
	f.Fuzz(func(t *testing.T, rows int, raw []byte) {
		fr, err := parseFrame(h, rows, raw)
		if err != nil {
			return
		}
		v, err := (distill.Vocab{}).For(h.Vocab)
		if err != nil {
			t.Fatal(err)
		}
		teacher := &Teacher{v: v, temp: []int{0, 1}}
		var dst distill.Targets
		Reserve(&dst, 1, h)
		for row := range rows {
			one := fr.only(row)
			for p := range h.Length {
				at, ok := one.find(0, p)
				if !ok || teacher.fill(&dst, 0, one, at) != nil {
					continue
				}
				mass := float64(dst.Tail[0])
				for j, l := range dst.LogP {
					if dst.IDs[j] >= 0 {
						mass += math.Exp(float64(l))
					}
				}
				if !(math.Abs(mass-1) < 1e-3) {
					t.Fatalf("masses sum to %g", mass)
				}
			}
		}
	})
}

func FuzzIndex(f *testing.F) {
	path := make1(f, options())
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	payload, _, err := shard.Payload(b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := parseIndex(b)
		if err != nil {
			return
		}
		if _, err := json.Marshal(x.h); err != nil {
			t.Fatal(err)
		}
		for i := range len(x.rows) / rowEntry {
			x.find(x.row(i).key)
		}
	})
}

// BenchmarkSummary is a position of 32,000 ids, k 32, at T 1 and 2.
func BenchmarkSummary(b *testing.B) {
	h := &Header{Vocab: 32000, K: 32, Temps: []float64{1, 2}}
	z := make([]float32, h.Vocab)
	oracle{}.logits(1, 1, z)
	var dst distill.Targets
	Reserve(&dst, 1, h)
	s := NewSummary(h)
	b.SetBytes(int64(4 * len(z)))
	for b.Loop() {
		if err := s.Row(z, &dst, 0, nil); err != nil {
			b.Fatal(err)
		}
	}
}
