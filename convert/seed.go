package convert

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
)

// seedSizes is what the names and shapes of a qwq-seed checkpoint say.
type seedSizes struct {
	kind                                 string
	hidden, ffn, experts                 int
	mixed                                string // a byte per layer, as in arch.Dims
	vocab, length                        int
	features, projection                 int
	image, patch, imageIn, imageOut, fit int
	parameters                           int64
}

// seedLoad collects the items of a qwq-seed file. It keeps the first error.
type seedLoad struct {
	byName map[string]*checkpoint.Tensor
	used   map[string]bool
	plan   *plan
	sizes  seedSizes
	items  []*item
	notes  []string
	err    error
}

// describeSeed is describe for a state_dict of the article's modules.
func (s *source) describeSeed(p *plan, r *Report, config string) ([]*item, []gguf.KV, error) {
	if s.kind == kindGGUF {
		return nil, nil, fmt.Errorf("convert: %s is a GGUF file: its architecture is in it", s.name)
	}
	c, err := readSeedConfig(config)
	if err != nil {
		return nil, nil, err
	}
	l := &seedLoad{byName: map[string]*checkpoint.Tensor{}, used: map[string]bool{}, plan: p}
	for _, t := range s.tensors {
		if l.byName[t.Name] != nil {
			return nil, nil, fmt.Errorf("convert: tensor %.80q appears twice", t.Name)
		}
		l.byName[t.Name] = t
	}
	l.read(s.tensors)
	for _, t := range s.tensors {
		if l.err == nil && !l.used[t.Name] {
			l.err = fmt.Errorf("convert: %s: tensor %.80q has no place in a %s %s", t.File, t.Name, arch.Seed, l.sizes.kind)
		}
	}
	if l.err == nil {
		l.err = c.check(&l.sizes)
	}
	if l.err != nil {
		return nil, nil, l.err
	}
	kvs, err := l.kvs(c)
	r.Arch, r.Warnings = arch.Seed, append(slices.Clone(s.warnings), l.notes...)
	return l.items, append(fileKVs(arch.Seed, s.modelName(), p), kvs...), err
}

// telling are the tensors that tell which module a checkpoint is.
var telling = []struct{ name, kind string }{
	{"embedding.weight", arch.KindModel},
	{"self_attn.in_proj_weight", arch.KindBlock},
	{"gating.weight", arch.KindMoE},
	{"history_encoder.weight_ih_l0", arch.KindDialog},
	{"text_proj.weight", arch.KindMultimodal},
}

func (l *seedLoad) read(tensors []*checkpoint.Tensor) {
	for _, t := range telling {
		if l.byName[t.name] != nil {
			l.sizes.kind = t.kind
			break
		}
	}
	switch s := &l.sizes; s.kind {
	case arch.KindModel:
		l.model(tensors)
	case arch.KindBlock:
		s.mixed = string(rune(arch.MixedBlock))
		l.block("", 0)
	case arch.KindMoE:
		s.mixed = string(rune(arch.MixedMoE))
		l.moe("", 0)
	case arch.KindDialog:
		l.dialog()
	case arch.KindMultimodal:
		l.multimodal(tensors)
	default:
		l.fail("convert: none of the tensors that tell a module of %s apart is there: %s, %s, %s, %s or %s", arch.Seed,
			telling[0].name, telling[1].name, telling[2].name, telling[3].name, telling[4].name)
	}
}

func (l *seedLoad) fail(format string, a ...any) {
	if l.err == nil {
		l.err = fmt.Errorf(format, a...)
	}
}

// layerName matches the tensors of the whole model's layers.
var layerName = regexp.MustCompile(`^encoder\.(0|[1-9][0-9]{0,5})\.`)

// model is the whole of it.
func (l *seedLoad) model(tensors []*checkpoint.Tensor) {
	s := &l.sizes
	layers := 0
	for _, t := range tensors {
		if m := layerName.FindStringSubmatch(t.Name); m != nil {
			n, _ := strconv.Atoi(m[1])
			layers = max(layers, n+1)
		}
	}
	if layers < 1 || layers > len(tensors) {
		l.fail("convert: %d layers in a checkpoint of %d tensors", layers, len(tensors))
		return
	}
	l.matrix("token_embd.weight", "embedding.weight", &s.vocab, &s.hidden)
	if pe := l.take("positional_encoding.pe"); l.err == nil {
		if len(pe.Shape) != 3 || pe.Shape[1] != 1 || pe.Shape[2] != int64(s.hidden) || pe.Shape[0] < 1 || pe.Shape[0] > maxSeedDim {
			l.fail("convert: %s: tensor %.80q: shape %v, want [length, 1, %d]", pe.File, pe.Name, pe.Shape, s.hidden)
			return
		}
		s.length = int(pe.Shape[0])
		s.parameters -= pe.Len() // a buffer
		l.add("position_embd.weight", drop(pe, 1))
	}
	for i := range layers {
		at := fmt.Sprintf("encoder.%d.", i)
		if l.byName[at+"gating.weight"] != nil {
			s.mixed += string(rune(arch.MixedMoE))
			l.moe(at, i)
		} else {
			s.mixed += string(rune(arch.MixedBlock))
			l.block(at, i)
		}
	}
	l.affine("output", "fc_out", &s.vocab, &s.hidden)
}

