package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/server"
)

// call runs a command line of the program.
func call(t *testing.T, stdin []byte, args ...string) (string, error) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	a, out := app(), new(bytes.Buffer)
	a.Writer, a.ErrWriter, a.Reader = out, io.Discard, bytes.NewReader(stdin)
	err := a.RunContext(t.Context(), append([]string{"qwq"}, args...))
	return out.String(), err
}

// TestImages: the reference's embeddings and probabilities from the command line.
func TestImages(t *testing.T) {
	dir := testdata.Shared(t, "goldens", "models", "clip-tiny")
	want := testdata.NPZ(t, dir+"/expected.npz")
	model := filepath.Join(t.TempDir(), "clip.gguf")
	if _, err := convert.Quantize(t.Context(), convert.Options{Source: dir + "/checkpoint", Out: model, Type: "f32"}); err != nil {
		t.Fatal(err)
	}
	image := func(i string) string { return filepath.Join(dir, "image"+i+".png") }
	out, err := call(t, nil, "embed", "-m", model, "--image", image("0"), image("1"))
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var v []float32
		if err := json.Unmarshal([]byte(line), &v); err != nil || len(v) != 64 {
			t.Fatalf("line %d: %d values, %v", i, len(v), err)
		}
		for j, x := range v {
			if d := math.Abs(float64(x - want["image_embeds"].F32[64*i+j])); d > 2e-5 {
				t.Fatalf("image %d: value %d is off by %g", i, j, d)
			}
		}
	}
	if n := strings.Count(out, "\n"); n != 2 {
		t.Errorf("%d lines for two images", n)
	}
	h := server.NewHub(server.HubOptions{
		List:   func() []server.Listed { return []server.Listed{{Name: "clip", Path: model, Time: time.Unix(1, 0)}} },
		Open:   func(l server.Listed) (*gguf.File, error) { return gguf.Open(l.Path) },
		Engine: engine.Options{Threads: 1},
	})
	defer h.Drain(t.Context()) //nolint:errcheck // nothing runs
	there, err := call(t, nil, "embed", "--socket", listenHTTP(t, server.New(h, server.Options{}).Handler()), "--image", image("0"), image("1"))
	if err != nil || !near(t, there, out, 1e-6) {
		t.Errorf("the daemon's vectors are others: %v", err)
	}
	stdin, err := os.ReadFile(image("2"))
	if err != nil {
		t.Fatal(err)
	}
	texts := "a photo of a cat,Vim is a text editor!, 一张 图片 with 42 circles"
	out, err = call(t, stdin, "classify", "-m", model, "--labels", texts, "--template", "{}", "--json", "-")
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		File, Label string
		Labels      []verdict
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.File != "-" || r.Label != "a photo of a cat" || len(r.Labels) != 3 || r.Labels[0].Label != r.Label {
		t.Fatalf("%s, %v", out, err)
	}
	z := want["logits_per_image"].F32[6:9]
	p := math.Exp(float64(z[0])) / (math.Exp(float64(z[0])) + math.Exp(float64(z[1])) + math.Exp(float64(z[2])))
	if math.Abs(float64(r.Labels[0].Probability)-p) > 1e-4 {
		t.Errorf("probability %g, want %g", r.Labels[0].Probability, p)
	}
	out, err = call(t, nil, "classify", "-m", model, "--labels", "cat,dog", image("0"), image("1"))
	if err != nil || strings.Count(out, "\n") != 6 || !strings.HasPrefix(out, image("0")+":\n0.") {
		t.Errorf("two images: %q, %v", out, err)
	}
	bad := filepath.Join(t.TempDir(), "bad.png")
	if err := os.WriteFile(bad, []byte("no image"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"bad.png: vision: neither": {"embed", "-m", model, "--image", bad},
		"needs --labels":           {"classify", "-m", model, image("0")},
		"needs an IMAGE":           {"classify", "-m", model, "--labels", "a"},
		"has no {}":                {"classify", "-m", model, "--labels", "a", "--template", "a photo", image("0")},
		"needs a FILE":             {"embed", "-m", model, "--image"},
		"exclude each other":       {"embed", "-m", model, "--image", "--stdin"},
		"cannot see":               {"classify", "-m", demoFile(t), "--labels", "a", image("0")},
	} {
		if _, err := call(t, nil, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}

func demoFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(testdata.Root(t), "internal", "demo", "tinystories-int8.gguf")
}

// near compares lines of JSON arrays of numbers: a vector that is made unit length twice
// may move by a bit.
func near(t *testing.T, a, b string, most float64) bool {
	t.Helper()
	read := func(s string) (all []float64) {
		for line := range strings.Lines(s) {
			var v []float64
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatal(err)
			}
			all = append(all, v...)
		}
		return all
	}
	x, y := read(a), read(b)
	if len(x) != len(y) || len(x) == 0 {
		return false
	}
	for i := range x {
		if !(math.Abs(x[i]-y[i]) <= most) {
			return false
		}
	}
	return true
}
