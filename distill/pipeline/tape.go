package pipeline

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/distill/recipe"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/quant"
)

// precisions are the recipe's names.
var precisions = map[string]tape.Precision{"fp32": tape.FP32, "bf16": tape.BF16, "fp16": tape.FP16}

// tape is the options of the tape that a training runs on.
func (t training) tape(seed uint64) tape.Options {
	o := tape.Options{Recompute: t.Train.Recompute, Precision: precisions[t.Train.Precision]}
	if l := t.Train.LoRA; l != nil {
		o.Train = func(name string) bool { return strings.HasPrefix(name, learned) }
		o.LoRA = tape.LoRA{Rank: l.Rank, Alpha: l.Alpha, Seed: seed, Match: func(name string) bool {
			return !strings.HasPrefix(name, learned) && slices.ContainsFunc(l.Match, func(m string) bool { return matches(m, name) })
		}}
	}
	if t.Types != nil { // keys and values as the engine has them unless told
		o.Ship = &tape.Ship{Type: func(name string) quant.Type { return t.Types[name] }, KV: quant.F16}
	}
	return o
}

// matches is path.Match of a pattern that the recipe has checked.
func matches(pattern, name string) bool {
	ok, _ := path.Match(pattern, name)
	return ok
}

// matched refuses a pattern that gives no matrix a pair.
func matched(l *recipe.LoRA, p *tape.Params) error {
	if l == nil {
		return nil
	}
	for _, m := range l.Match {
		if !slices.ContainsFunc(p.Table, func(e tape.Param) bool {
			name, pair := strings.CutSuffix(e.Name, ".lora_a")
			return pair && matches(m, name)
		}) {
			return fmt.Errorf("train.lora.match: %q matches no matrix of the model", m)
		}
	}
	return nil
}
