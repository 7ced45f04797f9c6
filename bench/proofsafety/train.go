package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/runtime/safety"
)

// example is a text as the classifier sees it.
type example struct {
	f     []uint32
	toxic bool
}

// outside is what a training must not see.
type outside struct {
	word  []bool // of the lists
	trick []bool // obfuscations
}

func (o outside) any(words []int) bool {
	return slices.ContainsFunc(words, func(i int) bool { return o.word[i] })
}

// examples makes what is trained on: the rows; disguised copies, of benign ones too, so
// that a disguise alone says nothing; and the words of the lists in benign sentences.
func (s settings) examples(d *data, out outside) (list []example) {
	r := rand.New(rand.NewPCG(s.seed, 7))
	add := func(text string, toxic bool) { list = append(list, example{safety.Features(text, s.bits), toxic}) }
	var tricks []obfuscation
	for i, o := range obfuscations {
		if !out.trick[i] {
			tricks = append(tricks, o)
		}
	}
	known := map[string]bool{}
	var english, chinese []string
	for i, w := range d.words {
		switch {
		case out.word[i]:
		case w[0] < 0x80:
			english = append(english, w)
			known[w] = true
		default:
			chinese = append(chinese, w)
		}
	}
	longFirst(chinese)
	var carriers [2][]string
	for i := range d.rows {
		row := &d.rows[i]
		if row.test || out.any(row.words) {
			continue
		}
		add(row.text, row.toxic)
		if !row.toxic && len(row.words) == 0 && row.source != "wagahaiwa" {
			k := 0
			if row.chinese {
				k = 1
			}
			carriers[k] = append(carriers[k], row.text)
		}
		copies := 0
		switch {
		case row.toxic && len(row.words) > 0:
			copies = 2
		case !row.toxic && r.IntN(4) == 0:
			copies = 1
		}
		for range copies {
			t := tricks[r.IntN(len(tricks))]
			which := func(w string) bool { return known[w] }
			if !row.toxic {
				which = func(w string) bool { return len(w) > 2 && r.IntN(4) == 0 }
			}
			text, changed := disguise(r, row.text, t, which)
			if row.chinese && row.toxic && !changed {
				text, changed = overChinese(text, chinese, func(w string) string { return t.f(r, []rune(w)) })
			}
			if changed {
				add(text, row.toxic)
			}
		}
	}
	for k, words := range [][]string{english, chinese} {
		for _, w := range words {
			for n := range 8 {
				text := w
				if n%2 == 1 {
					text = tricks[r.IntN(len(tricks))].f(r, []rune(w))
				}
				if n > 1 {
					text = put(r, carriers[k][r.IntN(len(carriers[k]))], text, k == 1)
				}
				add(text, true)
			}
		}
	}
	return list
}

func longFirst(words []string) {
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
}

// put sets a word into a sentence.
func put(r *rand.Rand, sentence, word string, chinese bool) string {
	if chinese {
		c := []rune(sentence)
		i := r.IntN(len(c) + 1)
		return string(c[:i]) + word + string(c[i:])
	}
	f := strings.Fields(sentence)
	f = slices.Insert(f, r.IntN(len(f)+1), word)
	return strings.Join(f, " ")
}

// fit trains a logistic regression by Adagrad, the examples in another order in each
// pass; the same seed gives the same weights.
func (s settings) fit(list []example) *safety.Linear {
	n := 1 << s.bits
	w, g := make([]float32, n), make([]float32, n)
	bias, biasG := 0.0, 1e-6
	r := rand.New(rand.NewPCG(s.seed, 8))
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	for range s.passes {
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			e := &list[i]
			if len(e.f) == 0 {
				continue
			}
			scale := 1 / math.Sqrt(float64(len(e.f)))
			sum := 0.0
			for _, f := range e.f {
				sum += float64(w[f])
			}
			p := 1 / (1 + math.Exp(-(bias + float64(sum*scale))))
			d := p
			if e.toxic {
				d = p - 1
			} else {
				d *= s.benign
			}
			by := float32(d * scale)
			for _, f := range e.f {
				v := by + float32(float32(s.decay)*w[f])
				g[f] += float32(v * v)
				w[f] -= float32(float32(s.rate) * v / float32(math.Sqrt(float64(g[f]))+1e-6))
			}
			biasG += float64(d * d)
			bias -= float64(s.rate * d / math.Sqrt(biasG))
		}
	}
	return &safety.Linear{Weight: w, Bias: float32(bias)}
}
