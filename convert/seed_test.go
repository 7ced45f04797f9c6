package convert

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/quant"
)

// seedCkpt is a state_dict of the article's modules; shapes are in the order of
// the arguments.
func seedCkpt(kind string) *ckpt {
	c := &ckpt{tensors: map[string]mat{}}
	r := rand.New(rand.NewPCG(3, 4))
	add := func(name string, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.IntN(255)-127) / 128 // exact in BF16
		}
		c.tensors[name] = mat{shape, v}
	}
	affine := func(name string, rows, cols int) {
		add(name+".weight", rows, cols)
		add(name+".bias", rows)
	}
	block := func(at string, d, ff int) {
		add(at+"self_attn.in_proj_weight", 3*d, d)
		add(at+"self_attn.in_proj_bias", 3*d)
		affine(at+"self_attn.out_proj", d, d)
		affine(at+"feed_forward.0", ff, d)
		affine(at+"feed_forward.3", d, ff)
		for _, n := range []string{"norm1", "norm2"} {
			add(at+n+".weight", d)
			add(at+n+".bias", d)
		}
	}
	moe := func(at string, d, n int) {
		affine(at+"gating", n, d)
		for e := range n {
			affine(fmt.Sprint(at, "experts.", e), d, d)
		}
	}
	switch kind {
	case "block":
		block("", 64, 96)
	case "moe":
		moe("", 64, 3)
	case "dialog":
		for _, n := range []string{"ih", "hh"} {
			add("history_encoder.weight_"+n+"_l0", 96, 32)
			add("history_encoder.bias_"+n+"_l0", 96)
		}
		affine("state_update", 32, 64)
	case "multimodal":
		add("text_encoder.emb.weight", 20, 32)
		affine("text_proj", 16, 32)
		add("image_encoder.0.weight", 5, 3, 2, 2)
		add("image_encoder.0.bias", 5)
		affine("image_encoder.3", 32, 5*9)
		affine("image_proj", 16, 32)
	default:
		add("embedding.weight", 40, 32)
		add("positional_encoding.pe", 12, 1, 32)
		block("encoder.0.", 32, 64)
		moe("encoder.1.", 32, 3)
		block("encoder.2.", 32, 64)
		affine("fc_out", 40, 32)
	}
	return c
}

// seedFile writes c as a zip checkpoint and converts it.
func (c *ckpt) seedFile(t *testing.T, config string, transposed func(string) bool) (*gguf.File, []byte, *Report) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tiny")
	c.put(t, dir, "model.pt", c.torch(t, zip.Store, transposed))
	o := Options{Source: dir + "/model.pt", Arch: arch.Seed, Type: "f32"}
	if config != "" {
		c.put(t, dir, "info.json", []byte(config))
		o.Config = dir + "/info.json"
	}
	b, r := run(t, o)
	f, err := gguf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return f, b, r
}

// values are the numbers of a tensor of f.
func values(t *testing.T, f *gguf.File, name string) []float32 {
	t.Helper()
	x := f.Tensor(name)
	if x == nil {
		t.Fatalf("no tensor %s", name)
	}
	m, err := x.Matrix()
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, m.Rows*m.Cols)
	if err := quant.Decode(m.Type, v, m.Data); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSeedParts: what is one tensor in a state_dict and several in the file, or
