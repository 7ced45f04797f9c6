package safety

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
)

// TestEmbedded: what the classifier inside the program thinks of plain and of hidden
// words. The figures are make proof-safety's.
func TestEmbedded(t *testing.T) {
	p := compile(t, Policy{}, nil)
	for _, text := range []string{
		"You are a stupid bitch.", "you are such a f4ggot", "SHUT UP BITCH", "you b!tch", "you b i t c h", "ｂｉｔｃｈ please", "bi\u200bt\u200bch please", "biiiiitch", "bïtch, please", "你是王八蛋",
	} {
		if r := p.Check(text); r == nil || r.Reason != Toxic || r.Message != MessageToxic {
			t.Errorf("%q passes", text)
		}
	}
	for _, text := range []string{
		"", "...", "Once upon a time there was a little girl who loved her dog.", "The weather is nice today.", "今天天气很好", "What is 3 + 4?", "def main(): print('hello')", "https://example.org/a?b=c",
		"Please write a letter to my landlord about the broken window.",
	} {
		if r := p.Check(text); r != nil {
			t.Errorf("%q: %+v", text, r)
		}
	}
	if r := p.Check("A quiet day. You are a stupid bitch. The sun shone on the fields."); r == nil {
		t.Error("a toxic sentence passes among others")
	}
}

// TestFeatures: disguises leave the features of the word.
func TestFeatures(t *testing.T) {
	word := Features("badword", 19)
	if len(word) < 15 || !slices.IsSorted(word) {
		t.Errorf("%d features", len(word))
	}
	for _, s := range []string{"BadWord", "ｂａｄｗｏｒｄ", "b a d w o r d", "b.a.d.w.o.r.d", "b4dw0rd", "b@dword", "bаdwоrd", "bάdwοrd", "ba\u200bd\u00adword", "b\u0335a\u0335d\u0335w\u0335o\u0335r\u0335d\u0335", "ⓑⓐⓓⓦⓞⓡⓓ", "badwoooord", "bbaaddwwoorrdd", "𝐛𝐚𝐝𝐰𝐨𝐫𝐝", "bad-word", "b a d\u200b w o r d"} {
		n := 0
		got := Features(s, 19)
		for _, f := range word {
			if _, ok := slices.BinarySearch(got, f); ok {
				n++
			}
		}
		if n < len(word)*9/10 {
			t.Errorf("%q has %d of %d features", s, n, len(word))
		}
	}
}

// TestRevision pins the hash: weights are worth nothing to others.
func TestRevision(t *testing.T) {
	if got, want := Features("a b你好", 16), []uint32{23715, 24277, 31675, 46905, 49072, 54927}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v: raise Revision and train anew", got, want)
	}
}

func TestLinearFile(t *testing.T) {
	l := &Linear{Weight: make([]float32, 256), Bias: -1}
	for i := range l.Weight {
		l.Weight[i] = float32(i%7) - 3
	}
	path := filepath.Join(t.TempDir(), "c.gguf")
	if err := l.Write(path); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := NewLinear(f)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := l.Score("some text"), got.Score("some text"); math.Abs(a-b) > 0.01 || got.Bias != -1 {
		t.Errorf("%v, %v", a, b)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*strings.Replacer{
		"other architecture": strings.NewReplacer("toxicity", "toxicitz"),
		"no weight":          strings.NewReplacer("weight", "waight"),
	} {
		f, err := gguf.Parse([]byte(r.Replace(string(b))))
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := NewLinear(f); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestCost: a window's score is far cheaper than its tokens.
func TestCost(t *testing.T) {
	p := compile(t, Policy{Topics: []string{"weapons", "政治"}}, nil)
	s := strings.Repeat("Once upon a time there was a little girl. ", 100)
	start := time.Now()
	p.Check(s)
	if d := time.Since(start); d > time.Second {
		t.Errorf("%d bytes took %v", len(s), d)
	}
}

func BenchmarkCheck(b *testing.B) {
	p := compile(b, Policy{Topics: []string{"weapons", "政治"}}, nil)
	s := strings.Repeat("Once upon a time there was a little girl. ", 100)
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		p.Check(s)
	}
}

func BenchmarkStream(b *testing.B) {
	p := compile(b, Policy{Topics: []string{"weapons", "政治"}}, nil)
	words := strings.SplitAfter(strings.Repeat("Once upon a time there was a little girl. ", 100), " ")
	b.ReportMetric(0, "ns/op")
	for b.Loop() {
		f := p.Stream()
		for _, w := range words {
			f.Write(w)
		}
		f.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(words)), "ns/token")
}
