package arch_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf/arch"
)

var dims = arch.Dims{Hidden: 128, FFN: 256, Heads: 4, KVHeads: 2, HeadDim: 48, Vocab: 1000, Layers: 3, Experts: 6, ExpertFFN: 40, SharedFFN: 72, Positions: 64, Segments: 2, Labels: 5,
	Projection: 24, Vision: &arch.Dims{Hidden: 32, FFN: 64, Heads: 2, KVHeads: 2, HeadDim: 16, Layers: 1, Positions: 5, Projection: 24, Patch: 8}}

func lookup(t *testing.T, name string) *arch.Arch {
	t.Helper()
	a, ok := arch.Lookup(name)
	if !ok {
		t.Fatalf("no architecture %q", name)
	}
	return a
}

func TestLookup(t *testing.T) {
	if got := arch.Names(); !slices.Equal(got, []string{"bert", "clip", "llama", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "qwq-seed"}) {
		t.Errorf("names %v", got)
	}
	for hf, want := range map[string]string{"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "mixtral": "llama", "qwen2_moe": "qwen2moe", "qwen3_moe": "qwen3moe", "clip": "clip"} {
		if a, ok := arch.LookupHF(hf); !ok || a.Name != want {
			t.Errorf("LookupHF(%q) = %v, want %s", hf, a, want)
		}
	}
	if _, ok := arch.Lookup("mistral"); ok {
		t.Error("mistral is no GGUF architecture")
	}
	if _, ok := arch.LookupHF("gpt2"); ok {
		t.Error("gpt2 is supported")
	}
}

// TestTables holds what every table must satisfy.
func TestTables(t *testing.T) {
	for _, name := range arch.Names() {
		a := lookup(t, name)
		seen := map[string]bool{}
		for _, x := range a.Tensors {
			if strings.Contains(x.GGUF, "%d") != x.PerLayer || x.HF != "" && strings.Contains(x.HF, "%d") != x.PerLayer {
				t.Errorf("%s: %s, %s: PerLayer is %v", name, x.GGUF, x.HF, x.PerLayer)
			}
			if x.Vector != (len(x.Axes) == 1) || len(x.Axes) == 0 || (len(x.Axes) == 3) != x.Stacked() || x.Stacked() != (strings.Count(x.HF, "%d") == 2) {
				t.Errorf("%s: %s: axes %v, vector %v", name, x.GGUF, x.Axes, x.Vector)
			}
			if x.Permute && a.NeoX {
				t.Errorf("%s: %s is permuted, but RoPE takes halves", name, x.GGUF)
			}
			for _, n := range []string{x.GGUF, "hf " + x.HF} {
				if n != "hf " && seen[n] {
					t.Errorf("%s: %s twice", name, n)
				}
				seen[n] = true
			}
			for _, s := range x.Shape(dims) {
				if s <= 0 {
					t.Errorf("%s: %s: shape %v", name, x.GGUF, x.Shape(dims))
				}
			}
		}
	}
}

func TestExpand(t *testing.T) {
	var names, hf []string
	for _, n := range lookup(t, "qwen3").Expand(arch.Dims{Layers: 2}) {
		names = append(names, n.Name)
		hf = append(hf, n.HFName)
		if back, ok := lookup(t, "qwen3").Find(n.Name); !ok || back.Name != n.Name || back.HFName != n.HFName || back.Layer != n.Layer {
			t.Errorf("Find(%q) = %+v, %v", n.Name, back, ok)
		}
	}
	layer := []string{"attn_norm.weight", "attn_q.weight", "attn_q.bias", "attn_k.weight", "attn_k.bias", "attn_v.weight", "attn_v.bias", "attn_q_norm.weight", "attn_k_norm.weight",
		"attn_output.weight", "attn_output.bias", "ffn_norm.weight", "ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"}
	want := []string{"token_embd.weight", "rope_freqs.weight"}
	for _, l := range []string{"0", "1"} {
		for _, n := range layer {
			want = append(want, "blk."+l+"."+n)
		}
	}
	want = append(want, "output_norm.weight", "output.weight")
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if hf[1] != "" || hf[20] != "model.layers.1.self_attn.k_proj.weight" || hf[len(hf)-1] != "lm_head.weight" {
		t.Errorf("checkpoint names %v", hf)
	}
}

