package recipe

import (
	"math"
	"path"
	"slices"

	"github.com/qwq-edge/qwq/distill/loss"
	"github.com/qwq-edge/qwq/distill/student"
	"github.com/qwq-edge/qwq/quant"
)

// set gives a field its default.
func set[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

func (r *Recipe) defaults(p *place) {
	if !p.has("student.prune-steps") {
		r.Student.PruneSteps = 1
	}
	if !r.Teacher.Served() {
		set(&r.Teacher.Type, "f16")
	}
	if r.Student.Config != "" {
		set(&r.Student.Start, "random")
	}
	set(&r.Student.Start, "prune")
	set(&r.Student.Rows, 64)
	set(&r.Export, "f32")
	set(&r.Data.Length, 256)
	if r.Data.Answers == nil {
		yes := true
		r.Data.Answers = &yes
	}
	if r.Data.Generate != nil {
		r.Data.Generate.defaults()
	}
	if r.Teacher.Served() {
		set(&r.Cache.K, 20) // what servers give unless told
	}
	set(&r.Cache.K, 32)
	set(&r.Cache.Batch, 8)
	set(&r.Loss.Temperature, 1)
	if r.Cache.Temps == nil {
		r.Cache.Temps = []float64{1}
		if r.Loss.Temperature != 1 {
			r.Cache.Temps = append(r.Cache.Temps, r.Loss.Temperature)
			slices.Sort(r.Cache.Temps)
		}
	}
	if r.OnPolicy.Rounds > 0 {
		r.OnPolicy.Generate.defaults()
	}
	set(&r.OnPolicy.LR, r.Train.LR)
	if r.OnPolicy.Loss == nil {
		one, zero := 1.0, 0.0
		r.OnPolicy.Loss = &Loss{Soft: &one, Hard: &zero, Kind: loss.Reverse}
	}
	set(&r.OnPolicy.Loss.Temperature, 1)
	set(&r.Train.Batch, 4)
	set(&r.Train.Leaves, 1)
	set(&r.Train.Schedule, "cosine")
	set(&r.Train.Optimizer, "adamw")
	set(&r.Train.Precision, "fp32")
	if r.Train.Precision == "fp16" {
		set(&r.Train.LossScale, 1<<16)
	}
	if l := r.Train.LoRA; l != nil && l.Match == nil {
		l.Match = []string{"blk.*"}
	}
	set(&r.Baseline.LR, r.Train.LR)
	if r.Baseline.Margin == nil {
		m := 0.15
		r.Baseline.Margin = &m
	}
	set(&r.Evaluate.Tokens, 60)
}

func (g *Generate) defaults() {
	set(&g.Temperature, 1)
	set(&g.TopP, 1)
	set(&g.Batch, 64)
}

// check finds the first mistake that can be found without opening anything.
func (r *Recipe) check(p *place) error {
	for _, f := range []func(*place) error{r.checkTop, r.checkServed, r.checkStudent, r.checkConfig, r.checkData, r.checkCache, r.checkLoss, r.checkHidden, r.checkTrain, r.checkLoRA, r.checkRounds, r.checkFinish, r.checkEnd} {
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

func (r *Recipe) checkTop(p *place) error {
	switch {
	case r.Out == "":
		return p.errorf("out", "missing: the folder of the results")
	case r.Teacher.Model == "":
		return p.errorf("teacher.model", "missing: a GGUF file or a Hugging Face folder")
	case r.Threads < 0 || r.Threads > 1024:
		return p.errorf("threads", "%d: want 0 to 1024", r.Threads)
	}
	if err := encodes(r.Teacher.Type); err != "" && !r.Teacher.Served() {
		return p.errorf("teacher.type", "%s", err)
	}
	return nil
}

// encodes says what is wrong with a type to write, "" if nothing is.
func encodes(name string) string {
	t, err := quant.ParseType(name)
	if err != nil {
		return err.Error()
	}
	if !t.CanEncode() {
		return name + " can be read but not written"
	}
	return ""
}

func (r *Recipe) checkStudent(p *place) error {
	s := r.Student
	if s.Start != "prune" && s.Start != "random" {
		return p.errorf("student.start", "%q: want prune or random", s.Start)
	}
	for _, v := range []struct {
		key string
		n   int
	}{{"layers", s.Layers}, {"hidden", s.Hidden}, {"ffn", s.FFN}, {"heads", s.Heads}, {"kv-heads", s.KVHeads}, {"rows", s.Rows}, {"context", s.Context}, {"between", s.Between}, {"vocab", s.Vocab}} {
		if v.n < 0 || v.n > 1<<20 {
			return p.errorf("student."+v.key, "%d: want 0 to %d", v.n, 1<<20)
		}
	}
	_, err := student.ParseParams(s.Size)
	switch {
	case s.Size != "" && err != nil:
		return p.errorf("student.size", "%s", err)
	case s.PruneSteps < 0 || s.PruneSteps > 64:
		return p.errorf("student.prune-steps", "%d: want 0 to 64", s.PruneSteps)
	case s.PruneSteps != 1 && s.Between < 1:
		return p.errorf("student.prune-steps", "needs training steps between the cuts: set student.between")
	case s.PruneSteps == 1 && s.Between > 0:
		return p.errorf("student.between", "there is one cut only: set student.prune-steps")
	case s.Start == "random" && s.PruneSteps != 1:
		return p.errorf("student.prune-steps", "a random start has no cuts")
	case !(s.Rate >= 0 && s.Rate <= 1e6):
		return p.errorf("student.rate", "%g: want 0 or more", s.Rate)
	case s.Device == "" && (s.Rate > 0 || s.Context > 0):
		return p.errorf("student", "rate and context are of a device: set student.device")
	}
	return nil
}

func (r *Recipe) checkData(p *place) error {
	d := r.Data
	switch g := d.Generate; {
	case len(d.Files) == 0 && g == nil:
		return p.errorf("data", "neither files nor generate")
	case len(d.Files) > 0 && g != nil:
		return p.errorf("data.generate", "files or generate, not both")
	case d.Length < 2 || d.Length > 1<<20:
		return p.errorf("data.length", "%d: want 2 to %d", d.Length, 1<<20)
	case !(d.HeldOut >= 0 && d.HeldOut < 1):
		return p.errorf("data.held-out", "%g: want 0 to below 1", d.HeldOut)
	case g != nil && d.HeldOut != 0:
		return p.errorf("data.held-out", "is for files; evaluate.files names held-out text")
	case d.HeldOut == 0 && len(r.Evaluate.Files) == 0:
		return p.errorf("evaluate.files", "no held-out text: name files, or a share in data.held-out")
	case g == nil:
		return nil
	}
	if key := p.under("data", "keep-duplicates", "replace-invalid", "separator", "answers"); key != "" {
		return p.errorf("data."+key, "is about files, the text is generated")
	}
	return r.Data.Generate.check(p, "data.generate")
}

// check is about a key that holds what is sampled.
func (g *Generate) check(p *place, key string) error {
	switch {
	case g.Sequences < 1 || g.Sequences > math.MaxInt32:
		return p.errorf(key+".sequences", "%d: want 1 or more", g.Sequences)
	case len(g.Prompts) == 0:
		return p.errorf(key+".prompts", "none: a model needs something to go on from")
	case g.MaxTokens < 0:
		return p.errorf(key+".max-tokens", "%d is negative", g.MaxTokens)
	case !(g.Temperature > 0 && g.Temperature <= 100):
		return p.errorf(key+".temperature", "%g: want above 0, to 100", g.Temperature)
	case !(g.TopP > 0 && g.TopP <= 1):
		return p.errorf(key+".top-p", "%g: want above 0, to 1", g.TopP)
	case g.Batch < 1 || g.Batch > 256:
		return p.errorf(key+".batch", "%d: want 1 to 256", g.Batch)
	}
	for i, s := range g.Prompts {
		if s == "" {
			return p.errorf(key+".prompts", "number %d is empty: a model needs something to go on from", i+1)
		}
	}
	return nil
}

func (r *Recipe) checkCache(p *place) error {
	c := r.Cache
	switch {
	case c.Live && (p.under("cache", "k", "temperatures", "parts", "samples") != ""):
		return p.errorf("cache.live", "a live teacher is not cached: k, temperatures, samples and parts mean nothing")
	case c.Live && r.Loss.Sampled:
		return p.errorf("loss.sampled", "samples are drawn for the cache; the teacher is live")
	case r.Loss.Sampled && c.Samples == 0:
		return p.errorf("loss.sampled", "the cache draws none: set cache.samples")
	case c.K < 1 || c.K > 4096:
		return p.errorf("cache.k", "%d: want 1 to 4096", c.K)
	case c.Samples < 0 || c.Samples > 4096:
		return p.errorf("cache.samples", "%d: want 0 to 4096", c.Samples)
	case c.Parts < 0 || c.Parts > 1<<16:
		return p.errorf("cache.parts", "%d: want 0 to %d", c.Parts, 1<<16)
	case c.Batch < 1 || c.Batch > 4096:
		return p.errorf("cache.batch", "%d: want 1 to 4096", c.Batch)
	}
	for i, t := range c.Temps {
		if !(t >= 0.01 && t <= 100) || i > 0 && t <= c.Temps[i-1] {
			return p.errorf("cache.temperatures", "%g: want 0.01 to 100, ascending", t)
		}
	}
	if !c.Live && !slices.Contains(c.Temps, r.Loss.Temperature) {
		return p.errorf("loss.temperature", "%g is not among cache.temperatures %v", r.Loss.Temperature, c.Temps)
	}
	return nil
}

func (r *Recipe) checkLoss(p *place) error {
	switch {
	case r.Loss.Soft == nil:
		return p.errorf("loss.soft", "missing: both weights are named")
	case r.Loss.Hard == nil:
		return p.errorf("loss.hard", "missing: both weights are named")
	}
	if err := r.Loss.Spec().Check(); err != nil {
		return p.errorf("loss", "%s", err)
	}
	return nil
}

func (r *Recipe) checkTrain(p *place) error {
	t := r.Train
	switch {
	case t.Steps < 1:
		return p.errorf("train.steps", "%d: want 1 or more", t.Steps)
	case t.Batch < 1 || t.Batch > 1<<16:
		return p.errorf("train.batch", "%d: want 1 to %d", t.Batch, 1<<16)
	case t.Leaves < 1 || t.Leaves > 1<<12:
		return p.errorf("train.leaves", "%d: want 1 to %d", t.Leaves, 1<<12)
	case !(t.LR > 0 && t.LR <= 10):
		return p.errorf("train.lr", "%g: want above 0", t.LR)
	case !(t.FinalLR >= 0 && t.FinalLR <= t.LR):
		return p.errorf("train.final-lr", "%g: want 0 to lr", t.FinalLR)
	case !slices.Contains([]string{"constant", "linear", "cosine"}, string(t.Schedule)):
		return p.errorf("train.schedule", "%q: want constant, linear or cosine", t.Schedule)
	case t.Warmup < 0 || t.Warmup > t.Steps:
		return p.errorf("train.warmup", "%d of %d steps", t.Warmup, t.Steps)
	case t.Optimizer != "adamw" && t.Optimizer != "adam":
		return p.errorf("train.optimizer", "%q: want adamw or adam", t.Optimizer)
	case !slices.Contains([]string{"fp32", "bf16", "fp16"}, t.Precision):
		return p.errorf("train.precision", "%q: want fp32, bf16 or fp16", t.Precision)
	case t.Precision != "fp16" && t.LossScale != 0:
		return p.errorf("train.loss-scale", "is of train.precision fp16: %s does not overflow", t.Precision)
	case t.Precision == "fp16" && !(t.LossScale >= 1 && t.LossScale <= 1<<24):
		return p.errorf("train.loss-scale", "%g: want 1 to %d", t.LossScale, 1<<24)
	case !(t.Clip >= 0):
		return p.errorf("train.clip", "%g: want 0 or more", t.Clip)
	case !(t.EMA >= 0 && t.EMA < 1):
		return p.errorf("train.ema", "%g: want 0 to below 1", t.EMA)
	case t.Every < 0:
		return p.errorf("train.checkpoint-every", "%d is negative", t.Every)
	}
	for _, f := range t.Freeze {
		if _, err := path.Match(f, ""); err != nil {
			return p.errorf("train.freeze", "%q: %s", f, err)
		}
	}
	if err := t.Options().Check(); err != nil {
		return p.errorf("train", "%s", err)
	}
	return nil
}

func (r *Recipe) checkEnd(p *place) error {
	for _, q := range r.Quantize {
		if err := encodes(q); err != "" {
			return p.errorf("quantize", "%s", err)
		}
	}
	if !slices.Contains([]string{"f32", "f16", "bf16"}, r.Export) {
		return p.errorf("export", "%q: want f32, f16 or bf16", r.Export)
	}
	b, e, g := r.Baseline, r.Evaluate, r.Gate
	switch {
	case !(b.LR > 0 && b.LR <= 10):
		return p.errorf("baseline.lr", "%g: want above 0", b.LR)
	case math.IsNaN(*b.Margin) || math.IsInf(*b.Margin, 0):
		return p.errorf("baseline.margin", "%g", *b.Margin)
	case !b.Hard && (p.under("baseline", "lr", "margin") != ""):
		return p.errorf("baseline", "lr and margin are of the hard-label student: set hard: true")
	case e.Rows < 0:
		return p.errorf("evaluate.rows", "%d is negative", e.Rows)
	case e.Tokens < 1 || e.Tokens > 1<<16:
		return p.errorf("evaluate.tokens", "%d: want 1 to %d", e.Tokens, 1<<16)
	case !(e.Temp >= 0 && e.Temp <= 100):
		return p.errorf("evaluate.temperature", "%g: want 0 to 100", e.Temp)
	case g.Order && !b.Hard:
		return p.errorf("gate.order", "needs baseline.hard")
	case g.Closes != nil && !b.Hard:
		return p.errorf("gate.closes", "needs baseline.hard")
	case g.Quantize != nil && len(r.Quantize) == 0:
		return p.errorf("gate.quantized", "nothing is quantized")
	case g.Words != nil && len(e.Samples) == 0:
		return p.errorf("gate.words", "needs evaluate.samples")
	}
	for key, v := range map[string]*float64{"quantized": g.Quantize, "closes": g.Closes, "words": g.Words, "kl": g.KL} {
		if v != nil && !(*v >= 0 && *v <= 100) {
			return p.errorf("gate."+key, "%g: want 0 or more", *v)
		}
	}
	return nil
}
