package student

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/qwq-edge/qwq/convert/hf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
)

// Request is what is asked of a plan. Zero fields are free.
type Request struct {
	Params  int // parameters, met within a tenth
	Layers  int // layers
	Hidden  int // widths, as Shape has them
	FFN     int
	Heads   int
	KVHeads int
	Vocab   int     // ids that are kept; 0: the teacher's
	Device  string  // of Devices: the student must fit, and give Rate tokens a second
	Type    string  // that ships: a type or a mix of TypeBits; "": q8_0
	Context int     // tokens that the device must hold; 0: 2048 or the teacher's
	Rate    float64 // tokens a second that the device must give; 0: 5
}

// ParseParams reads a number of parameters: 30M, 1.5B, 800k, 123456.
func ParseParams(s string) (int, error) {
	unit, text := 1.0, s
	if n := len(s); n > 0 {
		switch s[n-1] {
		case 'k', 'K':
			unit = 1e3
		case 'm', 'M':
			unit = 1e6
		case 'b', 'B', 'g', 'G':
			unit = 1e9
		}
		if unit > 1 {
			text = s[:n-1]
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v*unit >= 1 && v*unit <= 1e12) {
		return 0, fmt.Errorf("student: %q is no number of parameters, such as 30M", s)
	}
	return int(math.Round(v * unit)), nil
}

// TypeBits is the bits of a matrix weight in the types that a student ships in;
// the mixes' are what their rules come to on most models.
var TypeBits = map[string]float64{
	"f32": 32, "f16": 16, "bf16": 16, "q8_0": 8.5, "q6_k": 6.5625, "q5_0": 5.5, "q5_k_m": 5.7, "q4_0": 4.5, "q4_k_m": 4.85,
}

// Bytes is about the size of a student's file.
func Bytes(h arch.Hyper, has func(string) bool, s Shape, typ string) (int64, error) {
	bits, ok := TypeBits[strings.ToLower(typ)]
	if !ok {
		if t, err := quant.ParseType(typ); err == nil {
			bits, ok = 8*float64(t.BlockBytes())/float64(t.Block()), true
		}
	}
	if !ok {
		return 0, fmt.Errorf("student: the size of type %q is not known", typ)
	}
	matrices, vectors := s.count(h, has, nil)
	return int64(float64(matrices)*bits/8) + 4*int64(vectors), nil
}

// Device is a machine that a student may be for. Every number is modelled from data
// sheets and common measurements, none was measured with this program.
type Device struct {
	Name string
	RAM  int64   // bytes that a program can have
	Read float64 // bytes a second from memory
	Int8 float64 // multiplications and additions of bytes a second
}

// Devices is the table.
var Devices = []Device{
	{"pi-zero-2", 350 << 20, 1.8e9, 16e9},
	{"pi-3", 750 << 20, 2.2e9, 20e9},
	{"pi-4", 3400 << 20, 4e9, 40e9},
	{"pi-5", 7200 << 20, 9e9, 150e9},
	{"jetson-nano", 3400 << 20, 12e9, 45e9},
	{"jetson-orin-nano", 6800 << 20, 30e9, 250e9},
}

// Fits is what a device would make of a student, modelled.
type Fits struct {
	Bytes  int64   // of RAM
	Tokens float64 // a second, one text
}

// On models a student on a device: weights, keys and values of the context in F16
// and 40 MB; a token reads all weights once.
func (d Device) On(h arch.Hyper, has func(string) bool, s Shape, typ string, context int) (Fits, error) {
	size, err := Bytes(h, has, s, typ)
	if err != nil {
		return Fits{}, err
	}
	kv := int64(s.Layers) * 2 * int64(s.KVHeads*s.HeadDim) * 2 * int64(context)
	matmul, _ := s.Params(h, has)
	seconds := max((float64(size)+float64(kv)/2)/d.Read, 2*float64(matmul)/d.Int8)
	return Fits{Bytes: size + kv + 40<<20, Tokens: 1 / seconds}, nil
}

// Runs refuses a configuration that a device has no room for, or that it is too slow
// for. typ, context and rate are as in Request.
func Runs(m *hf.Model, device, typ string, context int, rate float64) error {
	r := Request{Device: device, Type: typ, Context: context, Rate: rate}
	r.defaults(m.Context)
	dev, err := r.device()
	if err != nil {
		return err
	}
	s, params, err := ConfigShape(m)
	if err != nil {
		return err
	}
	a, _ := arch.Lookup(m.Arch)
	on, err := dev.On(arch.Hyper{Arch: a, Tied: m.Tied, Rot: m.HeadDim}, optionalOf(m, a), s, r.Type, r.Context)
	if err == nil && (on.Bytes > dev.RAM || on.Tokens < r.Rate) {
		err = fmt.Errorf("student: the configuration's %d parameters do not run on %s (modelled: %d MB, %.1f GB/s) as %s with %d tokens of context at %g tokens/s: they take %d MB and give %.1f tokens/s",
			params, dev.Name, dev.RAM>>20, dev.Read/1e9, r.Type, r.Context, r.Rate, on.Bytes>>20, on.Tokens)
	}
	return err
}

func (r *Request) defaults(context int) {
	if r.Type == "" {
		r.Type = "q8_0"
	}
	if r.Rate == 0 {
		r.Rate = 5
	}
	if r.Context == 0 {
		r.Context = min(2048, context)
	}
}

// Fit chooses the shape of a student: parameters as asked for and each width cut
// by about the same factor, depth too, unless Layers says. Where only a device is
// named, the largest that it can run. What cannot be is an error that says what
// could.
func Fit(h arch.Hyper, has func(string) bool, r Request) (Shape, error) {
	t := ShapeOf(h)
	if err := prunable(h); err != nil {
		return t, err
	}
	if r.Vocab != 0 {
		t.Vocab = r.Vocab
	}
	switch {
	case r.Vocab < 0 || r.Vocab > h.Vocab:
		return t, fmt.Errorf("student: a vocabulary of %d, the teacher has %d ids", r.Vocab, h.Vocab)
	case r.Layers < 0 || r.Layers > t.Layers:
		return t, fmt.Errorf("student: %d layers, the teacher has %d", r.Layers, t.Layers)
	}
	r.defaults(h.Context)
	dev, err := r.device()
	if err != nil {
		return t, err
	}
	f := &fit{h: h, has: has, r: r, t: t, dev: dev}
	fixed, err := r.fixed(t)
	if err != nil || r.Params == 0 && dev == nil {
		return fixed, err
	}
	f.search()
	return f.answer()
}

// fixed is the teacher's shape t with the sizes that are given.
func (r Request) fixed(t Shape) (Shape, error) {
	s := t
	for _, v := range []struct {
		to   *int
		want int
	}{{&s.Layers, r.Layers}, {&s.Hidden, r.Hidden}, {&s.FFN, r.FFN}, {&s.Heads, r.Heads}, {&s.KVHeads, r.KVHeads}} {
		if v.want != 0 {
			*v.to = v.want
		}
	}
	switch {
	case r.Heads == 0 && r.KVHeads != 0:
		s.Heads = t.Heads / t.KVHeads * r.KVHeads
	case r.Heads != 0 && r.KVHeads == 0 && (r.Params > 0 || r.Device != ""): // the search finds how many groups
		for s.KVHeads > 1 && (s.Heads%s.KVHeads != 0 || s.Heads/s.KVHeads > t.Heads/t.KVHeads) {
			s.KVHeads--
		}
	}
	return s, s.within(t)
}

func (r Request) device() (*Device, error) {
	if r.Device == "" {
		return nil, nil
	}
	var names []string
	for i := range Devices {
		if Devices[i].Name == r.Device {
			return &Devices[i], nil
		}
		names = append(names, Devices[i].Name)
	}
	return nil, fmt.Errorf("student: device %q is none of %s", r.Device, strings.Join(names, ", "))
}

// fit is a search over all shapes of a grid.
type fit struct {
	h    arch.Hyper
	has  func(string) bool
	r    Request
	t    Shape
	dev  *Device
	best Shape
	cost float64

	ok                 bool
	least, most, close int // parameters: of the shapes that are possible; nearest to what was asked for
	small              Shape
	err                error
}

func (f *fit) search() {
	layers := []int{f.r.Layers}
	if f.r.Layers == 0 {
		layers = layers[:0]
		for l := 1; l <= f.t.Layers; l++ {
			layers = append(layers, l)
		}
	}
	hiddens := []int{f.r.Hidden}
	if f.r.Hidden == 0 {
		hiddens = hiddens[:0]
		step := max(1, f.t.Hidden/block/32) * block
		for hidden := f.t.Hidden; hidden >= block; hidden = (hidden - 1) / step * step {
			hiddens = append(hiddens, hidden)
		}
	}
	for _, l := range layers {
		for _, hidden := range hiddens {
			for kv := 1; kv <= f.t.KVHeads; kv++ {
				for g := 1; g <= f.t.Heads/f.t.KVHeads; g++ {
					s := f.t
					s.Layers, s.Hidden, s.KVHeads, s.Heads = l, hidden, kv, kv*g
					if (f.r.Heads == 0 || f.r.Heads == s.Heads) && (f.r.KVHeads == 0 || f.r.KVHeads == kv) {
						f.ffns(s)
					}
				}
			}
		}
	}
}

// ffns tries the feed-forward widths that a shape's other sizes leave: the one that
// meets the parameters, or without them the one in proportion.
func (f *fit) ffns(s Shape) {
	at := func(ffn int) int {
		s.FFN = ffn
		_, n := s.Params(f.h, f.has)
		return n
	}
	low := at(0)
	per := at(1) - low
	least, most := min(block, f.t.FFN), f.t.FFN
	if f.r.FFN > 0 {
		least, most = f.r.FFN, f.r.FFN
	}
	f.extremes(s, at(least), at(most))
	want := float64(f.t.FFN) * float64(s.Hidden) / float64(f.t.Hidden)
	if f.r.Params > 0 {
		want = float64(f.r.Params-low) / float64(per)
	}
	ffn := min(most, max(least, int(math.Round(want/block))*block))
	n := at(ffn)
	if f.r.Params > 0 && f.off(n) < f.off(f.close) {
		f.close = n
	}
	if s.within(f.t) != nil || f.r.Params > 0 && f.off(n) > 0.1 || !f.runs(s) {
		return
	}
	if c := f.unlike(s, n); !f.ok || c < f.cost {
		f.ok, f.best, f.cost = true, s, c
	}
}

func (f *fit) off(n int) float64 { return math.Abs(float64(n)/float64(max(1, f.r.Params)) - 1) }

func (f *fit) extremes(s Shape, low, high int) {
	if f.least == 0 || low < f.least {
		f.least, f.small = low, s
		if f.small.FFN = min(block, f.t.FFN); f.r.FFN > 0 {
			f.small.FFN = f.r.FFN
		}
	}
	f.most = max(f.most, high)
}

// runs says whether the device has room for s and is fast enough.
func (f *fit) runs(s Shape) bool {
	if f.dev == nil {
		return true
	}
	on, err := f.dev.On(f.h, f.has, s, f.r.Type, f.r.Context)
	if err != nil {
		f.err = err
		return false
	}
	return on.Bytes <= f.dev.RAM && on.Tokens >= f.r.Rate
}

// unlike is how far s is from a teacher that was made smaller in every direction
// alike, and from the size that was asked for. A width that is not heads times head
// dimension, where the teacher's is, makes a model that some loaders refuse.
func (f *fit) unlike(s Shape, params int) float64 {
	t := f.t
	logs := []float64{
		math.Log(float64(s.Layers) / float64(t.Layers)), math.Log(float64(s.Hidden) / float64(t.Hidden)),
		math.Log(float64(s.FFN) / float64(t.FFN)), math.Log(float64(s.Heads) / float64(t.Heads)),
	}
	mean, c := 0.0, 0.0
	for _, x := range logs {
		mean += x / float64(len(logs))
	}
	for _, x := range logs {
		c += (x - mean) * (x - mean)
	}
	if t.Heads*t.HeadDim == t.Hidden && s.Heads*s.HeadDim != s.Hidden {
		c += 0.1
	}
	c += 0.02 * float64(t.KVHeads-s.KVHeads) // groups are the last to go
	if f.r.Params > 0 {
		return c + 5*f.off(params)
	}
	return c - 100*float64(params)/float64(f.most) // the largest that runs
}

func (f *fit) answer() (Shape, error) {
	r := f.r
	switch {
	case f.err != nil:
		return f.best, f.err
	case f.ok:
		return f.best, nil
	case f.least == 0:
		return f.best, fmt.Errorf("student: no student of this teacher has %d heads in %d groups", r.Heads, r.KVHeads)
	case r.Params > 0 && f.off(f.close) > 0.1:
		return f.best, fmt.Errorf("student: %d parameters cannot be cut from this teacher: its students have from %d to %d, the nearest %d", r.Params, f.least, f.most, f.close)
	}
	on, err := f.dev.On(f.h, f.has, f.small, r.Type, r.Context)
	if err != nil {
		return f.best, err
	}
	if r.Params > 0 {
		r.Params = 0
		if s, err := Fit(f.h, f.has, r); err == nil {
			_, n := s.Params(f.h, f.has)
			return f.best, fmt.Errorf("student: %d parameters do not run on %s (modelled: %d MB, %.1f GB/s) as %s with %d tokens of context at %g tokens/s: at most %d do",
				f.r.Params, f.dev.Name, f.dev.RAM>>20, f.dev.Read/1e9, r.Type, r.Context, r.Rate, n)
		}
	}
	return f.best, fmt.Errorf("student: nothing of this teacher runs on %s (modelled: %d MB, %.1f GB/s) as %s with %d tokens of context at %g tokens/s: the smallest has %d parameters, takes %d MB and gives %.1f tokens/s",
		f.dev.Name, f.dev.RAM>>20, f.dev.Read/1e9, r.Type, r.Context, r.Rate, f.least, on.Bytes>>20, on.Tokens)
}
