package safety

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The classifier's features are hashes of words, pairs of words, their consonants and
// 3 to 5 neighbouring characters; of Chinese and Japanese, 1 to 3 characters.
//
// Details that are easy to get wrong: a feature is counted once; letters are what they
// look like (digits and signs inside of words, Cyrillic and Greek letters beside Latin
// ones, letters with marks), so that a word that was disguised is the word; letters that
// stand alone in a row are a word; both "aasss" and "as" are tried for "aaassss", for
// "ass" is not "as".

// looks is the Latin letter that a sign or a foreign letter stands for.
var looks = map[rune]rune{
	'0': 'o', '1': 'i', '3': 'e', '4': 'a', '5': 's', '7': 't', '8': 'b', '9': 'g',
	'@': 'a', '$': 's', '!': 'i', '|': 'l', '+': 't', '€': 'e', '£': 'l', '¢': 'c', '¥': 'y',
	'а': 'a', 'в': 'b', 'е': 'e', 'ё': 'e', 'і': 'i', 'к': 'k', 'м': 'm', 'н': 'h', 'о': 'o', 'р': 'p', 'с': 'c', 'т': 't', 'у': 'y', 'х': 'x', 'ѕ': 's', 'ј': 'j', 'һ': 'h', 'ԁ': 'd', 'ԛ': 'q', 'ԝ': 'w', 'и': 'u', 'ц': 'u', 'п': 'n', 'г': 'r',
	'α': 'a', 'β': 'b', 'γ': 'y', 'ε': 'e', 'η': 'n', 'ι': 'i', 'κ': 'k', 'μ': 'u', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'σ': 'o', 'τ': 't', 'υ': 'u', 'χ': 'x', 'ω': 'w',
	'ı': 'i', 'ø': 'o', 'đ': 'd', 'ł': 'l', 'ɡ': 'g', 'ɑ': 'a', 'ʜ': 'h', 'ɴ': 'n', 'ʀ': 'r',
}

const mask = '*' // a letter that was made unreadable

func latin(r rune) bool { return 'a' <= r && r <= 'z' }

func ideograph(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) }

// bare is a text without case, marks and characters that show nothing.
func bare(text string) []rune {
	ascii := true
	for i := range len(text) {
		ascii = ascii && text[i] < utf8.RuneSelf
	}
	if !ascii {
		text = norm.NFKD.String(text)
	}
	out := make([]rune, 0, len(text))
	for _, r := range text {
		if r >= utf8.RuneSelf && (unicode.Is(ignorable, r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r)) {
			continue
		}
		out = append(out, foldRune(r))
	}
	return out
}

// Features are the buckets, 0 to 1<<bits - 1, of what is in a window: sorted, each once.
func Features(window string, bits int) []uint32 {
	h := hasher{shift: 64 - uint(bits)}
	text := bare(window)
	for len(text) > 0 {
		n := 0
		for n < len(text) && !unicode.IsSpace(text[n]) {
			n++
		}
		if n > 0 {
			h.piece(text[:n])
		}
		for n < len(text) && unicode.IsSpace(text[n]) {
			n++
		}
		text = text[n:]
	}
	h.endSpelled()
	slices.Sort(h.out)
	return slices.Compact(h.out)
}

type hasher struct {
	out     []uint32
	shift   uint
	last    uint64  // hash of the word before
	cjk     [2]rune // characters before, in a row of ideographs
	spelled []rune  // letters that stand alone, in a row
}

// piece takes what stands between blanks.
func (h *hasher) piece(p []rune) {
	begin := 0
	for i, r := range p {
		if ideograph(r) {
			h.letters(p[begin:i])
			h.ideograph(r)
			begin = i + 1
		}
	}
	h.letters(p[begin:])
}

// readable sets what every sign of a piece stands for: 0 is a separator, -1 nothing.
func readable(p []rune) []rune {
	anyLatin, foreign := false, false
	for _, r := range p {
		anyLatin = anyLatin || latin(r)
		foreign = foreign || r >= utf8.RuneSelf && unicode.IsLetter(r) && looks[r] == 0
	}
	out := make([]rune, len(p))
	for i, r := range p {
		inside := i > 0 && i+1 < len(p)
		switch {
		case latin(r):
			out[i] = r
		case r >= utf8.RuneSelf && unicode.IsLetter(r):
			if out[i] = r; !foreign && looks[r] != 0 {
				out[i] = looks[r]
			}
		case anyLatin && looks[r] != 0 && ((r != '!' && r != '|' && r != '+') || inside && (unicode.IsLetter(p[i+1]) || looks[p[i+1]] != 0)):
			out[i] = looks[r]
		case unicode.IsNumber(r):
			out[i] = r
		case anyLatin && inside && (r == '*' || r == '#' || r == '%') && out[i-1] > 0:
			out[i] = mask
		case r == '\'' || r == '’':
			out[i] = -1
		}
	}
	return out
}

