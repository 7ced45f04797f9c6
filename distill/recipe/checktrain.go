package recipe

import (
	"math"
	"path"
	"slices"
)

// checkHidden is about loss.hidden.
func (r *Recipe) checkHidden(p *place) error {
	h := r.Loss.Hidden
	if o := r.OnPolicy.Loss; o != nil && o.Hidden != nil {
		return p.errorf("on-policy.loss", "hidden is of the training before the rounds: set loss.hidden")
	}
	if h == nil {
		return nil
	}
	if err := h.Spec().Check(); err != nil {
		return p.errorf("loss.hidden", "%s", err)
	}
	if !r.Cache.Live || r.Teacher.Served() {
		return p.errorf("loss.hidden", "only a live teacher in a file shows its states: set cache.live")
	}
	for s, t := range h.Layers {
		if s < 0 || t < 0 || s > 1<<16 || t > 1<<16 {
			return p.errorf("loss.hidden.layers", "%d: %d: layers are counted from 1, 0 is the embedding", s, t)
		}
	}
	if h.Layers != nil && len(h.Layers) == 0 {
		return p.errorf("loss.hidden.layers", "none: leave it out for all")
	}
	return nil
}

// checkLoRA is about train.lora.
func (r *Recipe) checkLoRA(p *place) error {
	l := r.Train.LoRA
	switch {
	case l == nil:
		return nil
	case l.Rank < 1 || l.Rank > 1<<12:
		return p.errorf("train.lora.rank", "%d: want 1 to %d", l.Rank, 1<<12)
	case !(l.Alpha >= 0 && l.Alpha <= 1e6):
		return p.errorf("train.lora.alpha", "%g: want 0 or more", l.Alpha)
	case len(l.Match) == 0:
		return p.errorf("train.lora.match", "none: leave it out for blk.*")
	}
	for _, m := range l.Match {
		if _, err := path.Match(m, ""); err != nil {
			return p.errorf("train.lora.match", "%q: %s", m, err)
		}
	}
	return nil
}

// checkFinish is about finish.
func (r *Recipe) checkFinish(p *place) error {
	f := r.Finish
	if f == nil {
		if r.Gate.Finish {
			return p.errorf("gate.finish", "there is no finish")
		}
		return nil
	}
	if err := encodes(f.Type); err != "" {
		return p.errorf("finish.type", "%s: nothing can be trained for it", err)
	}
	switch {
	case slices.Contains([]string{"f32", "f16", "bf16"}, f.Type):
		return p.errorf("finish.type", "%s needs no finish", f.Type)
	case !slices.Contains(r.Quantize, f.Type):
		return p.errorf("finish.type", "%s is not among quantize: it is measured beside plain rounding", f.Type)
	case f.Steps < 1:
		return p.errorf("finish.steps", "%d: want 1 or more", f.Steps)
	case !(f.LR > 0 && f.LR <= 10) || math.IsNaN(f.LR):
		return p.errorf("finish.lr", "%g: want above 0, to 10", f.LR)
	}
	return nil
}