func TestBiases(t *testing.T) {
	optional := func(a, name string) (found, opt, permute bool) {
		n, ok := lookup(t, a).Find(name)
		if !ok {
			return false, false, false
		}
		return true, n.Optional, n.Permute
	}
	for _, c := range []struct {
		arch, name          string
		found, opt, permute bool
	}{
		{"llama", "blk.0.attn_q.bias", true, true, true}, {"llama", "blk.0.attn_k.weight", true, false, true}, {"llama", "blk.0.attn_v.bias", true, true, false},
		{"llama", "blk.0.attn_output.bias", true, true, false}, {"llama", "blk.0.ffn_down.bias", true, true, false}, {"llama", "output.weight", true, true, false},
		{"qwen2", "blk.0.attn_q.bias", true, false, false}, {"qwen2", "blk.0.attn_output.bias", false, false, false},
		{"qwen3", "blk.0.attn_q.bias", true, true, false}, {"qwen3", "blk.0.attn_output.bias", true, true, false}, {"qwen3", "blk.0.ffn_down.bias", false, false, false},
		{"qwen3", "blk.11.attn_q_norm.weight", true, false, false},
	} {
		if f, o, p := optional(c.arch, c.name); f != c.found || o != c.opt || p != c.permute {
			t.Errorf("%s %s: found %v, optional %v, permuted %v, want %v, %v, %v", c.arch, c.name, f, o, p, c.found, c.opt, c.permute)
		}
	}
}

func TestFindNot(t *testing.T) {
	a := lookup(t, "llama")
	for _, name := range []string{"", "blk.", "blk.0", "blk.x.attn_q.weight", "blk.-1.attn_q.weight", "blk.01.attn_q.weight", "blk.+1.attn_q.weight", "blk.%d.attn_q.weight",
		"blk.99999999999999999999.attn_q.weight", "blk.0.token_embd.weight", "attn_q.weight", "blk.0.attn_q.weight.x"} {
		if n, ok := a.Find(name); ok {
			t.Errorf("Find(%q) = %+v", name, n)
		}
	}
}

func TestCheck(t *testing.T) {
	a := lookup(t, "llama")
	dense := dims
	dense.Experts = 0
	for _, c := range []struct {
		name       string
		rows, cols int
		ok         bool
	}{
		{"token_embd.weight", 1000, 128, true}, {"token_embd.weight", 128, 1000, false}, {"blk.0.attn_q.weight", 192, 128, true}, {"blk.2.attn_k.weight", 96, 128, true},
		{"blk.3.attn_k.weight", 96, 128, false}, {"blk.0.attn_output.weight", 128, 192, true}, {"blk.0.ffn_down.weight", 128, 256, true}, {"blk.0.ffn_down.weight", 256, 128, false},
		{"blk.0.attn_q.bias", 1, 192, true}, {"blk.0.attn_norm.weight", 1, 128, true}, {"blk.0.attn_norm.weight", 128, 1, false}, {"rope_freqs.weight", 1, 24, true}, {"none", 1, 1, false},
	} {
		if err := a.Check(dense, c.name, c.rows, c.cols); (err == nil) != c.ok {
			t.Errorf("Check(%s, %d, %d) = %v, want ok %v", c.name, c.rows, c.cols, err, c.ok)
		}
	}
	for name, ok := range map[string]bool{"blk.1.ffn_gate_exps.weight": true, "blk.1.ffn_gate.weight": false} {
		if err := a.Check(dims, name, 6*40, 128); (err == nil) != ok {
			t.Errorf("Check(%s) = %v, want ok %v", name, err, ok)
		}
	}
	partial := dims
	partial.Rot = 32
	if err := a.Check(partial, "rope_freqs.weight", 1, 16); err != nil {
		t.Error(err)
	}
	if s := arch.KVHeads.String() + arch.Axis(77).String() + arch.One.String(); s != "kvheadsaxis(77)one" {
		t.Errorf("axis names %q", s)
	}
}
