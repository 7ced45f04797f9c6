package convert_test

import (
	"context"
	"fmt"

	"github.com/qwq-edge/qwq/convert"
)

func ExampleQuantize() {
	r, err := convert.Quantize(context.Background(), convert.Options{
		Source:      "Qwen2.5-0.5B",
		Out:         "qwen2.5-0.5b-q8_0.gguf",
		Type:        "q8_0",
		TensorTypes: []convert.Rule{{Regex: "token_embd", Type: "f16"}},
		MaxMemory:   64 << 20,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %d MB to %d MB\n", r.Arch, r.InBytes>>20, r.OutBytes>>20)
}

func ExampleInspect() {
	i, err := convert.Inspect("qwen2.5-0.5b-q8_0.gguf")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(i.Architecture, i.Parameters, i.Fit.Reason)
}
