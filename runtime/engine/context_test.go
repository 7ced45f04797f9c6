package engine

import (
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// TestBeyond: a context longer than the trained one is scaled where the file
// says how, warned about, and refused when it makes no sense.
func TestBeyond(t *testing.T) {
	yarn := []gguf.KV{{Key: "llama.rope.scaling.type", Value: gguf.String("yarn")}, {Key: "llama.rope.scaling.factor", Value: gguf.Float32(4)},
		{Key: "llama.rope.scaling.original_context_length", Value: gguf.Uint32(512)}}
	linear := []gguf.KV{{Key: "llama.rope.scaling.type", Value: gguf.String("linear")}, {Key: "llama.rope.scaling.factor", Value: gguf.Float32(2)}}
	for _, c := range []struct {
		name    string
		kvs     []gguf.KV
		context int
		want    string // of the warning or the error, "" for silence
		fails   bool
	}{
		{"trained", nil, 512, "", false},
		{"plain", nil, 513, "expect worse text", false},
		{"plain bound", nil, 8 * 512, "expect worse text", false},
		{"plain too far", nil, 9 * 512, "more than 8 times the 512 positions", true},
		{"yarn", yarn, 2048, "positions are scaled (yarn scaling by 4, as the file says)", false},
		{"yarn far", yarn, 2049, "expect worse text", false},
		{"yarn too far", yarn, 9 * 2048, "more than 8 times the 2048 positions", true},
		{"linear", linear, 1024, "positions are scaled (linear scaling by 2", false},
		{"linear far", linear, 1025, "expect worse text", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Open(modeltest.Write(t, modeltest.Spec{KVs: c.kvs}), Options{Context: c.context})
			if c.fails {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("error %v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			got := strings.Join(m.Info().Warnings, "; ")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("warnings %q, want %q", got, c.want)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	m := load(t, modeltest.Write(t, modeltest.Spec{KVs: []gguf.KV{
		{Key: "general.sampling.temp", Value: gguf.Float32(0.5)}, {Key: "general.sampling.top_k", Value: gguf.Int32(20)},
		{Key: "general.sampling.top_p", Value: gguf.Float32(7)}, {Key: "general.sampling.min_p", Value: gguf.String("x")},
	}}), Options{})
	d := m.Info().Defaults
	if d.Temperature == nil || *d.Temperature != 0.5 || d.TopK == nil || *d.TopK != 20 || d.TopP != nil || d.MinP != nil || d.RepeatPenalty != nil {
		t.Errorf("got %+v, want temperature 0.5, top-k 20 and nothing else", d)
	}
}
