// Package teacher holds the live teachers: any model file through our own
// runtime, and servers that speak OpenAI's API and score given ids; and it
// samples synthetic rows from a model, with its targets recorded on the way. It
// must never hold logits of more than a chunk of positions.
//
//	t, err := teacher.Open("teacher.gguf", teacher.Options{})
//	defer t.Close()
//	err = t.Score(ctx, batch, 0, 128, &targets)
package teacher
