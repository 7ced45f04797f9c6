package hf

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// Details that are easy to get wrong:
//   - Older configs have rope_theta and rope_scaling, whose type is under
//     "rope_type" or "type"; newer ones have both in rope_parameters.
//   - llama.cpp multiplies YaRN's attention factor by 1 + 0.1 ln(factor) itself,
//     so its key holds what a config says beyond that.
//   - llama3 scaling is no metadata but a tensor of divisors, rope_freqs.weight.

// rope reads the rotary embedding: base, dimensions and scaling.
func (m *Model) rope(f *fields, fam family, context int64) {
	p, old := f.object("rope_parameters"), f.object("rope_scaling")
	s, top := p, f
	if p == nil {
		s = old
	} else if p.has("rope_theta") {
		top = p
	}
	if p != nil && (p.has("full_attention") || p.has("sliding_attention")) {
		f.fail("rope_parameters", "parameters per layer type are not supported")
		return
	}
	if p != nil {
		conflict(f, p, old)
	}
	base := top.float("rope_theta", 1, 1e15, 10000)
	if p != nil {
		if q := p.float("partial_rotary_factor", 0, 1, 1); q != 1 {
			p.fail("partial_rotary_factor", "%g is not supported, only 1", q)
		}
	}
	m.key(arch.KeyRot, gguf.Uint32(uint32(m.HeadDim)))
	m.key(arch.KeyTheta, gguf.Float32(float32(base)))
	if s == nil || *f.err != nil {
		return
	}
	typ := s.scaling()
	if *f.err != nil {
		return
	}
	if typ != "default" && !slices.Contains(fam.ropes, typ) {
		key := "rope_type"
		if !s.has(key) {
			key = "type"
		}
		s.fail(key, "%.40q is not supported for %s", typ, fam.modelType)
		return
	}
	switch typ {
	case "linear":
		m.key(arch.KeyScaling, gguf.String("linear"))
		m.key(arch.KeyFactor, gguf.Float32(float32(s.need("factor", 1, 1e6))))
	case "yarn":
		m.yarn(s, context)
	case "llama3":
		m.llama3(s, base)
	}
}

// scaling is the type of scaling. Only rope_parameters, which always has the
// base, may leave it out, and then has nothing that would scale.
func (f *fields) scaling() string {
	typ := f.str("rope_type", f.str("type", ""))
	switch old := f.str("type", typ); {
	case typ == "" && (!f.has("rope_theta") || f.has("factor")):
		f.fail("rope_type", "is missing")
	case typ == "":
		return "default"
	case old != typ:
		f.fail("type", "%.40q, but rope_type is %.40q", old, typ)
	}
	return typ
}

// conflict refuses older fields that say something else than rope_parameters.
func conflict(f, p, old *fields) {
	same := func(a, b json.RawMessage) bool {
		var x, y any
		return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
	}
	if p.has("rope_theta") && f.has("rope_theta") && !same(p.m["rope_theta"], f.m["rope_theta"]) {
		f.fail("rope_theta", "%.40s, but rope_parameters has %.40s", f.m["rope_theta"], p.m["rope_theta"])
	}
	if old == nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(old.m)) {
		mine := p.m[key]
		if key == "type" || key == "rope_type" {
			mine = p.m["rope_type"]
			if mine == nil {
				mine = p.m["type"]
			}
			if mine == nil {
				mine = json.RawMessage(`"default"`)
			}
		}
		if !same(old.m[key], mine) {
			old.fail(key, "%.40s, but rope_parameters has %.40s", old.m[key], orNone(mine))
			return
		}
	}
}

func orNone(b json.RawMessage) []byte {
	if b == nil {
		return []byte("none")
	}
	return b
}

// need is float for a field that must be there.
func (f *fields) need(key string, lo, hi float64) float64 {
	if !f.has(key) {
		f.fail(key, "is missing")
		return lo
	}
	return f.float(key, lo, hi, lo)
}

// yarn: arXiv 2309.00071, with the keys of llama.cpp.
func (m *Model) yarn(s *fields, context int64) {
	factor := s.need("factor", 1, 1e6)
	orig := s.int("original_max_position_embeddings", 1, 1<<30, context)
	m.key(arch.KeyScaling, gguf.String("yarn"))
	m.key(arch.KeyFactor, gguf.Float32(float32(factor)))
	m.key(arch.KeyOrigContext, gguf.Uint32(uint32(orig)))
	if !s.bool("truncate", true) {
		s.fail("truncate", "false is not supported")
	}
	own := 0.1*math.Log(factor) + 1
	att := own
	if ms, all := s.float("mscale", 0, 100, 0), s.float("mscale_all_dim", 0, 100, 0); ms != 0 && all != 0 {
		att = (0.1*ms*math.Log(factor) + 1) / (0.1*all*math.Log(factor) + 1)
	}
	if att = s.float("attention_factor", 1e-3, 1e3, att); att != own {
		m.key(arch.KeyAttnFactor, gguf.Float32(float32(att/own)))
	}
	if s.has("beta_fast") {
		m.key(arch.KeyYarnBetaFast, gguf.Float32(float32(s.float("beta_fast", 1e-3, 1e6, 32))))
	}
	if s.has("beta_slow") {
		m.key(arch.KeyYarnBetaSlow, gguf.Float32(float32(s.float("beta_slow", 1e-3, 1e6, 1))))
	}
}

// llama3 computes the divisors of the frequencies: 1 for short wavelengths,
// factor for long ones, and between them 1 / ((1-t)/factor + t).
func (m *Model) llama3(s *fields, base float64) {
	factor := s.need("factor", 1, 1e6)
	low := s.need("low_freq_factor", 1e-3, 1e6)
	high := s.need("high_freq_factor", 1e-3, 1e6)
	orig := float64(s.int("original_max_position_embeddings", 1, 1<<30, 8192))
	if high <= low {
		s.fail("high_freq_factor", "%g is not above low_freq_factor %g", high, low)
		return
	}
	m.RopeFreqs = make([]float32, m.HeadDim/2)
	for i := range m.RopeFreqs {
		freq := math.Pow(base, -2*float64(i)/float64(m.HeadDim))
		wave := 2 * math.Pi / freq
		v := factor
		if wave < orig/high {
			v = 1
		} else if wave <= orig/low {
			t := (orig/wave - low) / (high - low)
			v = 1 / ((1-t)/factor + t)
		}
		m.RopeFreqs[i] = float32(v)
	}
}
