// Package train is the loop: batches in, updated parameters, metrics and
// checkpoints out. Data, loss and the other processes come as values, so that
// the pipeline, MPI and quantization-aware training drop in; it must know none of
// them, and no model architecture.
//
// A step has Options.Leaves micro-batches. Their gradients are added in one
// binary tree by the leaf's index, and every leaf's loss is divided by the number
// of scored positions of the whole step, agreed before the first backward. So a
// run's bits depend on neither threads nor processes, only on the kernel rung,
// and a run that was killed goes on from its checkpoint as if it had not been.
//
//	t, err := train.New(pool, dev, m, source, loss, train.Options{Dir: dir, Leaves: 4, …})
//	err = t.Resume() // where there is a checkpoint
//	err = t.Run(ctx)
package train
