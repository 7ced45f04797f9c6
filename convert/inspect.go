package convert

import (
	"context"
	"fmt"
	"os"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/convert/hf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// Info describes a model file or folder: what `qwq-convert inspect` prints.
type Info struct {
	Architecture string           `json:"architecture"`
	Name         string           `json:"name,omitempty"`
	Parameters   int64            `json:"parameters"` // tied weights counted once
	Tensors      []TensorInfo     `json:"tensors"`
	BytesPerType map[string]int64 `json:"bytes_per_type"`
	Memory       Memory           `json:"memory"`
	Fit          Fit              `json:"fit"`
	Warnings     []string         `json:"warnings,omitempty"`
}

// TensorInfo is one stored tensor; Type is spelled as ggml does (Q8_0), source
// types that GGUF lacks as their own format does (F8_E4M3).
type TensorInfo struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape []int  `json:"shape"` // rows first
	Bytes int64  `json:"bytes"`
}

// Memory is what running the model needs at a context length, in bytes.
type Memory struct {
	Context int   `json:"context"` // tokens
	Weights int64 `json:"weights"` // mapped file
	KV      int64 `json:"kv"`      // f16 cache of Context tokens
	Scratch int64 `json:"scratch"` // activations and logits of one batch
}

// Fit is the verdict for this machine; Available is the smaller of the
// kernel's MemAvailable and what the control group has left.
type Fit struct {
	OK        bool   `json:"ok"`
	Needed    int64  `json:"needed"`
	Available int64  `json:"available"`
	Reason    string `json:"reason"`
}

// inspectContext bounds the context length that Inspect reckons with where the
// caller names none.
const inspectContext = 4096

// shape is what the memory of a dense decoder depends on.
type shape struct{ layers, hidden, ffn, heads, kvHeads, headDim, vocab, context int }

// Inspect describes a GGUF file, a Hugging Face folder or a checkpoint file. The
// memory is for the trained context, at most 4096 tokens.
func Inspect(path string) (*Info, error) { return InspectContext(path, 0) }

// InspectContext is Inspect for a context of tokens, 0 = Inspect's choice.
func InspectContext(path string, tokens int) (*Info, error) {
	if tokens < 0 || tokens > 1<<30 {
		return nil, fmt.Errorf("convert: context of %d tokens", tokens)
	}
	src, err := openSource(path, opening{ctx: context.Background(), spool: os.TempDir(), limit: DefaultMaxMemory})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	info := &Info{Name: src.modelName(), BytesPerType: map[string]int64{}, Warnings: src.warnings}
	sh, tied, err := src.shape(info)
	if err != nil && src.gguf != nil {
		return nil, err
	} else if err != nil { // weights without a configuration
		info.Warnings = append(info.Warnings, err.Error())
	}
	info.count(src.tensors, tied)
	if sh.layers > 0 {
		if tokens == 0 {
			tokens = min(sh.context, inspectContext)
		}
		info.Memory.Context, info.Memory.KV, info.Memory.Scratch = tokens, sh.kv(tokens), sh.scratch()
	}
	info.Fit = fit(info.Memory.Weights+info.Memory.KV+info.Memory.Scratch, os.DirFS("/"))
	return info, nil
}

// shape reads the model's sizes; an error says why they are not known.
func (s *source) shape(info *Info) (sh shape, tied bool, err error) {
	if s.gguf != nil {
		info.Architecture = s.gguf.Arch()
		if n, ok := s.gguf.Str(arch.KeyName); ok {
			info.Name = n
		}
		h, err := checkGGUF(s.gguf)
		if err != nil {
			return shape{}, false, err
		}
		if arch.IsModule(s.gguf) {
			return shape{}, false, nil
		}
		if h.Arch == nil {
			info.Warnings = append(info.Warnings, fmt.Sprintf("architecture %.80q is not known: no memory is reckoned for its context", info.Architecture))
			return shape{}, false, nil
		}
		return shape{h.Layers, h.Hidden, h.FFN, h.Heads, h.KVHeads, h.HeadDim, h.Vocab, h.Context}, false, nil
	}
	m, err := hf.Load(s.dir)
	if err != nil {
		return shape{}, false, err
	}
	info.Architecture = m.Arch
	return shape{m.Layers, m.Hidden, m.FFN, m.Heads, m.KVHeads, m.HeadDim, m.Vocab, m.Context}, m.Tied, nil
}

// count lists the tensors. What is tied, by the configuration or by a shared
// storage, and tables that are no weights count as no parameters.
func (i *Info) count(tensors []*checkpoint.Tensor, tied bool) {
	type view struct {
		storage string
		off     int64
	}
	seen := map[view]bool{}
	for _, t := range tensors {
		x := TensorInfo{Name: t.Name, Type: t.TypeName(), Bytes: t.Bytes()}
		for _, d := range t.Shape {
			x.Shape = append(x.Shape, int(d))
		}
		i.Tensors = append(i.Tensors, x)
		v := view{t.Storage, t.Off}
		if t.Storage != "" && seen[v] || tied && t.Name == "lm_head.weight" {
			continue
		}
		seen[v] = true
		i.BytesPerType[x.Type] += x.Bytes
		i.Memory.Weights += x.Bytes
		if t.Name != "rope_freqs.weight" {
			i.Parameters += t.Len()
		}
	}
}

// kv is the bytes of an f16 cache of n tokens, in pages of 64.
func (s shape) kv(n int) int64 {
	const page = 64
	return int64((n+page-1)/page*page) * int64(s.layers) * int64(s.kvHeads) * int64(s.headDim) * 2 * 2
}

// scratch is the float32 activations of a batch of 64 tokens, one row of logits
// and a packing tile per core.
func (s shape) scratch() int64 {
	const batch = 64
	per := int64(4*s.hidden + 3*s.ffn + 2*s.heads*s.headDim + 2*s.kvHeads*s.headDim)
	return 4*(batch*per+int64(s.vocab)) + 4<<20
}
