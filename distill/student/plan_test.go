package student

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

func TestParseParams(t *testing.T) {
	for s, want := range map[string]int{"30M": 30e6, "1.5B": 15e8, "800k": 8e5, "123": 123} {
		if n, err := ParseParams(s); n != want || err != nil {
			t.Errorf("%s: %d, %v", s, n, err)
		}
	}
	for _, s := range []string{"", "M", "-3M", "0", "x", "1e99", "NaN"} {
		if n, err := ParseParams(s); err == nil {
			t.Errorf("%q is %d", s, n)
		}
	}
}

func TestFit(t *testing.T) {
	f := story(t, "bf16")
	_, h := open(t, f.Path())
	has := Has(f, h.Arch)
	_, all := ShapeOf(h).Params(h, has)
	if all != 3476480 && all < 3e6 {
		t.Fatalf("%d parameters", all)
	}
	for _, n := range []int{900e3, 1.2e6, 1.7e6, 2.5e6, 3.4e6} {
		s, err := Fit(h, has, Request{Params: n})
		if err != nil {
			t.Fatal(err)
		}
		_, got := s.Params(h, has)
		if off := float64(got)/float64(n) - 1; math.Abs(off) > 0.03 || s.within(ShapeOf(h)) != nil {
			t.Errorf("%d: %v has %d", n, s, got)
		}
	}
	s, err := Fit(h, has, Request{Layers: 2, Params: 1.5e6, Vocab: 1024})
	if err != nil || s.Layers != 2 || s.Vocab != 1024 {
		t.Errorf("%v, %v", s, err)
	}
	if s, err := Fit(h, has, Request{Layers: 3}); err != nil || s.Layers != 3 || s.Hidden != h.Hidden {
		t.Errorf("%v, %v", s, err)
	}
	if s, err := Fit(h, has, Request{Device: "pi-5"}); err != nil || s != ShapeOf(h) {
		t.Errorf("a device with room for the teacher gets %v, %v", s, err)
	}
	old := Devices
	defer func() { Devices = old }()
	Devices = []Device{{"slow", 1 << 30, 20e6, 1e12}, {"tiny", 41 << 20, 1e9, 1e12}}
	big := h // a teacher of 7B: the search must not take long
	big.Layers, big.Hidden, big.FFN, big.Heads, big.KVHeads, big.HeadDim, big.Vocab, big.Rot = 32, 4096, 14336, 32, 8, 128, 152064, 128
	began := time.Now()
	if s, err := Fit(big, has, Request{Params: 15e8}); err != nil || time.Since(began) > 20*time.Second {
		t.Errorf("%v, %v after %v", s, err, time.Since(began))
	}
	t.Logf("a search in %v", time.Since(began))
	got, err := Fit(h, has, Request{Device: "slow", Rate: 10})
	if err != nil {
		t.Fatal(err)
	}
	on, err := Devices[0].On(h, has, got, "q8_0", 512)
	if _, n := got.Params(h, has); err != nil || on.Tokens < 10 || n < all/4 {
		t.Errorf("%v of %d parameters: %+v, %v", got, n, on, err)
	}
	for _, c := range []struct {
		r    Request
		says []string
	}{
		{Request{Params: 30e6}, []string{"30000000 parameters", "have from", "nearest"}},
		{Request{Params: 1000}, []string{"have from"}},
		{Request{Params: 3.4e6, Device: "slow", Rate: 10}, []string{"3400000 parameters do not run on slow", "modelled", "at most"}},
		{Request{Device: "tiny", Rate: 1e6}, []string{"nothing of this teacher runs on tiny", "modelled", "the smallest has"}},
		{Request{Device: "toaster"}, []string{`"toaster" is none of slow, tiny`}},
		{Request{Device: "slow", Type: "q9"}, []string{"q9"}},
		{Request{Layers: 9}, []string{"9 layers, the teacher has 4"}},
		{Request{Vocab: 1 << 20}, []string{"the teacher has 2048"}},
	} {
		_, err := Fit(h, has, c.r)
		for _, s := range c.says {
			if err == nil || !strings.Contains(err.Error(), s) {
				t.Errorf("%+v: %v, want %q", c.r, err, s)
			}
		}
	}
}

// TestBytes: a converted file is as large as planned.
func TestBytes(t *testing.T) {
	for _, typ := range []string{"f16", "q8_0", "q4_0"} {
		f := story(t, typ)
		_, h := open(t, f.Path())
		n, err := Bytes(h, Has(f, h.Arch), ShapeOf(h), typ)
		data := uint64(0)
		for _, e := range f.Tensors() {
			data += e.Size
		}
		if off := float64(n)/float64(data) - 1; err != nil || math.Abs(off) > 0.02 {
			t.Errorf("%s: %d bytes planned, %d of tensors (%v)", typ, n, data, err)
		}
	}
}

