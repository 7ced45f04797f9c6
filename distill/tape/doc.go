// Package tape is the backend.Device that trains: the graphs of runtime/model
// run on it as written, it records what each operation did, and Backward runs
// the record in reverse. It must never know a model architecture or a loss.
//
// A weight becomes a float32 parameter; all that are trained lie in one slice,
// Params().Flat, and a gradient is a slice of the same layout that Backward adds
// to. A sum over tokens is taken in fixed blocks, so the bits of a gradient
// depend on no number of threads; they do depend on the kernel variant.
//
//	dev := tape.New(pool, tape.Options{})
//	m, err := model.New(file, dev)
//	out, err := m.Run(&model.Batch{IDs: ids, Seqs: spans, Want: backend.Hidden})
//	err = dev.Head(out[0], 0, m.Head, loss, grad) // loss turns logits into dL/dlogits
//	err = dev.Backward(grad)
//
// Memory: a tensor lives until its layer ends, unless a backward needs it. What
// is cheap to make again (norms, activations) is not kept but made again.
// Details that are easy to get wrong:
//   - An operation that consumes a tensor works in place only where no backward
//     keeps the numbers.
//   - Gradients of a sum share one buffer; whoever adds to a shared one copies it
//     first.
//   - A tied embedding is one parameter with two uses: both add to one gradient.
package tape
