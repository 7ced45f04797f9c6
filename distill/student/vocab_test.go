package student

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// story is the trained model of testdata as a GGUF file.
func story(t testing.TB, typ string) *gguf.File {
	t.Helper()
	out := filepath.Join(t.TempDir(), typ+".gguf")
	if _, err := convert.Quantize(context.Background(), convert.Options{Source: "../../testdata/tinystories-qwen2", Out: out, Type: typ}); err != nil {
		t.Fatal(err)
	}
	f, _ := open(t, out)
	return f
}

func tokenizerOf(t testing.TB, f *gguf.File) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// TestTrim: for random texts and several sizes the student's ids decode to the
// text, and are the teacher's wherever it has them all.
func TestTrim(t *testing.T) {
	f := story(t, "bf16")
	teacher := tokenizerOf(t, f)
	n := teacher.Len()
	text := strings.Repeat("Once upon a time there was a little girl named Lily. She loved to play outside in the sun with her dog. One day, she saw a big red ball. ", 3)
	counts := make([]int64, n)
	for _, id := range teacher.Encode(text, tokenizer.EncodeOptions{}) {
		counts[id]++
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{320, 352, 640, 1024, 1984, n - 1} {
		trim, err := Trim(teacher, counts, size)
		if err != nil {
			t.Fatal(err)
		}
		if len(trim.IDs) != size || !slices.IsSorted(trim.IDs) {
			t.Fatalf("%d ids for %d", len(trim.IDs), size)
		}
		out := filepath.Join(t.TempDir(), "student.gguf")
		if err := Prune(t.Context(), out, f, &Cut{Vocab: trim.IDs, Keys: trim.Keys}, WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		g, h := open(t, out)
		if h.Vocab != size {
			t.Fatalf("%d rows", h.Vocab)
		}
		student := tokenizerOf(t, g)
		v, err := trim.Vocab().For(n)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range [][2]int32{{teacher.EOS(), student.EOS()}, {teacher.BOS(), student.BOS()}, {teacher.Pad(), student.Pad()}} {
			if p[0] >= 0 && v.ToStudent(p[0]) != p[1] || p[0] < 0 && p[1] >= 0 {
				t.Errorf("%d ids: special id %d became %d", size, p[0], p[1])
			}
		}
		if student.ChatTemplate() != teacher.ChatTemplate() {
			t.Error("another chat template")
		}
		whole, same := 0, 0
		check := func(s string, o tokenizer.EncodeOptions) {
			t.Helper()
			want, got := teacher.Encode(s, o), student.Encode(s, o)
			if student.Decode(got, false) != teacher.Decode(want, false) {
				t.Fatalf("%d ids: %q comes back as %q", size, s, student.Decode(got, false))
			}
			whole++
			for i, id := range want {
				if want[i] = v.ToStudent(id); want[i] < 0 {
					return
				}
			}
			same++
			if !slices.Equal(got, want) {
				t.Fatalf("%d ids: %q is %v, the teacher's are %v", size, s, got, want)
			}
		}
		words := strings.Fields(text)
		check(text, tokenizer.EncodeOptions{AddSpecial: true})
		for range 400 {
			var s strings.Builder
			for range 1 + rng.IntN(8) {
				switch rng.IntN(6) {
				case 0:
					s.WriteRune(rune(rng.IntN(0x2FFF)))
				case 1:
					s.WriteString(teacher.Spelling(rng.Int32N(int32(n))))
				case 2:
					s.WriteString("<|endoftext|>")
				default:
					s.WriteString(" " + words[rng.IntN(len(words))])
				}
			}
			check(s.String(), tokenizer.EncodeOptions{NoParseSpecial: rng.IntN(2) == 0})
			var kept []byte
			for range 1 + rng.IntN(6) {
				kept = append(kept, teacher.Token(trim.IDs[rng.IntN(size)])...)
			}
			check(string(kept), tokenizer.EncodeOptions{})
		}
		if same < whole/20 {
			t.Errorf("%d ids: only %d of %d texts have none but kept ids", size, same, whole)
		}
		ids := []int32{5, 9, 200, 31}
		want, got := logits(t, f, []int32{trim.IDs[5], trim.IDs[9], trim.IDs[200], trim.IDs[31]}), logits(t, g, ids)
		for i, id := range trim.IDs { // BF16 weights as F32: other rounding
			if d := want[3*n+int(id)] - got[3*size+i]; d > 0.2 || d < -0.2 {
				t.Fatalf("%d ids: logit of %d is %g off", size, id, d)
			}
		}
	}
	for _, size := range []int{0, 255, n + 1} {
		if _, err := Trim(teacher, counts, size); err == nil || !strings.Contains(err.Error(), "want from") {
			t.Errorf("%d ids: %v", size, err)
		}
	}
	if _, err := Trim(teacher, counts[1:], 400); err == nil {
		t.Error("counts of fewer ids are taken")
	}
}

// TestByteRune: the 256 characters that byte-level BPE is made of.
func TestByteRune(t *testing.T) {
	tok := tokenizerOf(t, story(t, "q8_0"))
	for b := range 256 {
		if id, ok := tok.ID(string(byteRune(b))); !ok || string(tok.Token(id)) != string([]byte{byte(b)}) {
			t.Errorf("byte %d: token %q", b, string(byteRune(b)))
		}
	}
}

// TestDerive: what merging a token's own characters gives is what the tokenizer
// says of it.
func TestDerive(t *testing.T) {
	f := story(t, "q8_0")
	tok := tokenizerOf(t, f)
	keys, err := tok.KVs(tok.Len())
	if err != nil {
		t.Fatal(err)
	}
	v, err := readVocabulary(keys)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for id := range int32(tok.Len()) {
		if v.types[id] != typeNormal {
			continue
		}
		all, ok := v.derive(id)
		if !ok || all[len(all)-1] != id {
			t.Errorf("token %q: %v %v", v.tokens[id], all, ok)
		}
		n++
	}
	if n < 2000 {
		t.Errorf("%d tokens", n)
	}
}
