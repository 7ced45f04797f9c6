package arch_test

import (
	"fmt"

	"github.com/qwq-edge/qwq/gguf/arch"
)

func ExampleLookup() {
	a, _ := arch.Lookup("qwen2")
	n, _ := a.Find("blk.3.attn_k.weight")
	d := arch.Dims{Hidden: 896, FFN: 4864, Heads: 14, KVHeads: 2, HeadDim: 64, Vocab: 151936, Layers: 24}
	fmt.Printf("%s %v %v\n", n.HFName, n.Axes, n.Shape(d))
	// Output: model.layers.3.self_attn.k_proj.weight [kvheads hidden] [128 896]
}