// the other way round, element by element, from tensors stored row by row and
// column by column.
func TestSeedParts(t *testing.T) {
	none := func(string) bool { return false }
	for _, kind := range []string{"model", "block", "moe", "dialog", "multimodal"} {
		c := seedCkpt(kind)
		f, plain, r := c.seedFile(t, `{"n_heads": 4}`, none)
		if got, _ := f.Str("qwq-seed.kind"); got != kind || r.Arch != "qwq-seed" {
			t.Errorf("%s: kind %q of %q", kind, got, r.Arch)
		}
		if _, err := checkGGUF(f); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if _, b, _ := c.seedFile(t, `{"n_heads": 4}`, func(n string) bool { return len(c.tensors[n].shape) < 3 }); !bytes.Equal(b, plain) {
			t.Errorf("%s: strides give another file", kind)
		}
		is := func(name, from string, at func(i int) int) {
			t.Helper()
			v := c.tensors[from].v
			for i, x := range values(t, f, name) {
				if x != v[at(i)] {
					t.Errorf("%s: %s: element %d is %v, want %s[%d] = %v", kind, name, i, x, from, at(i), v[at(i)])
					return
				}
			}
		}
		switch kind {
		case "model":
			h, err := arch.ReadHyper(f)
			if err != nil || h.Mixed != "bmb" || h.Layers != 3 || h.Hidden != 32 || h.FFN != 64 || h.Heads != 4 || h.Experts != 3 || h.ExpertsUsed != 2 || h.Context != 12 || h.Vocab != 40 {
				t.Errorf("%+v, %v", h, err)
			}
			is("position_embd.weight", "positional_encoding.pe", func(i int) int { return i })
			is("blk.2.attn_v.bias", "encoder.2.self_attn.in_proj_bias", func(i int) int { return 64 + i })
			var want []string
			for _, n := range h.Arch.Expand(h.Dims()) {
				want = append(want, n.Name)
			}
			if len(want) != len(f.Tensors()) || slices.ContainsFunc(want, func(n string) bool { return f.Tensor(n) == nil }) {
				t.Errorf("tensors are not those of the table: %v", want)
			}
		case "block":
			is("blk.0.attn_k.weight", "self_attn.in_proj_weight", func(i int) int { return 64*64 + i })
		case "moe":
			for e := range 3 {
				if w, v := values(t, f, "blk.0.ffn_down_exps.weight")[e*64*64:][:64*64], c.tensors[fmt.Sprintf("experts.%d.weight", e)].v; !slices.Equal(w, v) {
					t.Errorf("expert %d differs", e)
				}
				if w, v := values(t, f, "blk.0.ffn_down_exps.bias")[e*64:][:64], c.tensors[fmt.Sprintf("experts.%d.bias", e)].v; !slices.Equal(w, v) {
					t.Errorf("bias of expert %d differs", e)
				}
			}
		case "dialog":
			is("gru.update.weight", "history_encoder.weight_ih_l0", func(i int) int { return 32*32 + i })
			is("gru.new.bias", "history_encoder.bias_ih_l0", func(i int) int { return 64 + i })
			is("gru.hidden.bias", "history_encoder.bias_hh_l0", func(i int) int { return i })
			is("state.history.weight", "state_update.weight", func(i int) int { return i/32*64 + 32 + i%32 })
		case "multimodal":
			is("image.conv.weight", "image_encoder.0.weight", func(i int) int { return i })
			is("image.fc.weight", "image_encoder.3.weight", func(i int) int { // [9 patches, 32, 5 channels]
				p, row, ch := i/(32*5), i/5%32, i%5
				return row*45 + ch*9 + p
			})
		}
	}
}

// TestSeedForms: the same file from every form of a golden's checkpoint.
func TestSeedForms(t *testing.T) {
	dir := testdata.Shared(t, "goldens", "seed", "moe_d64")
	want, _ := run(t, Options{Source: dir + "/model.safetensors", Arch: arch.Seed, Config: dir + "/info.json", Type: "q8_0"})
	for _, name := range []string{"model.pt", "model_legacy.bin"} {
		got, _ := run(t, Options{Source: dir + "/" + name, Arch: arch.Seed, Config: dir + "/info.json", Type: "q8_0"})
		sameTensors(t, got, want)
	}
}

// TestSeedDefaults: without a configuration 16 heads for a model, 8 for a block,
// the 2 best experts, and a warning of each.
func TestSeedDefaults(t *testing.T) {
	for kind, heads := range map[string]int{"model": 16, "block": 8, "moe": 1} {
		f, _, r := seedCkpt(kind).seedFile(t, "", func(string) bool { return false })
		h, err := arch.ReadHyper(f)
		if err != nil || h.Heads != heads || kind != "block" && h.ExpertsUsed != 2 {
			t.Errorf("%s: %d heads, top %d, %v", kind, h.Heads, h.ExpertsUsed, err)
		}
		if want := map[string]int{"model": 2, "block": 1, "moe": 1}[kind]; len(r.Warnings) != want {
			t.Errorf("%s: warnings %q, want %d", kind, r.Warnings, want)
		}
	}
}

func TestSeedRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		kind, config string
		edit         func(c *ckpt)
		want         string
	}{
		"heads":      {"block", `{"n_heads": 7}`, nil, "7 heads do not divide the checkpoint's width 64"},
		"no heads":   {"block", `{"n_heads": 0}`, nil, "0 heads"},
		"top k":      {"moe", `{"top_k": 4}`, nil, `"top_k" is 4, the checkpoint has 3 experts`},
		"width":      {"block", `{"d_model": 128}`, nil, `"d_model" is 128, the checkpoint has 64`},
		"ffn":        {"model", `{"dim_ff": 65}`, nil, `"dim_ff" is 65, the checkpoint has 64`},
		"layers":     {"model", `{"num_layers": 24}`, nil, `"num_layers" is 24, the checkpoint has 3`},
		"moe layers": {"model", `{"moe_layers": [1, 2]}`, nil, `[1 2], the checkpoint has experts in layers [1]`},
		"vocabulary": {"model", `{"vocab": 41}`, nil, `"vocab" is 41`},
		"length":     {"model", `{"max_len": 5000}`, nil, `"max_len" is 5000, the checkpoint has 12`},
		"parameters": {"model", `{"n_params": 1}`, nil, `"n_params" is 1`},
		"kind":       {"moe", `{"kind": "block"}`, nil, "those of a moe"},
		"projection": {"multimodal", `{"proj_dim": 4}`, nil, `"proj_dim" is 4, the checkpoint has 16`},
		"json":       {"moe", `{"top_k": 2`, nil, "info.json: unexpected end"},
		"no object":  {"moe", `[]`, nil, "want a JSON object"},
		"type":       {"moe", `{"top_k": "2"}`, nil, "top_k"},
		"unknown":    {"moe", "", func(c *ckpt) { delete(c.tensors, "gating.weight") }, "none of the tensors that tell"},
		"missing":    {"model", "", func(c *ckpt) { delete(c.tensors, "encoder.2.norm1.bias") }, `"encoder.2.norm1.bias" is missing`},
		"hole":       {"model", "", func(c *ckpt) { c.tensors["encoder.9.norm1.bias"] = mat{[]int{1}, []float32{1}} }, `"encoder.3.self_attn.in_proj_weight" is missing`},
		"far":        {"model", "", func(c *ckpt) { c.tensors["encoder.99999.norm1.bias"] = mat{[]int{1}, []float32{1}} }, "100000 layers in a checkpoint of"},
		"more":       {"block", "", func(c *ckpt) { c.tensors["extra"] = mat{[]int{1}, []float32{1}} }, `"extra" has no place`},
		"expert":     {"moe", "", func(c *ckpt) { c.tensors["experts.3.bias"] = mat{[]int{1}, []float32{1}} }, `"experts.3.bias" has no place`},
		"shape":      {"model", "", func(c *ckpt) { c.tensors["fc_out.bias"] = mat{[]int{3}, make([]float32, 3)} }, `"fc_out.bias": shape [3]`},
		"in_proj":    {"block", "", func(c *ckpt) { c.tensors["self_attn.in_proj_bias"] = mat{[]int{3}, make([]float32, 3)} }, "want [3*64, 64] and [3*64]"},
		"pe":         {"model", "", func(c *ckpt) { c.tensors["positional_encoding.pe"] = mat{[]int{4, 2, 16}, make([]float32, 128)} }, "want [length, 1, 32]"},
		"square":     {"multimodal", "", func(c *ckpt) { c.tensors["image_encoder.3.weight"] = mat{[]int{32, 40}, make([]float32, 1280)} }, "not those of a square"},
		"encoder":    {"multimodal", "", func(c *ckpt) { delete(c.tensors, "image_encoder.3.weight") }, "a convolution and a matrix"},
	} {
		c2 := seedCkpt(c.kind)
		if c.edit != nil {
			c.edit(c2)
		}
		dir := t.TempDir()
		c2.put(t, dir, "model.pt", c2.torch(t, zip.Store, func(string) bool { return false }))
		o := Options{Source: dir + "/model.pt", Out: dir + "/out.gguf", Arch: arch.Seed, Type: "f32"}
		if c.config != "" {
			c2.put(t, dir, "info.json", []byte(c.config))
			o.Config = dir + "/info.json"
		}
		if _, err := Quantize(context.Background(), o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if _, err := os.Stat(o.Out); err == nil {
			t.Errorf("%s: a file was left", name)
		}
	}
	for _, o := range []Options{{Arch: "llama"}, {Config: "x.json"}} {
		o.Source, o.Out, o.Type = "x", "y", "f32"
		if _, err := Quantize(context.Background(), o); err == nil || !strings.Contains(err.Error(), "architecture") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
