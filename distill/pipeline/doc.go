// Package pipeline runs a recipe: plan, data, init, cache, train, export, quantize,
// evaluate, gate. A stage leaves files in the recipe's folder and a record in its
// state folder: what went in and what came out, as hashes. It is left out when both
// are unchanged, and goes on where it was killed. A record appears only when the
// stage is complete, so it must never be written before the files are on disk.
//
//	p, err := pipeline.New(recipe, pipeline.Options{})
//	err = p.Run(ctx)
package pipeline