// TestCalibrate: the prediction for four layers against a run of four. Timings
// need a quiet machine: QWQ_TIMING=1.
func TestCalibrate(t *testing.T) {
	pool, err := kernel.New(kernel.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	spec := modeltest.Spec{Arch: "qwen2", Layers: 4, Hidden: 64, FFN: 96, Vocab: 512, Tied: true}
	tr := Training{Rows: 2, Length: 32, Steps: 3}
	timing := os.Getenv("QWQ_TIMING") != ""
	if timing {
		spec = modeltest.Spec{Arch: "qwen2", Layers: 8, Hidden: 256, FFN: 704, Heads: 4, KVHeads: 2, HeadDim: 64, Vocab: 4096, Tied: true, RopeFactors: false}
		tr = Training{Rows: 4, Length: 256, Steps: 3}
	}
	f, h := open(t, modeltest.Write(t, spec))
	began := time.Now()
	v, err := Calibrate(t.Context(), pool, f, ShapeOf(h), tr)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	_, params := ShapeOf(h).Params(h, Has(f, h.Arch))
	want := v.Seconds(tr, h.Layers, params)
	if !(v.Layer > 0 && v.Adam > 0 && want > 0) {
		t.Fatalf("%+v predicts %g s", v, want)
	}
	if !timing {
		return
	}
	leaf, adam, err := timeSteps(t.Context(), pool, f.Path(), tr)
	if err != nil {
		t.Fatal(err)
	}
	got := float64(tr.Steps) * (leaf + adam*float64(params))
	t.Logf("%+v, a leaf of %.4f s", v, leaf)
	t.Logf("predicted %.3f s from %v of measuring, took %.3f s (%+.1f %%)", want, took, got, 100*(want/got-1))
	if math.Abs(want/got-1) > 0.25 {
		t.Error("more than 25 % off")
	}
}

// TestFitWidths: sizes that are given are kept, the others follow; what no cut has
// is refused.
func TestFitWidths(t *testing.T) {
	f := story(t, "bf16")
	_, h := open(t, f.Path())
	has := Has(f, h.Arch)
	for _, r := range []Request{
		{Params: 1e6, Hidden: 128}, {Params: 1e6, FFN: 192}, {Params: 1.2e6, KVHeads: 1}, {Params: 1.2e6, Heads: 2}, {Device: "pi-5", Hidden: 96, FFN: 64},
	} {
		s, err := Fit(h, has, r)
		if err != nil {
			t.Errorf("%+v: %v", r, err)
			continue
		}
		_, n := s.Params(h, has)
		if r.Hidden != 0 && s.Hidden != r.Hidden || r.FFN != 0 && s.FFN != r.FFN || r.Heads != 0 && s.Heads != r.Heads || r.KVHeads != 0 && s.KVHeads != r.KVHeads ||
			r.Params != 0 && math.Abs(float64(n)/float64(r.Params)-1) > 0.1 {
			t.Errorf("%+v: %v of %d parameters", r, s, n)
		}
	}
	for want, r := range map[string]Request{
		"hidden 4096: want from 32":   {Hidden: 4096},
		"hidden 100: want":            {Hidden: 100, Params: 1e6},
		"have from":                   {Params: 3e6, Hidden: 32},
		"groups may only lose heads":  {Heads: 4, KVHeads: 1},
		"do not run on pi-zero-2":     {Device: "pi-zero-2", Rate: 1000, Params: 2e6},
		"nothing of this teacher run": {Device: "pi-zero-2", Rate: 1e6, Hidden: 64},
	} {
		if s, err := Fit(h, has, r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, %v, want %q", r, s, err, want)
		}
	}
}

// TestExperts: what prunes refuses a teacher with experts by that name.
func TestExperts(t *testing.T) {
	f, h := open(t, modeltest.Write(t, modeltest.Spec{Arch: "qwen2moe", Experts: 4}))
	if _, err := Fit(h, Has(f, h.Arch), Request{Params: 1e5}); err == nil || !strings.Contains(err.Error(), "4 experts") {
		t.Error(err)
	}
	if _, err := Choose(h, &Stats{}, ShapeOf(h), nil); err == nil || !strings.Contains(err.Error(), "4 experts") {
		t.Error(err)
	}
	if err := Prune(t.Context(), filepath.Join(t.TempDir(), "s.gguf"), f, &Cut{}, WriteOptions{}); err == nil || !strings.Contains(err.Error(), "4 experts") {
		t.Error(err)
	}
}
