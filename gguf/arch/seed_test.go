package arch_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
)

// shaped is a tensor of a test file, rows first.
type shaped struct {
	name string
	dims []int
}

// seedBytes is a qwq-seed file with zeros for weights.
func seedBytes(t testing.TB, kv map[string]gguf.Value, tensors []shaped) []byte {
	t.Helper()
	l := gguf.Layout{KVs: []gguf.KV{{Key: arch.KeyArch, Value: gguf.String(arch.Seed)}}}
	for k, v := range kv {
		l.KVs = append(l.KVs, gguf.KV{Key: arch.Key(k, arch.Seed), Value: v})
	}
	for _, x := range tensors {
		i := gguf.TensorInfo{Name: x.name, Type: quant.F32}
		for k := range x.dims {
			i.Dims = append(i.Dims, uint64(x.dims[len(x.dims)-1-k]))
		}
		l.Tensors = append(l.Tensors, i)
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	w, err := gguf.Create(path, l, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range tensors {
		n := 4
		for _, d := range x.dims {
			n *= d
		}
		if err := w.WriteAt(i, 0, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seedKinds are small files of every kind.
func seedKinds() map[string]struct {
	kv      map[string]gguf.Value
	tensors []shaped
} {
	u := func(n int) gguf.Value { return gguf.Uint32(uint32(n)) }
	out := map[string]struct {
		kv      map[string]gguf.Value
		tensors []shaped
	}{}
	table := func(kind string, d arch.Dims, kv map[string]gguf.Value) {
		a, _ := arch.Lookup(arch.Seed)
		var x []shaped
		for _, n := range a.Expand(d) {
			if n.Optional && kind != arch.KindModel {
				continue
			}
			x = append(x, shaped{n.Name, n.Shape(d)})
		}
		kv[arch.KeyKind], kv[arch.KeyHidden], kv[arch.KeyLayers] = gguf.String(kind), u(d.Hidden), u(len(d.Mixed))
		c := out[kind]
		c.kv, c.tensors = kv, x
		out[kind] = c
	}
	block := func(kv map[string]gguf.Value) map[string]gguf.Value {
		kv[arch.KeyFFN], kv[arch.KeyHeads], kv[arch.KeyNormEps] = u(12), u(2), gguf.Float32(1e-5)
		return kv
	}
	moe := func(kv map[string]gguf.Value, at ...int32) map[string]gguf.Value {
		kv[arch.KeyExperts], kv[arch.KeyExpertsUsed], kv[arch.KeyExpertLayers] = u(3), u(2), gguf.Int32s(at)
		return kv
	}
	d := arch.Dims{Hidden: 8, FFN: 12, Heads: 2, KVHeads: 2, HeadDim: 4, Vocab: 20, Layers: 3, Experts: 3, ExpertFFN: 8, Positions: 16, Mixed: "bmb"}
	table(arch.KindModel, d, moe(block(map[string]gguf.Value{arch.KeyContext: u(16), arch.KeyVocab: u(20)}), 1))
	d.Layers, d.Mixed = 1, "b"
	table(arch.KindBlock, d, block(map[string]gguf.Value{}))
	d.Mixed = "m"
	table(arch.KindMoE, d, moe(map[string]gguf.Value{}, 0))
	for _, m := range []arch.Module{
		{Kind: arch.KindDialog, Hidden: 6, Boundary: true},
		{Kind: arch.KindMultimodal, Features: 6, Projection: 4, Vocab: 9, Image: 4, Patch: 2, ImageIn: 3, ImageOut: 5, Fit: 4},
	} {
		c := out[m.Kind]
		for _, x := range m.Tensors() {
			dims := []int{x.Rows, x.Cols}
			if x.Vector {
				dims = dims[1:]
			}
			c.tensors = append(c.tensors, shaped{x.Name, dims})
		}
		c.kv = map[string]gguf.Value{arch.KeyKind: gguf.String(m.Kind)}
		if m.Kind == arch.KindDialog {
			c.kv[arch.KeyHidden] = u(6)
		} else {
			for k, n := range map[string]int{arch.KeyFeatures: 6, arch.KeyProject: 4, arch.KeyVocab: 9, arch.KeyImageSide: 4, arch.KeyPatchEdge: 2, arch.KeyImageIn: 3, arch.KeyImageOut: 5} {
				c.kv[k] = u(n)
			}
		}
		out[m.Kind] = c
	}
	return out
}

// readSeed is what opening such a file checks.
func readSeed(f *gguf.File) error {
	if arch.IsModule(f) {
		_, err := arch.ReadModule(f)
		return err
	}
	h, err := arch.ReadHyper(f)
	if err != nil {
		return err
	}
	return h.Arch.CheckFile(f, h)
}

func TestSeedKinds(t *testing.T) {
	for kind, c := range seedKinds() {
		f, err := gguf.Parse(seedBytes(t, c.kv, c.tensors))
		if err != nil {
			t.Fatal(err)
		}
		if err := readSeed(f); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if module := kind == arch.KindDialog || kind == arch.KindMultimodal; arch.IsModule(f) != module {
			t.Errorf("%s: a module: %v", kind, !module)
		}
		for i, x := range c.tensors { // each is needed, but the head of the tracker and its bias together
			less := append(append([]shaped(nil), c.tensors[:i]...), c.tensors[i+1:]...)
			f, err := gguf.Parse(seedBytes(t, c.kv, less))
			if err != nil {
				t.Fatal(err)
			}
			// A file without token_embd.weight or position_embd.weight is refused by
			// the sizes or the graph.
			if err := readSeed(f); err == nil && x.name != "position_embd.weight" && x.name != "output.bias" {
				t.Errorf("%s without %s passed", kind, x.name)
			}
		}
	}
}

func TestSeedRefuses(t *testing.T) {
	u := func(n int) gguf.Value { return gguf.Uint32(uint32(n)) }
	for name, c := range map[string]struct {
		kind, key string
		v         gguf.Value
		want      string
	}{
		"kind":          {arch.KindBlock, arch.KeyKind, gguf.String("posenc"), "want model, block"},
		"no string":     {arch.KindBlock, arch.KeyKind, u(1), "want a string"},
		"dialog":        {arch.KindBlock, arch.KeyKind, gguf.String("dialog"), "missing"},
		"heads":         {arch.KindBlock, arch.KeyHeads, u(3), "3 heads do not divide the width 8"},
		"two layers":    {arch.KindBlock, arch.KeyLayers, u(2), "a lone block is one"},
		"layers":        {arch.KindModel, arch.KeyLayers, u(1 << 30), "block_count"},
		"width":         {arch.KindModel, arch.KeyHidden, u(1 << 30), "embedding_length"},
		"positions":     {arch.KindModel, arch.KeyContext, u(17), "position_embd.weight"},
		"vocabulary":    {arch.KindModel, arch.KeyVocab, u(21), "the embedding has 20 rows"},
		"moe layer":     {arch.KindModel, arch.KeyExpertLayers, gguf.Int32s([]int32{3}), "ascending layers below 3"},
		"moe order":     {arch.KindModel, arch.KeyExpertLayers, gguf.Int32s([]int32{1, 1}), "ascending"},
		"moe negative":  {arch.KindModel, arch.KeyExpertLayers, gguf.Int32s([]int32{-1}), "ascending"},
		"moe type":      {arch.KindModel, arch.KeyExpertLayers, u(1), "want an array"},
		"other layer":   {arch.KindModel, arch.KeyExpertLayers, gguf.Int32s([]int32{2}), "blk.1."},
		"experts":       {arch.KindMoE, arch.KeyExperts, u(4), "ffn_gate_inp"},
		"many experts":  {arch.KindMoE, arch.KeyExperts, u(1 << 20), "expert_count"},
		"used":          {arch.KindMoE, arch.KeyExpertsUsed, u(4), "expert_used_count"},
		"tracker width": {arch.KindDialog, arch.KeyHidden, u(7), "want [7, 7]"},
		"threshold":     {arch.KindDialog, arch.KeyThreshold, gguf.Float32(2), "boundary_threshold"},
		"projection":    {arch.KindMultimodal, arch.KeyProject, u(5), "want [5, 6]"},
		"image":         {arch.KindMultimodal, arch.KeyImageSide, u(5), "multiple of the patch size 2"},
		"patches":       {arch.KindMultimodal, arch.KeyImageSide, u(1 << 14), "at most"},
		"patch":         {arch.KindMultimodal, arch.KeyPatchEdge, u(1 << 20), "patch_size"},
		"no encoder":    {arch.KindMultimodal, arch.KeyPatchEdge, u(0), "has no place"},
	} {
		k := seedKinds()[c.kind]
		k.kv[c.key] = c.v
		f, err := gguf.Parse(seedBytes(t, k.kv, k.tensors))
		if err != nil {
			t.Fatal(err)
		}
		err = readSeed(f)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && !errors.As(err, new(*gguf.FormatError)) {
			t.Errorf("%s: %T", name, err)
		}
	}
}

// FuzzSeed: no file makes reading its sizes fail otherwise than with an error.
func FuzzSeed(f *testing.F) {
	for _, c := range seedKinds() {
		f.Add(seedBytes(f, c.kv, c.tensors))
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		if x, err := gguf.Parse(b); err == nil {
			_ = readSeed(x)
		}
	})
}