// block is layer i, a Transformer block; its names begin with at.
func (l *seedLoad) block(at string, i int) {
	s := &l.sizes
	blk := fmt.Sprintf("blk.%d.", i)
	w, b := l.take(at+"self_attn.in_proj_weight"), l.take(at+"self_attn.in_proj_bias")
	if l.err != nil {
		return
	}
	if s.hidden == 0 && len(w.Shape) == 2 {
		s.hidden = int(w.Shape[1])
	}
	d := int64(s.hidden)
	if !slices.Equal(w.Shape, []int64{3 * d, d}) || !slices.Equal(b.Shape, []int64{3 * d}) || d < 1 || d > maxSeedDim {
		l.fail("convert: %s: tensor %.80q: shape %v with a bias of %v, want [3*%d, %d] and [3*%d]", w.File, w.Name, w.Shape, b.Shape, d, d, d)
		return
	}
	for k, name := range []string{"attn_q", "attn_k", "attn_v"} {
		l.add(blk+name+".weight", part(w, int64(k)*d, d))
		l.add(blk+name+".bias", part(b, int64(k)*d, d))
	}
	l.affine(blk+"attn_output", at+"self_attn.out_proj", &s.hidden, &s.hidden)
	l.norm(blk+"attn_output_norm", at+"norm1")
	l.affine(blk+"ffn_up", at+"feed_forward.0", &s.ffn, &s.hidden)
	l.affine(blk+"ffn_down", at+"feed_forward.3", &s.hidden, &s.ffn)
	l.norm(blk+"layer_output_norm", at+"norm2")
}

func (l *seedLoad) norm(name, from string) {
	l.vector(name+".weight", from+".weight", &l.sizes.hidden)
	l.vector(name+".bias", from+".bias", &l.sizes.hidden)
}

// moe is layer i, a mixture of experts.
func (l *seedLoad) moe(at string, i int) {
	s := &l.sizes
	blk := fmt.Sprintf("blk.%d.", i)
	l.affine(blk+"ffn_gate_inp", at+"gating", &s.experts, &s.hidden)
	if l.err == nil && s.experts > len(l.byName) {
		l.fail("convert: tensor %.80q is for %d experts, the checkpoint has %d tensors", at+"gating.weight", s.experts, len(l.byName))
	}
	var w, b []*checkpoint.Tensor
	for e := 0; e < s.experts && l.err == nil; e++ {
		name := fmt.Sprintf("%sexperts.%d.", at, e)
		w, b = append(w, l.shaped(name+"weight", &s.hidden, &s.hidden)), append(b, l.shaped(name+"bias", &s.hidden))
	}
	if l.err != nil {
		return
	}
	stack, err := checkpoint.Stack(at+"experts.weight", w)
	if err == nil {
		l.add(blk+"ffn_down_exps.weight", stack)
		stack, err = checkpoint.Stack(at+"experts.bias", b)
	}
	if err != nil {
		l.fail("convert: %w", err)
		return
	}
	stack.Shape = []int64{stack.Len()}
	l.add(blk+"ffn_down_exps.bias", stack)
}

// kvs are the metadata of the file.
func (l *seedLoad) kvs(c *seedConfig) ([]gguf.KV, error) {
	s := &l.sizes
	kvs := []gguf.KV{{Key: arch.Key(arch.KeyKind, arch.Seed), Value: gguf.String(s.kind)}}
	num := func(key string, n int) {
		if n > 0 {
			kvs = append(kvs, gguf.KV{Key: arch.Key(key, arch.Seed), Value: gguf.Uint32(uint32(n))})
		}
	}
	num(arch.KeyLayers, len(s.mixed))
	num(arch.KeyHidden, s.hidden)
	num(arch.KeyVocab, s.vocab)
	num(arch.KeyContext, s.length)
	if strings.ContainsRune(s.mixed, arch.MixedBlock) {
		n, said, err := c.heads(s)
		if err != nil {
			return nil, err
		}
		if !said {
			l.note("the configuration has no n_heads: %d taken", n)
		}
		num(arch.KeyFFN, s.ffn)
		num(arch.KeyHeads, n)
		kvs = append(kvs, gguf.KV{Key: arch.Key(arch.KeyNormEps, arch.Seed), Value: gguf.Float32(1e-5)},
			gguf.KV{Key: arch.Key(arch.KeyCausal, arch.Seed), Value: gguf.Bool(false)})
	}
	if strings.ContainsRune(s.mixed, arch.MixedMoE) {
		k, said, err := c.topK(s)
		if err != nil {
			return nil, err
		}
		if !said {
			l.note("the configuration has no top_k: %d taken", k)
		}
		var at []int32
		for i, x := range []byte(s.mixed) {
			if x == arch.MixedMoE {
				at = append(at, int32(i))
			}
		}
		num(arch.KeyExperts, s.experts)
		num(arch.KeyExpertsUsed, k)
		kvs = append(kvs, gguf.KV{Key: arch.Key(arch.KeyExpertLayers, arch.Seed), Value: gguf.Int32s(at)})
	}
	num(arch.KeyFeatures, s.features)
	num(arch.KeyProject, s.projection)
	num(arch.KeyImageSide, s.image)
	num(arch.KeyPatchEdge, s.patch)
	num(arch.KeyImageIn, s.imageIn)
	num(arch.KeyImageOut, s.imageOut)
	return kvs, nil
}

func (l *seedLoad) note(format string, a ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, a...))
}

// add plans a tensor of the file.
func (l *seedLoad) add(name string, t *checkpoint.Tensor) {
	if l.err != nil {
		return
	}
	it := &item{src: t, info: gguf.TensorInfo{Name: name, Type: quant.F32, Dims: dims(t.Shape)}}
	it.rows, it.cols = t.Matrix()
	if len(t.Shape) > 1 && strings.HasSuffix(name, ".weight") {
		it.info.Type, it.fallback = l.plan.matrix(name, int(it.cols))
	}
	l.items = append(l.items, it)
}