// letters takes a piece without ideographs: a word, or several with signs between.
func (h *hasher) letters(p []rune) {
	if len(p) == 0 {
		return
	}
	var whole []rune
	var parts [][]rune
	begin, longest := 0, 0
	end := func() {
		if n := len(whole) - begin; n > 0 {
			parts, longest = append(parts, whole[begin:]), max(longest, n)
		}
		begin = len(whole)
	}
	for _, r := range readable(p) {
		switch {
		case r > 0:
			whole = append(whole, r)
		case r == 0:
			end()
		}
	}
	end()
	switch {
	case len(parts) == 0:
	case len(whole) == 1:
		h.spelled = append(h.spelled, whole[0])
		h.cjk = [2]rune{}
	case len(parts) == 1 || longest == 1:
		h.word(whole)
	default:
		for _, w := range parts {
			h.word(w)
		}
		if len(whole) <= 20 {
			h.variants(whole)
		}
	}
}

// endSpelled takes letters that stood alone: a word where there are three or more.
func (h *hasher) endSpelled() {
	w := h.spelled
	h.spelled = nil
	if len(w) >= 3 {
		h.variants(w)
	}
	for _, r := range w {
		h.pair(h.add('w', []rune{r}))
	}
}

// word takes a word in its place.
func (h *hasher) word(w []rune) {
	h.endSpelled()
	h.cjk = [2]rune{}
	h.pair(h.variants(w))
}

// pair takes the hash of the next word.
func (h *hasher) pair(word uint64) {
	if h.last != 0 {
		h.put(h.last*3 ^ word)
	}
	h.last = word
}

// variants takes a word as it is, or as it may be without the letters that were
// repeated, and gives the hash of the last.
func (h *hasher) variants(w []rune) uint64 {
	if len(w) > 40 {
		w = w[:40]
	}
	longest, even := 0, len(w) >= 6
	for i := 0; i < len(w); {
		n := run(w[i:])
		longest, even = max(longest, n), even && n%2 == 0
		i += n
	}
	switch {
	case longest >= 3:
		h.grams(shorten(w, func(n int) int { return min(n, 2) }))
		return h.grams(shorten(w, func(int) int { return 1 }))
	case even:
		h.grams(w)
		return h.grams(shorten(w, func(n int) int { return n / 2 }))
	}
	return h.grams(w)
}

// run is how often the first letter stands there in a row.
func run(w []rune) int {
	n := 1
	for n < len(w) && w[n] == w[0] {
		n++
	}
	return n
}

// shorten makes each run of letters as long as to says.
func shorten(w []rune, to func(int) int) (out []rune) {
	for i := 0; i < len(w); {
		n := run(w[i:])
		for range to(n) {
			out = append(out, w[i])
		}
		i += n
	}
	return out
}

// grams adds a word, its pieces, and what is left of it when letters were hidden or
// put in another order: its consonants, its ends, its letters in order of the alphabet.
func (h *hasher) grams(w []rune) uint64 {
	if len(w) < 2 {
		return h.add('w', w)
	}
	var b, c [44]rune
	masked, consonants := false, c[:0]
	for _, r := range w {
		switch r {
		case mask:
			masked = true
		case 'a', 'e', 'i', 'o', 'u':
		default:
			consonants = append(consonants, r)
		}
	}
	word := h.add('w', w)
	bounded := append(append(append(b[:0], '^'), w...), '^')
	for n := 3; n <= 5; n++ {
		for i := 0; i+n <= len(bounded); i++ {
			if g := bounded[i : i+n]; !masked || !slices.Contains(g, mask) {
				h.add('g', g)
			}
		}
	}
	if len(consonants) >= 2 {
		h.add('c', consonants)
	}
	if len(w) > 3 {
		h.add('e', []rune{w[0], w[len(w)-1], rune(len(w))})
	}
	if !masked && len(w) > 3 {
		sorted := append(b[:0], w[1:]...)
		slices.Sort(sorted)
		h.add('s', append(sorted, w[0]))
	}
	return word
}

// ideograph takes a character of Chinese or Japanese. Signs between two do not part
// them.
func (h *hasher) ideograph(r rune) {
	h.endSpelled()
	h.last = 0
	h.add('z', []rune{r})
	if h.cjk[1] != 0 {
		h.add('z', []rune{h.cjk[1], r})
	}
	if h.cjk[0] != 0 {
		h.add('z', []rune{h.cjk[0], h.cjk[1], r})
	}
	h.cjk = [2]rune{h.cjk[1], r}
}

// add puts the feature of that kind: FNV-1a of its characters.
func (h *hasher) add(kind rune, text []rune) uint64 {
	x := uint64(14695981039346656037) ^ uint64(kind)
	x *= 1099511628211
	for _, r := range text {
		x = (x ^ uint64(r)) * 1099511628211
	}
	h.put(x)
	return x
}

func (h *hasher) put(x uint64) {
	x ^= x >> 32
	h.out = append(h.out, uint32(x*0x9E3779B97F4A7C15>>h.shift))
}
