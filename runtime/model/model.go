package model

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// Model is a graph with its weights on a device. Bind and Run are for one
// goroutine at a time.
type Model struct {
	cfg     arch.Hyper
	dev     backend.Device
	id      uint64
	graph   graph
	rope    *backend.Rope
	ropeLen int  // positions that rope has angles for
	f32     bool // every matrix is F32
	input   int  // columns of Batch.Embeds
}

// graph is what an architecture implements.
type graph interface {
	forward(o backend.Ops, in *backend.Inputs) ([]backend.Tensor, error)
	head(o backend.Ops, hidden backend.Tensor) backend.Tensor
}

// builders is the registry: one line per architecture.
var builders = map[string]func(*loader) (graph, error){
	"bert":     newEncoder,
	"clip":     newTextTower, // NewVision is the other one
	"llama":    newDense,     // mistral and mixtral too
	"qwen2":    newDense,
	"qwen2moe": newDense,
	"qwen3":    newDense,
	"qwen3moe": newDense,
	"qwq-seed": newSeed,
}

// Architectures lists the architectures that New can run, sorted.
func Architectures() []string {
	var a []string
	for name := range builders {
		a = append(a, name)
	}
	slices.Sort(a)
	return a
}

var lastID atomic.Uint64

// New binds the model in f to a device. Weights stay in f's mapping on devices
// that can use it, so f must outlive the model.
func New(f *gguf.File, dev backend.Device) (*Model, error) {
	build, ok := builders[f.Arch()]
	if !ok {
		return nil, f.Errorf("general.architecture", "%q is not one of %v", f.Arch(), Architectures())
	}
	l, err := newLoader(f, dev)
	if err != nil {
		return nil, err
	}
	g, err := build(l)
	if err != nil {
		return nil, err
	}
	return &Model{cfg: l.cfg, dev: dev, id: lastID.Add(1), graph: g, rope: l.rope, f32: l.f32, input: l.cfg.Hidden}, nil
}

// Hyper is the shape of the model.
func (m *Model) Hyper() arch.Hyper { return m.cfg }

// Device is where the weights are.
func (m *Model) Device() backend.Device { return m.dev }

// F32 says whether every matrix of the model is F32.
func (m *Model) F32() bool { return m.f32 }

// KVSpec describes the store that the model's sequences need.
func (m *Model) KVSpec(t quant.Type, pages int) (backend.KVSpec, error) {
	switch t {
	case quant.F32, quant.F16:
	case quant.Q8_0:
		if m.cfg.HeadDim%t.Block() != 0 {
			return backend.KVSpec{}, fmt.Errorf("model: kv type %v needs a head dimension that is a multiple of %d, this model's is %d", t, t.Block(), m.cfg.HeadDim)
		}
	default:
		return backend.KVSpec{}, fmt.Errorf("model: kv type %v is not F32, F16 or Q8_0", t)
	}
	return backend.KVSpec{Type: t, Layers: m.cfg.Layers, Heads: m.cfg.KVHeads, Dim: m.cfg.HeadDim, Pages: pages}, nil
}

// Forward records or computes the graph: embedding, layers, final norm, head.
// The results are in the order of the Want constants.
func (m *Model) Forward(o backend.Ops, in *backend.Inputs) ([]backend.Tensor, error) {
	return m.graph.forward(o, in)
}

// Head is the output matrix applied to hidden states after the final norm:
// [rows, hidden] to [rows, vocabulary]. Training calls it per chunk of rows.
func (m *Model) Head(o backend.Ops, hidden backend.Tensor) backend.Tensor {
	return m.graph.head(o, hidden)
}
