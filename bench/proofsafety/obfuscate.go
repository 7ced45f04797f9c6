package main

import (
	"math/rand/v2"
	"strings"
	"unicode/utf8"
)

// obfuscation disguises a word as people do who do not want it found.
type obfuscation struct {
	name string
	f    func(r *rand.Rand, w []rune) string
}

var obfuscations = []obfuscation{
	{"mixed case", each(func(r *rand.Rand, c rune) string {
		if r.IntN(2) == 0 {
			return strings.ToUpper(string(c))
		}
		return string(c)
	})},
	{"full width", each(func(_ *rand.Rand, c rune) string { return shift(c, 'a', 0xFF41) })},
	{"zero-width spaces", join("\u200b")},
	{"soft hyphens", join("\u00ad")},
	{"zero-width joiners in runs", join("\u200d\u2060\u200d")},
	{"spaces", join(" ")},
	{"dots", join(".")},
	{"hyphens", join("-")},
	{"digits for letters", swap(map[rune]string{'a': "4", 'e': "3", 'i': "1", 'o': "0", 's': "5", 't': "7"})},
	{"signs for letters", swap(map[rune]string{'a': "@", 's': "$", 'i': "!", 'e': "€", 'c': "¢", 't': "+"})},
	{"star for a vowel", func(r *rand.Rand, w []rune) string { return stars(w, func(i int) bool { return vowel(w[i]) }) }},
	{"stars inside", func(r *rand.Rand, w []rune) string {
		return stars(w, func(i int) bool {
			return i > 0 && i+1 < len(w) && (i > 1 || len(w) < 5) && (i+2 < len(w) || len(w) < 5)
		})
	}},
	{"one letter repeated", func(r *rand.Rand, w []rune) string {
		i := r.IntN(len(w))
		return string(w[:i]) + strings.Repeat(string(w[i]), 3+r.IntN(4)) + string(w[i+1:])
	}},
	{"every letter twice", each(func(_ *rand.Rand, c rune) string { return string([]rune{c, c}) })},
	{"Cyrillic look-alikes", swap(map[rune]string{'a': "а", 'c': "с", 'e': "е", 'o': "о", 'p': "р", 'x': "х", 'y': "у", 'i': "і", 's': "ѕ"})},
	{"Greek look-alikes", swap(map[rune]string{'a': "α", 'e': "ε", 'i': "ι", 'o': "ο", 'u': "υ", 'n': "η", 'k': "κ", 'p': "ρ"})},
	{"marks on letters", each(func(r *rand.Rand, c rune) string { return string([]rune{c, rune(0x300 + r.IntN(20))}) })},
	{"mathematical letters", each(func(_ *rand.Rand, c rune) string { return shift(c, 'a', 0x1D41A) })},
	{"circled letters", each(func(_ *rand.Rand, c rune) string { return shift(c, 'a', 0x24D0) })},
	{"two letters swapped", func(r *rand.Rand, w []rune) string {
		if len(w) < 4 {
			return string(w)
		}
		i := 1 + r.IntN(len(w)-3)
		w[i], w[i+1] = w[i+1], w[i]
		return string(w)
	}},
}

func vowel(c rune) bool { return strings.ContainsRune("aeiou", c) }

func each(f func(r *rand.Rand, c rune) string) func(*rand.Rand, []rune) string {
	return func(r *rand.Rand, w []rune) string {
		var b strings.Builder
		for _, c := range w {
			if c == ' ' {
				b.WriteByte(' ')
				continue
			}
			b.WriteString(f(r, c))
		}
		return b.String()
	}
}

func shift(c, from, to rune) string {
	if c < 'a' || c > 'z' {
		return string(c)
	}
	return string(c - from + to)
}

func join(sep string) func(*rand.Rand, []rune) string {
	return func(_ *rand.Rand, w []rune) string {
		parts := make([]string, len(w))
		for i, c := range w {
			parts[i] = string(c)
		}
		return strings.Join(parts, sep)
	}
}

// swap changes at least the first letter that it can, and every other with a chance of
// three in four.
func swap(by map[rune]string) func(*rand.Rand, []rune) string {
	return func(r *rand.Rand, w []rune) string {
		var b strings.Builder
		done := false
		for _, c := range w {
			if to, ok := by[c]; ok && (!done || r.IntN(4) > 0) {
				b.WriteString(to)
				done = true
				continue
			}
			b.WriteRune(c)
		}
		return b.String()
	}
}

func stars(w []rune, at func(i int) bool) string {
	out := make([]rune, len(w))
	for i, c := range w {
		if out[i] = c; at(i) && c != ' ' {
			out[i] = '*'
		}
	}
	return string(out)
}

// disguise applies an obfuscation to the words of a text that say so, and reports
// whether anything changed.
func disguise(r *rand.Rand, text string, o obfuscation, which func(word string) bool) (string, bool) {
	changed := false
	out := overWords(text, func(w string) string {
		lower := strings.ToLower(w)
		if !which(lower) {
			return w
		}
		got := o.f(r, []rune(lower))
		changed = changed || got != w
		return got
	})
	return out, changed
}

// overWords replaces the words (letters of ASCII) of a text.
func overWords(text string, f func(string) string) string {
	var b strings.Builder
	for len(text) > 0 {
		n := 0
		for n < len(text) && (text[n]|0x20 >= 'a' && text[n]|0x20 <= 'z') {
			n++
		}
		if n > 0 {
			b.WriteString(f(text[:n]))
			text = text[n:]
			continue
		}
		_, n = utf8.DecodeRuneInString(text)
		b.WriteString(text[:n])
		text = text[n:]
	}
	return b.String()
}

// overChinese replaces the listed words of a text without blanks.
func overChinese(text string, words []string, f func(string) string) (string, bool) {
	changed := false
	for _, w := range words {
		if strings.Contains(text, w) {
			text = strings.ReplaceAll(text, w, f(w))
			changed = true
		}
	}
	return text, changed
}
