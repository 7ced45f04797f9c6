package engine

import "github.com/qwq-edge/qwq/gguf"

// Defaults are the sampling settings that the model's makers recommend
// (general.sampling.* in the file); nil where the file says nothing. The engine
// does not apply them.
type Defaults struct {
	Temperature, TopP, MinP, RepeatPenalty *float64
	TopK                                   *int
}

// readDefaults reads the recommended settings; a value that makes no sense is
// passed over.
func readDefaults(f *gguf.File) Defaults {
	number := func(key string, lo, hi float64) *float64 {
		v, ok := f.Float("general.sampling." + key)
		if n, isInt := f.Int("general.sampling." + key); isInt {
			v, ok = float64(n), true
		}
		if !ok || !(v >= lo && v <= hi) {
			return nil
		}
		return &v
	}
	d := Defaults{Temperature: number("temp", 0, 100), TopP: number("top_p", 0, 1), MinP: number("min_p", 0, 1),
		RepeatPenalty: number("penalty_repeat", 1e-3, 100)}
	if k := number("top_k", 0, 1<<30); k != nil {
		n := int(*k)
		d.TopK = &n
	}
	return d
}
