package server

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// TestImages: vectors of images and texts in one request, the reference's; and what
// is refused of URLs, files and bombs.
func TestImages(t *testing.T) {
	dir := testdata.Shared(t, "goldens", "models", "clip-tiny")
	tmp := t.TempDir()
	path := filepath.Join(tmp, "clip.gguf")
	if _, err := convert.Quantize(t.Context(), convert.Options{Source: dir + "/checkpoint", Out: path, Type: "f32"}); err != nil {
		t.Fatal(err)
	}
	pics := filepath.Join(tmp, "pics")
	png, err := os.ReadFile(filepath.Join(dir, "image0.png"))
	if err != nil {
		t.Fatal(err)
	}
	bomb := slices.Clone(png[:33])
	copy(bomb[16:24], "\x00\x01\x00\x00\x00\x01\x00\x00") // 65536 x 65536
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
	for name, b := range map[string][]byte{"pics/a b.png": png, "secret.png": png, "pics/bomb.png": bomb, "pics/text.png": []byte("hello"), "pics/big.png": make([]byte, maxImageFile+1)} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(tmp, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tmp, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret.png", filepath.Join(pics, "link.png")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(pics)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	h := NewHub(HubOptions{
		List: func() []Listed {
			return []Listed{{Name: "clip", Path: path, Time: time.Unix(1, 0)}, {Name: "demo", Path: filepath.Join(testdata.Root(t), "internal", "demo", "tinystories-int8.gguf"), Time: time.Unix(1, 0)}}
		},
		Open:   func(l Listed) (*gguf.File, error) { return gguf.Open(l.Path) },
		Engine: engine.Options{Threads: 1},
		Most:   2,
	})
	s := httptest.NewServer(New(h, Options{Images: root}).Handler())
	defer s.Close()
	defer h.Drain(t.Context()) //nolint:errcheck // the test has ended
	c, err := api.Dial(s.URL, api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	data := "data:image/png;base64," + base64.StdEncoding.EncodeToString(png)
	a, err := c.Embed(t.Context(), &api.EmbeddingRequest{Model: "clip", Input: api.Inputs{Items: []api.Input{
		{Image: data}, {Text: "a photo of a cat"}, {Type: "image_url", ImageURL: &api.ImageURL{URL: "file://" + pics + "/a%20b.png"}}, {Image: "file:a b.png"},
	}}})
	if err != nil || len(a.Data) != 4 {
		t.Fatalf("%+v, %v", a, err)
	}
	want := testdata.NPZ(t, dir+"/expected.npz")
	for i, key := range []string{"image_embeds", "text_embeds", "image_embeds", "image_embeds"} {
		got := a.Data[i].Embedding.Values
		if len(got) != 64 {
			t.Fatalf("%d values", len(got))
		}
		for j, x := range got {
			if d := math.Abs(float64(x - want[key].F32[j])); d > 2e-5 {
				t.Fatalf("input %d, value %d: off by %g", i, j, d)
			}
		}
	}
	if a.Usage.PromptTokens != 10 {
		t.Errorf("%d tokens, want 10", a.Usage.PromptTokens)
	}
	inline := func(b []byte) string { return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b) }
	for _, x := range []struct{ model, url, want string }{
		{"clip", "https://example.com/a.png", "nothing is fetched"},
		{"clip", "a.png", "neither a data: nor a file: URL"},
		{"clip", "data:image/png,abc", "base64"},
		{"clip", "data:image/png;base64,****", "illegal base64"},
		{"clip", inline([]byte("hello")), "neither PNG"},
		{"clip", inline(bomb), "too many pixels"},
		{"clip", "file:bomb.png", "too many pixels"},
		{"clip", "file:text.png", "neither PNG"},
		{"clip", "file:big.png", "16 MiB"},
		{"clip", "file:../secret.png", "no such file"},
		{"clip", "file://" + tmp + "/secret.png", "no such file"},
		{"clip", "file:///etc/passwd", "no such file"},
		{"clip", "file:link.png", "no such file"},
		{"clip", "file:.", "no such file"},
		{"clip", "file://elsewhere/a.png", "file:///path"},
		{"demo", data, "demo cannot see images"},
	} {
		_, err := c.Embed(t.Context(), &api.EmbeddingRequest{Model: x.model, Input: api.Inputs{Items: []api.Input{{Image: x.url}}}})
		var e *api.Error
		if !errors.As(err, &e) || e.Status != 400 || !strings.Contains(e.Message, x.want) {
			t.Errorf("%.60s: %v, want %q", x.url, err, x.want)
		}
	}
	for in, want := range map[string]string{
		`{"input":[{"text":"a"},"b"]}`:              "",
		`{"input":{"image":"` + data + `"}}`:        "",
		`{"input":[{}]}`:                            "input[0] must have",
		`{"input":[{"text":"a","image":"data:,"}]}`: "input[0] must have",
		`{"input":[{"type":"audio","text":"a"}]}`:   "input[0].type",
		`{"input":[{"text":3}]}`:                    "input",
		`{"input":[` + strings.Repeat(`{"image":"file:a"},`, 64) + `{"image":"file:a"}]}`: "65 images",
	} {
		_, err := askURL(t, s.URL+"/v1/embeddings", strings.Replace(in, "{", `{"model":"clip",`, 1))
		if want == "" && err != "" || !strings.Contains(err, want) {
			t.Errorf("%.80s: %q, want %q", in, err, want)
		}
	}
	for url, want := range map[string]string{data: "cannot see", "http://example.com/a.png": "nothing is fetched"} {
		_, err := askURL(t, s.URL+"/v1/chat/completions", `{"model":"demo","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"`+url+`"}}]}]}`)
		if !strings.Contains(err, want) {
			t.Errorf("chat: %q, want %q", err, want)
		}
	}
	none := httptest.NewServer(New(h, Options{}).Handler())
	defer none.Close()
	if _, err := askURL(t, none.URL+"/v1/embeddings", `{"model":"clip","input":[{"image":"file:a"}]}`); !strings.Contains(err, "without --images") {
		t.Errorf("no folder: %q", err)
	}
}

// askURL gives an answer and the message of an error.
func askURL(t *testing.T, url, body string) (answer map[string]any, message string) {
	t.Helper()
	r, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if e, ok := answer["error"].(map[string]any); ok {
		message, _ = e["message"].(string)
		if message == "" {
			t.Fatalf("%v", answer)
		}
	}
	return answer, message
}
