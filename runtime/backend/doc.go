// Package backend is the border between the model graphs and what computes
// them. A graph in runtime/model is written once against Ops, whole tensors
// at a time; a Device runs it: the CPU here, CUDA elsewhere, the training tape
// as well. The package must never know a model architecture.
//
// A step: the caller fills Inputs, and Device.Step calls the graph with an Ops
// (or replays what it recorded for the same StepKey). Tensors live until the
// next Step of the same device.
//
//	dev, err := backend.NewCPU(backend.CPUOptions{Threads: 2})
//	w, err := dev.Weight("output.weight", matrix)
//	out, err := dev.Step(key, in, func(o backend.Ops) ([]backend.Tensor, error) {
//		return []backend.Tensor{o.Linear(x, w, nil)}, nil
//	})
//	logits, err := dev.Host(out[0])
package backend
