package recipe

import "math"

// checkServed is about a teacher behind an API: what it cannot say is refused here.
func (r *Recipe) checkServed(p *place) error {
	t := r.Teacher
	if !t.Served() {
		if key := p.under("teacher", "tokenizer", "vocab", "revision", "key-env"); key != "" {
			return p.errorf("teacher."+key, "is of a served teacher: set teacher.url")
		}
		return nil
	}
	switch {
	case p.has("teacher.type"):
		return p.errorf("teacher.type", "a served teacher is not converted")
	case t.Tokenizer == "":
		return p.errorf("teacher.tokenizer", "missing: the served model's tokenizer, a GGUF file, a Hugging Face folder or a tokenizer file")
	case t.Vocab < 0 || t.Vocab > math.MaxInt32:
		return p.errorf("teacher.vocab", "%d: want 0 or more", t.Vocab)
	case r.Data.Generate != nil:
		return p.errorf("data.generate", "needs a teacher in a file: a served one scores given text")
	case r.Cache.Samples > 0:
		return p.errorf("cache.samples", "a server tells the likeliest ids only: no samples can be drawn")
	case r.Student.Config == "":
		return p.errorf("student.config", "missing: a served teacher has no weights to start from and no sizes to begin with")
	}
	for _, temp := range append([]float64{r.Loss.Temperature, r.OnPolicy.Loss.Temperature}, r.Cache.Temps...) {
		if temp != 1 {
			return p.errorf("loss.temperature", "%g: a server tells the likeliest ids at temperature 1, which do not say the rest at another: use 1, or a teacher in a file", temp)
		}
	}
	return nil
}

// checkConfig is about a student whose sizes are a file's.
func (r *Recipe) checkConfig(p *place) error {
	if r.Student.Config == "" {
		return nil
	}
	if key := p.under("student", "size", "layers", "hidden", "ffn", "heads", "kv-heads"); key != "" {
		return p.errorf("student."+key, "student.config says all sizes")
	}
	if r.Student.Start != "random" {
		return p.errorf("student.start", "%s: a student of a configuration starts at random", r.Student.Start)
	}
	return nil
}

// checkRounds is about on-policy.
func (r *Recipe) checkRounds(p *place) error {
	o := r.OnPolicy
	switch {
	case o.Rounds == 0 && p.has("on-policy"):
		return p.errorf("on-policy.rounds", "missing or 0: leave out on-policy")
	case o.Rounds == 0:
		return nil
	case o.Rounds < 0 || o.Rounds > 1000:
		return p.errorf("on-policy.rounds", "%d: want 0 to 1000", o.Rounds)
	case o.Steps < 1:
		return p.errorf("on-policy.steps", "%d: want 1 or more", o.Steps)
	case !(o.LR > 0 && o.LR <= 10):
		return p.errorf("on-policy.lr", "%g: want above 0, to 10", o.LR)
	case o.Loss.Soft == nil || o.Loss.Hard == nil:
		return p.errorf("on-policy.loss", "soft and hard: both weights are named")
	case *o.Loss.Soft == 0:
		return p.errorf("on-policy.loss", "soft is 0: the student would learn its own text by heart")
	case o.Loss.Sampled && (r.Cache.Live || r.Cache.Samples == 0):
		return p.errorf("on-policy.loss", "sampled needs cache.samples")
	}
	if err := o.Loss.Spec().Check(); err != nil {
		return p.errorf("on-policy.loss", "%s", err)
	}
	return o.Generate.check(p, "on-policy.generate")
}
