package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// seedConfig is what --config may say of a qwq-seed checkpoint. Only n_heads and
// top_k cannot be seen in it; the rest must agree with it. Other fields are
// passed over.
type seedConfig struct {
	Heads *int `json:"n_heads"`
	TopK  *int `json:"top_k"`

	Kind       *string `json:"kind"`
	Hidden     *int    `json:"d_model"`
	FFN        *int    `json:"dim_ff"`
	Layers     *int    `json:"num_layers"`
	MoELayers  *[]int  `json:"moe_layers"`
	Experts    *int    `json:"num_experts"`
	Vocab      *int    `json:"vocab"`
	VocabSize  *int    `json:"vocab_size"`
	Length     *int    `json:"max_len"`
	Projection *int    `json:"proj_dim"`
	Features   *int    `json:"feat_dim"`
	Parameters *int64  `json:"n_params"`

	name string
}

// maxSeedConfig bounds the file.
const maxSeedConfig = 1 << 20

// readSeedConfig reads the JSON object in path; "" is an empty one.
func readSeedConfig(path string) (*seedConfig, error) {
	c := &seedConfig{name: filepath.Base(path)}
	if path == "" {
		return c, nil
	}
	b, err := checkpoint.ReadSmall(path, maxSeedConfig)
	if err != nil {
		return nil, fmt.Errorf("convert: config: %w", err)
	}
	if b = bytes.TrimSpace(b); len(b) == 0 || b[0] != '{' {
		return nil, fmt.Errorf("convert: %s: want a JSON object", c.name)
	}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("convert: %s: %w", c.name, err)
	}
	return c, nil
}

// check compares what the configuration says with what the checkpoint has.
func (c *seedConfig) check(s *seedSizes) error {
	if c.Kind != nil && *c.Kind != s.kind {
		return fmt.Errorf("convert: %s: field %q is %.40q, the checkpoint's tensors are those of a %s", c.name, "kind", *c.Kind, s.kind)
	}
	var moe []int
	for i, k := range []byte(s.mixed) {
		if k == arch.MixedMoE {
			moe = append(moe, i)
		}
	}
	if c.MoELayers != nil && !slices.Equal(*c.MoELayers, moe) {
		return fmt.Errorf("convert: %s: field %q is %v, the checkpoint has experts in layers %v", c.name, "moe_layers", *c.MoELayers, moe)
	}
	for _, f := range []struct {
		name string
		said *int
		is   int
	}{
		{"d_model", c.Hidden, s.hidden},
		{"dim_ff", c.FFN, s.ffn},
		{"num_layers", c.Layers, len(s.mixed)},
		{"num_experts", c.Experts, s.experts},
		{"vocab", c.Vocab, s.vocab},
		{"vocab_size", c.VocabSize, s.vocab},
		{"max_len", c.Length, s.length},
		{"proj_dim", c.Projection, s.projection},
		{"feat_dim", c.Features, s.features},
	} {
		if f.said != nil && *f.said != f.is {
			return fmt.Errorf("convert: %s: field %q is %d, the checkpoint has %d", c.name, f.name, *f.said, f.is)
		}
	}
	if c.Parameters != nil && *c.Parameters != s.parameters {
		return fmt.Errorf("convert: %s: field %q is %d, the checkpoint has %d", c.name, "n_params", *c.Parameters, s.parameters)
	}
	return nil
}

// Defaults of the article.
const (
	seedHeads      = 16 // of the whole model
	seedBlockHeads = 8
	seedTopK       = 2
)

// heads is the number of attention heads; said is false for the default.
func (c *seedConfig) heads(s *seedSizes) (n int, said bool, err error) {
	n = seedHeads
	if s.kind == arch.KindBlock {
		n = seedBlockHeads
	}
	if c.Heads != nil {
		n = *c.Heads
	}
	if n < 1 || s.hidden%n != 0 {
		return 0, false, fmt.Errorf("convert: %s: field %q: %d heads do not divide the checkpoint's width %d", c.name, "n_heads", n, s.hidden)
	}
	return n, c.Heads != nil, nil
}

// topK is the experts of a token.
func (c *seedConfig) topK(s *seedSizes) (k int, said bool, err error) {
	k = seedTopK
	if c.TopK != nil {
		k = *c.TopK
	}
	if k < 1 || k > s.experts {
		return 0, false, fmt.Errorf("convert: %s: field %q is %d, the checkpoint has %d experts", c.name, "top_k", k, s.experts)
	}
	return k, c.TopK != nil, nil
}
