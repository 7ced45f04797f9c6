package engine

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/vision"
)

func openCLIP(t *testing.T, typ string) *Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.gguf")
	if _, err := convert.Quantize(t.Context(), convert.Options{Source: testdata.Shared(t, "goldens", "models", "clip-tiny", "checkpoint"), Out: path, Type: typ}); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// TestCLIP goes from the image files and the texts to the reference's embeddings and
// probabilities.
func TestCLIP(t *testing.T) {
	dir := testdata.Shared(t, "goldens", "models", "clip-tiny")
	want := testdata.NPZ(t, dir+"/expected.npz")
	m := openCLIP(t, "f32")
	if i := m.Info(); i.Image != 64 || i.Embedding != 64 || !i.Encoder {
		t.Errorf("%+v", i)
	}
	var images []*vision.RGB
	for _, name := range []string{"image0.png", "image1.png", "image2.png"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		img, err := vision.Decode(b, 0)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, img)
	}
	v, err := m.EmbedImages(t.Context(), images)
	if err != nil {
		t.Fatal(err)
	}
	near := func(name string, got, want []float32, most float64) {
		t.Helper()
		worst := 0.0
		for i := range want {
			worst = max(worst, math.Abs(float64(got[i])-float64(want[i])))
		}
		if len(got) != len(want) || !(worst <= most) {
			t.Errorf("%s: %d values off by %.2g, want %d and at most %g", name, len(got), worst, len(want), most)
		}
	}
	near("images", slices.Concat(v...), want["image_embeds"].F32, 2e-5)
	texts := []string{"a photo of a cat", "Vim is a text editor!", "一张 图片 with 42 circles"}
	var ids [][]int32
	for _, s := range texts {
		id, _, err := m.EmbedIDs(s)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	tv, err := m.EmbedAll(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	near("texts", slices.Concat(tv...), want["text_embeds"].F32, 2e-5)
	l, err := m.Labels(t.Context(), texts, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.Classify(t.Context(), images)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 { // the softmax over the reference's logits
		z, sum := want["logits_per_image"].F32[3*i:3*i+3], 0.0
		for _, x := range z {
			sum += math.Exp(float64(x))
		}
		for j, x := range z {
			near("probability", p[i][j:j+1], []float32{float32(math.Exp(float64(x)) / sum)}, 1e-4)
		}
	}
	if _, err := m.Labels(t.Context(), texts, []string{"a photo"}); err == nil || !strings.Contains(err.Error(), "{}") {
		t.Errorf("a template without a place: %v", err)
	}
	if _, err := m.Labels(t.Context(), []string{strings.Repeat("cat ", 40)}, nil); err == nil || !strings.Contains(err.Error(), "32 tokens") {
		t.Errorf("a long label: %v", err)
	}
	two, err := m.Labels(t.Context(), texts[:1], []string{"{}", "no {}"})
	if err != nil || math.Abs(length(two.vectors[0])-1) > 1e-6 || slices.Equal(two.vectors[0], tv[0]) {
		t.Errorf("two templates: %v", err)
	}
}

func length(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// TestBlind: a model without a vision tower says so.
func TestBlind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	if _, err := convert.Quantize(t.Context(), convert.Options{Source: testdata.Shared(t, "goldens", "models", "bert-tiny", "checkpoint"), Out: path, Type: "q8_0"}); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path, Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	img := &vision.RGB{W: 1, H: 1, Pix: make([]byte, 3)}
	if _, err := m.EmbedImages(t.Context(), []*vision.RGB{img}); !errors.Is(err, ErrBlind) {
		t.Errorf("images: %v", err)
	}
	if _, err := m.Labels(t.Context(), []string{"a"}, nil); !errors.Is(err, ErrBlind) {
		t.Errorf("labels: %v", err)
	}
}
