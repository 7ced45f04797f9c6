// Package model holds the graphs of the architectures, each written once
// against backend.Ops, and what binds them to a GGUF file. It must never
// compute with numbers itself: a graph that runs on the CPU runs on every
// Device and trains under the tape.
//
// A Batch is rows of several sequences, prefill and decode mixed. Forward is
// free of state; Run is Bind, Device.Step, and the commit of the KV pages.
//
//	m, err := model.New(file, dev)
//	b := &model.Batch{IDs: ids, Seqs: []model.Span{{KV: kv, N: len(ids), Causal: true}}, Rows: []int32{last}}
//	out, err := m.Run(b)
//	logits, err := dev.Host(out[0])
package model
