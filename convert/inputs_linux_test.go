package convert

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSourceIsKept: no file of a source can be the output, by its own name or
// another, whatever force says.
func TestSourceIsKept(t *testing.T) {
	one, many := tinyLlama(20).write(t, "F32"), tinyLlama(20).shards(t, "F32")
	for _, name := range []string{"tokenizer_config.json", "generation_config.json", "chat_template.jinja"} {
		if err := os.WriteFile(filepath.Join(one, name), []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	hard, soft := filepath.Join(t.TempDir(), "hard"), filepath.Join(t.TempDir(), "soft")
	if err := os.Link(filepath.Join(one, "model.safetensors"), hard); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(one, "config.json"), soft); err != nil {
		t.Fatal(err)
	}
	split := t.TempDir()
	part := func(n string) string { return filepath.Join(split, "m-0000"+n+"-of-00002.gguf") }
	for _, n := range []string{"1", "2"} {
		if err := os.WriteFile(part(n), []byte("GGUF"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ src, out string }{
		{one, filepath.Join(one, "model.safetensors")},
		{filepath.Join(one, "model.safetensors"), filepath.Join(one, "config.json")},
		{one, filepath.Join(one, "tokenizer_config.json")},
		{one, filepath.Join(one, "generation_config.json")},
		{one, filepath.Join(one, "chat_template.jinja")},
		{one, hard},
		{one, soft},
		{many, filepath.Join(many, "model-00002-of-00003.safetensors")},
		{many, filepath.Join(many, "model.safetensors.index.json")},
		{part("1"), part("1")},
		{part("1"), part("2")},
		{part("2"), part("1")},
	} {
		before, err := os.ReadFile(c.out)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Quantize(context.Background(), Options{Source: c.src, Out: c.out, Type: "q8_0", Force: true})
		if err == nil || !strings.Contains(err.Error(), "is a file of the source") {
			t.Errorf("%s to %s: got %v", c.src, c.out, err)
		}
		if after, _ := os.ReadFile(c.out); !bytes.Equal(before, after) {
			t.Errorf("%s was changed", c.out)
		}
	}
	// an older result in the folder is not the source's
	old := filepath.Join(one, "old.gguf")
	if err := os.WriteFile(old, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(one, "tokenizer_config.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := Quantize(context.Background(), Options{Source: one, Out: old, Type: "q8_0", Force: true}); err != nil {
		t.Error(err)
	}
}

// TestSpecialSource: pipes, sockets and devices are refused at once, wherever
// they are found.
func TestSpecialSource(t *testing.T) {
	fifo := func(t *testing.T, path string) {
		t.Helper()
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, want string
		src        func(t *testing.T) string
	}{
		{"pipe", "a named pipe", func(t *testing.T) string { p := filepath.Join(t.TempDir(), "p"); fifo(t, p); return p }},
		{"device", "a device", func(*testing.T) string { return "/dev/zero" }},
		{"socket", "a socket", func(t *testing.T) string {
			t.Chdir(t.TempDir())
			l, err := net.Listen("unix", "s")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return "s"
		}},
		{"weights", "a named pipe", func(t *testing.T) string {
			d := tinyLlama(20).write(t, "F32")
			fifo(t, filepath.Join(d, "model.safetensors"))
			return d
		}},
		{"shard", "a named pipe", func(t *testing.T) string {
			d := tinyLlama(20).shards(t, "F32")
			fifo(t, filepath.Join(d, "model-00002-of-00003.safetensors"))
			return d
		}},
		{"config", "a named pipe", func(t *testing.T) string {
			d := tinyLlama(20).write(t, "F32")
			fifo(t, filepath.Join(d, "config.json"))
			return d
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := c.src(t)
			got := make(chan error, 1)
			go func() {
				_, err := Quantize(context.Background(), Options{Source: src, Out: filepath.Join(t.TempDir(), "o.gguf"), Type: "q8_0"})
				got <- err
			}()
			select {
			case err := <-got:
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %s", err, c.want)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("hangs")
			}
		})
	}
}
