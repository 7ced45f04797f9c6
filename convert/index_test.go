package convert

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnlisted: a tensor that a shard holds and the index lacks is told.
func TestUnlisted(t *testing.T) {
	d := tinyLlama(20).shards(t, "F32")
	if _, r := run(t, Options{Source: d, Type: "q8_0"}); len(r.Warnings) != 1 {
		t.Errorf("warnings %q, want the tokenizer's alone", r.Warnings)
	}
	p := filepath.Join(d, "model.safetensors.index.json")
	b, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	x := map[string]map[string]any{}
	if err := json.Unmarshal(b, &x); err != nil {
		t.Fatal(err)
	}
	delete(x["weight_map"], "model.norm.weight")
	if b, err = json.Marshal(x); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, b, 0o644); err != nil {
		t.Fatal(err)
	}
	_, r := run(t, Options{Source: d, Type: "q8_0"})
	i, err := Inspect(d)
	if err != nil {
		t.Fatal(err)
	}
	for what, w := range map[string][]string{"quantize": r.Warnings, "inspect": i.Warnings} {
		if len(w) == 0 || !strings.Contains(w[0], `index.json lacks 1 of the shards' tensors, the first is "model.norm.weight" in model-0000`) {
			t.Errorf("%s: warnings %q", what, w)
		}
	}
}
