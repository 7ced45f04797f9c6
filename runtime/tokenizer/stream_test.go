package tokenizer

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// plainDecode is the reference decoder's rule, over whole lists of tokens.
func plainDecode(tok *Tokenizer, ids []int32) string {
	var b strings.Builder
	var run []byte
	end := func() {
		if utf8.Valid(run) {
			b.Write(run)
		} else {
			b.WriteString(strings.Repeat(replacement, len(run)))
		}
		run = run[:0]
	}
	for _, id := range ids {
		if tok.cfg.Dec.Kind == "sp" && tok.vocab.flags[id]&typeMask == typeByte {
			run = append(run, tok.Token(id)...)
			continue
		}
		end()
		b.Write(tok.Token(id))
	}
	end()
	s := b.String()
	if tok.cfg.Dec.Strip {
		s = strings.TrimPrefix(s, " ")
	}
	return strings.ToValidUTF8(string([]rune(validText(s))), replacement)
}

func TestStreamEqualsDecode(t *testing.T) {
	for _, name := range goldenNames {
		tok := load(t, filepath.Join("testdata", name))
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			// Bytes are the first tokens; half of the ids are among them.
			id := rapid.OneOf(rapid.Int32Range(0, int32(tok.Len()-1)), rapid.Int32Range(0, 259))
			ids := rapid.SliceOfN(id, 0, 40).Draw(t, "ids")
			skip := rapid.Bool().Draw(t, "skip")
			s := tok.Stream(skip)
			var b strings.Builder
			for _, id := range ids {
				part := s.Next(id)
				if !utf8.ValidString(part) {
					t.Fatalf("half a character: %q", part)
				}
				b.WriteString(part)
			}
			b.WriteString(s.Flush())
			if got, want := b.String(), tok.Decode(ids, skip); got != want {
				t.Fatalf("stream %q, decode %q", got, want)
			}
			if want := plainDecode(tok, ids); !skip && slices.Contains(bpeNames, name) && b.String() != want {
				t.Fatalf("stream %q, by the rule %q", b.String(), want)
			}
		}))
	}
}

func TestStreamIsPrompt(t *testing.T) {
	tok := load(t, filepath.Join("testdata", "qwen_A"))
	id := func(b byte) int32 { return tok.vocab.find(string([]byte{b})) }
	for _, c := range []struct {
		name  string
		bytes string
		want  []string // what each byte completes; the last entry is Flush
	}{
		{"ascii", "ab", []string{"a", "b", ""}},
		{"two bytes", "\u00e9", []string{"", "\u00e9", ""}},
		{"four bytes", "\U0001f642", []string{"", "", "", "\U0001f642", ""}},
		{"unfinished", "\xe4\xb8", []string{"", "", replacement}},
		{"broken off", "\xe4\xb8a", []string{"", "", replacement + "a", ""}},
		{"known at once", "\xff\x80", []string{replacement, replacement, ""}},
		{"too long", "\xe0\x80", []string{"", replacement + replacement, ""}},
		{"a surrogate", "\xed\xa0\x80", []string{"", replacement + replacement, replacement, ""}},
		{"one begins in another", "\xf0\x9f\xc3\xa9", []string{"", "", replacement, "\u00e9", ""}},
	} {
		s := tok.Stream(false)
		for i := range len(c.bytes) {
			if got := s.Next(id(c.bytes[i])); got != c.want[i] {
				t.Errorf("%s, byte %d: got %q, want %q", c.name, i, got, c.want[i])
			}
		}
		if got := s.Flush(); got != c.want[len(c.bytes)] {
			t.Errorf("%s, flush: got %q, want %q", c.name, got, c.want[len(c.bytes)])
		}
	}
}

func TestStreamAfter(t *testing.T) {
	tok := load(t, filepath.Join("testdata", "spm_A"))
	prompt, rest := tok.Encode("if err", EncodeOptions{AddSpecial: true}), tok.Encode(" in", EncodeOptions{})
	s := tok.StreamAfter(prompt, true)
	var b strings.Builder
	for _, id := range rest {
		b.WriteString(s.Next(id))
	}
	if got := b.String() + s.Flush(); got != " in" {
		t.Errorf("got %q, want the space kept", got)
	}
	if got := tok.Decode([]int32{-1, int32(tok.Len()), 1 << 30}, false); got != "" {
		t.Errorf("ids outside: got %q", got)
	}
}

// FuzzLossy compares with Go's own decoder, which makes a U+FFFD of every byte.
func FuzzLossy(f *testing.F) {
	for _, s := range []string{"", "a\xffb", "\xe4\xb8", "\xf0\x9f\x98a", "\xed\xa0\x80", "\u00e9\xc3"} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		whole, rest := appendLossy(nil, b, true)
		if rest != 0 || !utf8.Valid(whole) {
			t.Fatalf("%q: %q, %d left", b, whole, rest)
		}
		if utf8.Valid(b) && string(whole) != string(b) {
			t.Fatalf("%q is valid and became %q", b, whole)
		}
		if a, z := strings.ReplaceAll(string(whole), replacement, ""), strings.ReplaceAll(strings.ToValidUTF8(string(b), ""), replacement, ""); a != z {
			t.Fatalf("%q: valid part %q, want %q", b, a, z)
		}
		if at < 0 || at > len(b) {
			return
		}
		part, rest := appendLossy(nil, b[:at], false)
		part, _ = appendLossy(part, b[at-rest:], true)
		if string(part) != string(whole) {
			t.Fatalf("%q cut at %d: %q, want %q", b, at, part, whole)
		}
	})
}

var streamed string // keeps the compiler from making strings on the stack

// TestStreamStrings: what Next returned stays as it was while the stream goes
// on, and a token costs next to no allocation.
func TestStreamStrings(t *testing.T) {
	for _, name := range goldenNames {
		tok := load(t, filepath.Join("testdata", name))
		s := tok.Stream(false)
		var parts, copies []string
		for id := range int32(3000) {
			part := s.Next(id * 7 % int32(tok.Len()))
			parts, copies = append(parts, part), append(copies, strings.Clone(part))
		}
		if !slices.Equal(parts, copies) {
			t.Errorf("%s: a string changed after it was returned", name)
		}
		if tok.cfg.Dec.Kind == "clip" || tok.cfg.Dec.Kind == "wordpiece" {
			continue // not what a text is generated with
		}
		id := int32(0)
		allocs := testing.AllocsPerRun(1, func() {
			for range 2000 {
				streamed = s.Next(id * 7 % int32(tok.Len()))
				id++
			}
		})
		if allocs > 20 {
			t.Errorf("%s: %v allocations for 2000 tokens", name, allocs)
		}
	}
}
