package backend

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/qwq-edge/qwq/quant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOpsIsSmall: design section 2a allows 20 operations; In and Layer are
// structure.
func TestOpsIsSmall(t *testing.T) {
	if n := reflect.TypeFor[Ops]().NumMethod(); n > 20 {
		t.Errorf("%d methods", n)
	}
}

func newCPU(t testing.TB) *CPU {
	t.Helper()
	d, err := NewCPU(CPUOptions{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func weight(t testing.TB, d Device, name string, rows, cols int, x ...float32) Weight {
	t.Helper()
	b := make([]byte, 4*len(x))
	if err := quant.Encode(quant.F32, b, x); err != nil {
		t.Fatal(err)
	}
	w, err := d.Weight(name, quant.Matrix{Type: quant.F32, Rows: rows, Cols: cols, Data: b})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func step(d Device, in *Inputs, f func(o Ops) Tensor) ([]float32, error) {
	out, err := d.Step(StepKey{}, in, func(o Ops) ([]Tensor, error) { return []Tensor{f(o)}, nil })
	if err != nil {
		return nil, err
	}
	return d.Host(out[0])
}

func near(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Abs(float64(x-y)) < 1e-6*max(1, math.Abs(float64(y))) })
}

func TestOperations(t *testing.T) {
	d := newCPU(t)
	in := &Inputs{Embeds: Tensor{Rows: 2, Cols: 4, Data: []float32{1, 2, 3, 4, -1, 0, 1, 0}}}
	one := weight(t, d, "one", 1, 4, 1, 1, 1, 1)
	half := weight(t, d, "half", 1, 4, .5, .5, .5, .5)
	m := weight(t, d, "m", 2, 4, 1, 0, 0, 0, 0, 1, 0, 1)
	b := weight(t, d, "b", 1, 2, 10, 20)
	silu := func(x float64) float32 { return float32(x / (1 + math.Exp(-x))) }
	for name, c := range map[string]struct {
		f    func(o Ops) Tensor
		want []float32
	}{
		"Input":     {func(o Ops) Tensor { return o.Input() }, in.Embeds.Data},
		"LayerNorm": {func(o Ops) Tensor { return o.LayerNorm(o.Rows(o.Input(), []int32{0}), one, half, 0) }, []float32{-1.341641 + .5, -.447214 + .5, .447214 + .5, 1.341641 + .5}},
		"RMSNorm":   {func(o Ops) Tensor { return o.RMSNorm(o.Rows(o.Input(), []int32{1}), half, 0) }, []float32{-.707107, 0, .707107, 0}},
		"HeadNorm": {func(o Ops) Tensor {
			return o.HeadNorm(o.Rows(o.Input(), []int32{0}), 2, weight(t, d, "w", 1, 2, 1, 1), 0)
		}, []float32{.632456, 1.264911, .848528, 1.131371}},
		"Softmax": {func(o Ops) Tensor { return o.Softmax(o.Rows(o.Input(), []int32{1})) }, []float32{.0723295, .1966119, .5344466, .1966119}},
		"Linear":  {func(o Ops) Tensor { return o.Linear(o.Input(), m, nil) }, []float32{1, 6, -1, 0}},
		"bias":    {func(o Ops) Tensor { return o.Linear(o.Input(), m, b) }, []float32{11, 26, 9, 20}},
		"GateUp":  {func(o Ops) Tensor { return o.GateUp(o.Input(), m, m, [2]Weight{nil, b}, SiLU) }, []float32{11 * silu(1), 26 * silu(6), 9 * silu(-1), 0}},
		"Mul":     {func(o Ops) Tensor { return o.Mul(o.Input(), o.Input()) }, []float32{1, 4, 9, 16, 1, 0, 1, 0}},
		"Act":     {func(o Ops) Tensor { return o.Act(o.Rows(o.Input(), []int32{1}), SiLU) }, []float32{silu(-1), 0, silu(1), 0}},
		"no rows": {func(o Ops) Tensor { return o.Linear(o.Rows(o.Input(), []int32{}), m, b) }, nil},
		"Layer": {func(o Ops) Tensor {
			return o.Layer(0, o.Input(), func(o Ops, _ int, x Tensor) Tensor {
				waste := o.Add(o.Input(), o.Input())
				return o.Add(o.Rows(waste, []int32{1}), o.Rows(x, []int32{0}))
			})
		}, []float32{-1, 2, 5, 4}},
	} {
		got, err := step(d, in, c.f)
		if err != nil || !near(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
	}
}

type foreign struct{}

func (foreign) Name() string      { return "foreign" }
func (foreign) Shape() (int, int) { return 4, 4 }

func TestStickyErrors(t *testing.T) {
	d := newCPU(t)
	in := &Inputs{IDs: []int32{7}, Embeds: Tensor{Rows: 2, Cols: 4, Data: make([]float32, 8)}}
	m := weight(t, d, "m", 2, 4, make([]float32, 8)...)
	for name, c := range map[string]struct {
		want string
		f    func(o Ops) Tensor
	}{
		"another device's weight": {"not the CPU's", func(o Ops) Tensor { return o.Linear(o.Input(), foreign{}, nil) }},
		"columns":                 {`"m": 4 columns, the input has 2`, func(o Ops) Tensor { return o.Linear(o.Linear(o.Input(), m, nil), m, nil) }},
		"vector":                  {"where a vector of 4 is needed", func(o Ops) Tensor { return o.RMSNorm(o.Input(), m, 0) }},
		"shapes":                  {"not of one shape", func(o Ops) Tensor { return o.Add(o.Input(), o.Linear(o.Input(), m, nil)) }},
		"id":                      {"", func(o Ops) Tensor { return o.Embed(m, in.IDs) }},
		"activation":              {"without an activation", func(o Ops) Tensor { return o.GateUp(o.Input(), m, m, [2]Weight{}, NoAct) }},
		"views": {"spans of 1 rows over a batch of 2", func(o Ops) Tensor {
			return o.Attend(0, o.Input(), o.Input(), o.Input(), []KVView{{N: 1}}, Mask{QHeads: 1})
		}},
		"no store past the start": {"cannot attend to its own rows", func(o Ops) Tensor {
			return o.Attend(0, o.Input(), o.Input(), o.Input(), []KVView{{Start: 1, N: 2}}, Mask{QHeads: 1})
		}},
	} {
		_, err := step(d, in, func(o Ops) Tensor {
			y := c.f(o)
			// Whatever follows an error must not panic.
			y = o.Mul(o.Act(o.Softmax(o.LayerNorm(y, m, m, 0)), SiLU), y)
			y = o.HeadNorm(o.RoPE(o.Rows(y, []int32{0}), 4, nil), 4, m, 0)
			q, k, v := o.QKV(y, [3]Weight{m, m, m}, [3]Weight{})
			o.StoreKV(0, k, v, nil)
			_ = o.Attend(0, q, k, v, nil, Mask{})
			_ = o.Layer(0, o.GateUp(o.Input(), m, m, [2]Weight{}, SiLU), func(Ops, int, Tensor) Tensor { panic("run after an error") })
			return o.Linear(o.Embed(m, nil), m, nil)
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
	if got, err := step(d, in, func(o Ops) Tensor { return o.Input() }); err != nil || len(got) != 8 {
		t.Errorf("the step after an error: %v, %v", got, err)
	}
	boom := errors.New("boom")
	if _, err := d.Step(StepKey{}, in, func(Ops) ([]Tensor, error) { return nil, boom }); !errors.Is(err, boom) {
		t.Errorf("graph's error: %v", err)
	}
	if _, err := d.Weight("x", quant.Matrix{Type: 99, Rows: 1, Cols: 1}); err == nil {
		t.Error("unknown type passed")
	}
	if _, err := d.Weight("x", quant.Matrix{Type: quant.F32, Rows: 2, Cols: 2, Data: make([]byte, 15)}); err == nil {
		t.Error("short data passed")
	}
	d.Close()
	if err := d.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := step(d, in, func(o Ops) Tensor { return o.Input() }); !errors.Is(err, errClosed) {
		t.Errorf("step after close: %v", err)
	}
}

func TestOtherPanicsPass(t *testing.T) {
	d := newCPU(t)
	defer func() {
		if r := recover(); r != "bug" {
			t.Errorf("recovered %v", r)
		}
	}()
	_, _ = step(d, &Inputs{}, func(Ops) Tensor { panic("bug") })
}

func TestArena(t *testing.T) {
	var a arena
	for round := range 3 {
		a.reset()
		if round == 2 && len(a.slabs) != 1 {
			t.Errorf("%d slabs after the size is known", len(a.slabs))
		}
		var parts [][]float32
		for i := range 50 {
			p := a.alloc(i * 1000)
			for k := range p {
				p[k] = float32(i)
			}
			parts = append(parts, p)
		}
		m := a.mark()
		x := a.alloc(10)
		a.release(m)
		if y := a.alloc(10); &x[0] != &y[0] {
			t.Error("released memory is not reused")
		}
		for i, p := range parts {
			for _, v := range p {
				if v != float32(i) {
					t.Fatalf("part %d was overwritten by %v", i, v)
				}
			}
		}
	}
}

func TestStore(t *testing.T) {
	d := newCPU(t)
	s, err := d.KV(KVSpec{Type: quant.F16, Layers: 3, Heads: 2, Dim: 8, Pages: 5})
	if err != nil {
		t.Fatal(err)
	}
	if want := 3 * 2 * 2 * 64 * 8 * 2; s.PageBytes() != want {
		t.Fatalf("page of %d bytes, want %d", s.PageBytes(), want)
	}
	if err := s.Grow(6); err == nil {
		t.Error("6 pages of 5")
	}
	if err := errors.Join(s.Grow(2), s.Grow(1)); err != nil {
		t.Fatal(err)
	}
	p, q := make([]byte, s.PageBytes()), make([]byte, s.PageBytes())
	for i := range p {
		p[i] = byte(i * 7)
	}
	if err := errors.Join(s.WritePage(1, p), s.Grow(5), s.CopyPage(4, 1), s.ReadPage(4, q)); err != nil || !bytes.Equal(p, q) {
		t.Errorf("copied page differs (%v)", err)
	}
	if s.CopyPage(0, 5) == nil || s.CopyPage(-1, 0) == nil || s.ReadPage(0, p[1:]) == nil || s.WritePage(9, p) == nil {
		t.Error("page out of range or short buffer passed")
	}
	for _, bad := range []KVSpec{{}, {Type: quant.Q8_0, Layers: 1, Heads: 1, Dim: 8, Pages: 1}, {Type: quant.F32, Layers: 1, Heads: 1 << 20, Dim: 1 << 16, Pages: 1}} {
		if _, err := d.KV(bad); err == nil {
			t.Errorf("%+v passed", bad)
		}
	}
}
