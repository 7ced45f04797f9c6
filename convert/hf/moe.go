package hf

import (
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// moeFields are a family's names for the sizes of its experts.
type moeFields struct {
	experts, used string // number of experts, of a token's
	ffn, shared   string // widths; empty: the feed-forward length, no shared expert
	defaults      [4]int64
	norm          bool // norm_topk_prob says whether a token's weights are scaled to a sum of 1; false where it is missing
}

// moe reads the sizes of a mixture of experts in every layer and adds its keys.
// Layers that differ are refused: GGUF has no key for them.
func (m *Model) moe(f *fields, n moeFields) {
	m.Experts = int(f.int(n.experts, 1, 1<<16, n.defaults[0]))
	m.ExpertsUsed = int(f.int(n.used, 1, 1<<16, n.defaults[1]))
	m.ExpertFFN = m.FFN
	if n.ffn != "" {
		m.ExpertFFN = int(f.int(n.ffn, 1, 1<<22, n.defaults[2]))
	}
	if n.shared != "" {
		m.SharedFFN = int(f.int(n.shared, 1, 1<<22, n.defaults[3]))
	}
	if m.ExpertsUsed > m.Experts {
		f.fail(n.used, "%d of %d experts", m.ExpertsUsed, m.Experts)
	}
	if s := f.int("decoder_sparse_step", 1, 1<<20, 1); s != 1 {
		f.fail("decoder_sparse_step", "%d is not supported, only 1: experts in every layer", s)
	}
	if dense := get(f, "mlp_only_layers", "list of layers", []int(nil)); len(dense) > 0 {
		f.fail("mlp_only_layers", "%d layers without experts among others with are not supported", len(dense))
	}
	m.key(arch.KeyExperts, gguf.Uint32(uint32(m.Experts)))
	m.key(arch.KeyExpertsUsed, gguf.Uint32(uint32(m.ExpertsUsed)))
	if n.ffn != "" {
		m.key(arch.KeyExpertFFN, gguf.Uint32(uint32(m.ExpertFFN)))
	}
	if n.shared != "" {
		m.key(arch.KeySharedFFN, gguf.Uint32(uint32(m.SharedFFN)))
	}
	if !n.norm {
		return
	}
	// What other readers of the file take for granted is said only where it differs.
	norm := f.bool("norm_topk_prob", false)
	if a, ok := arch.Lookup(m.Arch); ok && norm != a.ExpertsNorm {
		m.key(arch.KeyExpertsNorm, gguf.Bool(norm))
	}
}
