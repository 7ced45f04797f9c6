package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/testdata"
)

// realText returns at most limit bytes of books, cut into documents of 20 kB.
func realText(t testing.TB, pattern string, limit int) (docs []string, size int) {
	t.Helper()
	dir := testdata.Shared(t, "data", "text", "gutenberg-aozora")
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no texts in %s (%v)", dir, err)
	}
	sort.Strings(names)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for s := string(b); s != "" && size < limit; {
			n := min(20_000, len(s))
			docs, size, s = append(docs, s[:n]), size+n, s[n:]
		}
	}
	return docs, size
}

func BenchmarkEncodeText(b *testing.B) {
	for _, lang := range []struct{ name, pattern string }{{"english", "Mark*.txt"}, {"japanese", "wa*.txt"}, {"all", "*.txt"}} {
		docs, size := realText(b, lang.pattern, 4<<20)
		benchText(b, lang.name, docs, size)
	}
}

func benchText(b *testing.B, lang string, docs []string, size int) {
	for _, m := range []struct{ name, path string }{
		{"qwen2.5", testdata.Shared(b, "data", "tokenizers", "qwen2.5")},
		{"gpt-2", testdata.Shared(b, "data", "tokenizers", "llama.cpp-vocab", "ggml-vocab-gpt-2.gguf")},
		{"spm_A", filepath.Join("testdata", "spm_A")},
	} {
		b.Run(lang+"/"+m.name, func(b *testing.B) {
			tok := load(b, m.path)
			b.SetBytes(int64(size))
			defer cpuRate(b, size)()
			var ids []int32
			for b.Loop() {
				for _, d := range docs {
					ids = tok.Append(ids[:0], d, EncodeOptions{})
				}
			}
		})
	}
}

// cpuRate reports processor time beside wall time, which means little on a busy
// machine: milliseconds an operation and megabytes of n a second.
func cpuRate(b *testing.B, n int) func() {
	cpu := func() float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	start := cpu()
	return func() {
		op := (cpu() - start) / float64(b.N)
		b.ReportMetric(op*1e3, "cpu-ms/op")
		if n > 0 {
			b.ReportMetric(float64(n)/1e6/op, "cpu-MB/s")
		}
	}
}

// hardTexts are a megabyte each of what makes naive tokenizers quadratic.
func hardTexts() map[string]string {
	const n = 1 << 20
	digits := make([]byte, n)
	letters := make([]byte, n)
	x := uint32(1)
	for i := range digits {
		x = x*1664525 + 1013904223
		digits[i] = '0' + byte(x>>24)%10
		letters[i] = 'a' + byte(x>>20)%26
	}
	return map[string]string{
		"letter": strings.Repeat("a", n), "spaces": strings.Repeat(" ", n), "zeros": strings.Repeat("0", n),
		"digits": string(digits), "letters": string(letters), "newlines": strings.Repeat("\n", n),
		"marks": "a" + strings.Repeat("\u0301", n/2), "cjk": strings.Repeat("\u4e2d\u6587", n/6), "invalid": strings.Repeat("\xff", n),
		"brackets": strings.Repeat("<|", n/2), "emoji": strings.Repeat("\U0001f642", n/4),
	}
}

func BenchmarkEncodeHard(b *testing.B) {
	for _, m := range []struct{ name, path string }{
		{"qwen2.5", testdata.Shared(b, "data", "tokenizers", "qwen2.5")},
		{"gpt-2", testdata.Shared(b, "data", "tokenizers", "llama.cpp-vocab", "ggml-vocab-gpt-2.gguf")},
		{"spm_A", filepath.Join("testdata", "spm_A")},
		{"stories260K", testdata.Shared(b, "data", "llm", "stories260K", "stories260K.gguf")},
	} {
		tok := load(b, m.path)
		texts := hardTexts()
		names := make([]string, 0, len(texts))
		for name := range texts {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			b.Run(m.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(texts[name])))
				defer cpuRate(b, len(texts[name]))()
				var ids []int32
				for b.Loop() {
					ids = tok.Append(ids[:0], texts[name], EncodeOptions{})
				}
			})
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	dir := testdata.Shared(b, "data", "tokenizers", "qwen2.5")
	b.Run("folder", func(b *testing.B) {
		b.ReportAllocs()
		defer cpuRate(b, 0)()
		for b.Loop() {
			load(b, dir)
		}
	})
	path := writeGGUF(b, load(b, dir), 151936)
	b.Run("gguf", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			load(b, path)
		}
	})
	b.Run("gguf-opened", func(b *testing.B) {
		f, err := gguf.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		b.ReportAllocs()
		defer cpuRate(b, 0)()
		for b.Loop() {
			if _, err := FromGGUF(f); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	tok := load(b, testdata.Shared(b, "data", "tokenizers", "qwen2.5"))
	docs, _ := realText(b, "*.txt", 1<<20)
	text := strings.Join(docs, "")
	ids := tok.Encode(text, EncodeOptions{})
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		tok.Decode(ids, false)
	}
}

// TestHardTexts holds the bound: a megabyte of anything in a time that is
// generous for a busy machine (the longest takes 4 s alone under the race detector),
// and far below what quadratic work would take.
func TestHardTexts(t *testing.T) {
	for _, name := range goldenNames {
		tok := load(t, filepath.Join("testdata", name))
		for kind, text := range hardTexts() {
			start := time.Now()
			ids := tok.Encode(text, EncodeOptions{})
			if d := time.Since(start); d > 30*time.Second {
				t.Errorf("%s: %s took %v", name, kind, d)
			}
			// A text of spaces loses one: the one that SentencePiece would have put first.
			if slices.Contains(bpeNames, name) && kind != "invalid" && kind != "marks" && (kind != "spaces" || name != "spm_A") && tok.Decode(ids, false) != text {
				t.Errorf("%s: %s does not come back", name, kind)
			}
		}
	}
}
