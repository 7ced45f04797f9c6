// Package optim changes parameters: Adam and AdamW, clipping by the global norm,
// learning rate schedules, moving averages and loss scaling, over flat float32
// slices or ranges of them. It knows no model, does no input or output and must
// never reduce in an order that depends on threads: sums are taken in fixed
// blocks in float64, and everything else is done element by element.
//
//	groups, err := optim.Groups(params, optim.Rules{Freeze: []string{"token_embd.*"}})
//	norm := optim.Norm(pool, grad, groups)
//	o := optim.Options{Decoupled: true, Decay: 0.1}
//	o.Step(pool, state, params.Flat, grad, groups, optim.Update{LR: schedule.LR(step), Scale: optim.Clip(norm, 1)})
package optim
