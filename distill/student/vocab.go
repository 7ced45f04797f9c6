package student

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// Trimmed is a part of a teacher's vocabulary.
type Trimmed struct {
	IDs  []int32   // the teacher's id of each of the student's, ascending: distill.Vocab.Teacher
	Keys []gguf.KV // the student's tokenizer
}

// Vocab relates the student's ids to the teacher's.
func (t *Trimmed) Vocab() distill.Vocab { return distill.Vocab{Size: len(t.IDs), Teacher: t.IDs} }

// CountIDs counts the ids of rows; vocab is their number.
func CountIDs(src Source, index []int, vocab int) ([]int64, error) {
	counts := make([]int64, vocab)
	var b distill.Batch
	for _, i := range index {
		if err := src.Batch([]int{i}, &b); err != nil {
			return nil, err
		}
		for at, id := range b.IDs {
			if id < 0 || int(id) >= vocab {
				return nil, fmt.Errorf("student: row %d: id %d at %d is not below %d", i, id, at, vocab)
			}
			counts[id]++
		}
	}
	return counts, nil
}

// Trim keeps size ids of a teacher with a byte-level BPE: special and added tokens,
// the 256 bytes, and what counts ([vocabulary], uses in a text) says is used most,
// each with all that its merges make on the way.
//
// Why the student then finds the same tokens in a text whose tokens it has: no
// merge crosses the end of a token that is left at the end, so inside it they are
// those of the token on its own, all of which are kept, in the same order. A merge
// of the teacher that the student lacks would have made a token that it lacks. All
// bytes are tokens, so every text can be encoded.
func Trim(tok *tokenizer.Tokenizer, counts []int64, size int) (*Trimmed, error) {
	if tok.Model() != "gpt2" {
		return nil, fmt.Errorf("student: the vocabulary of a %q tokenizer cannot be trimmed, only byte-level BPE (gpt2)", tok.Model())
	}
	keys, err := tok.KVs(len(counts))
	if err != nil {
		return nil, err
	}
	v, err := readVocabulary(keys)
	if err != nil {
		return nil, err
	}
	if len(v.tokens) != len(counts) {
		return nil, fmt.Errorf("student: counts of %d ids for %d tokens", len(counts), len(v.tokens))
	}
	kept, err := v.choose(counts, size)
	if err != nil {
		return nil, err
	}
	t := &Trimmed{}
	to := make([]int32, len(kept))
	for id, k := range kept {
		to[id] = -1
		if k {
			to[id] = int32(len(t.IDs))
			t.IDs = append(t.IDs, int32(id))
		}
	}
	t.Keys, err = v.rewrite(keys, t.IDs, to)
	return t, err
}

// vocabulary is the keys of a byte-level BPE, read.
type vocabulary struct {
	tokens       []string
	types        []int64
	id           map[string]int32
	rank         map[[2]int32]int // of a pair: its place in the list of merges
	made         []int32          // by each merge
	pairs        [][2]int32
	named        map[int32]bool // ids that a key names
	ignoreMerges bool
}

// Token types of GGUF.
const (
	typeNormal = 1
	typeUnused = 5
)

// ownConfig is the part of qwq.tokenizer.config that matters here.
type ownConfig struct {
	IgnoreMerges bool    `json:"ignore_merges"`
	WordSuffix   string  `json:"end_of_word_suffix"`
	Prefix       []int32 `json:"prefix"`
	Suffix       []int32 `json:"suffix"`
	Added        []struct {
		ID int32 `json:"id"`
	} `json:"added"`
}

func readVocabulary(keys []gguf.KV) (*vocabulary, error) {
	v := &vocabulary{id: map[string]int32{}, rank: map[[2]int32]int{}, named: map[int32]bool{}}
	var texts []string
	var pairs []int64
	for _, kv := range keys {
		switch {
		case kv.Key == "tokenizer.ggml.tokens":
			v.tokens, _ = kv.Value.Strs()
		case kv.Key == "tokenizer.ggml.token_type":
			v.types, _ = kv.Value.Ints()
		case kv.Key == "tokenizer.ggml.merges":
			texts, _ = kv.Value.Strs()
		case kv.Key == "qwq.tokenizer.merges":
			pairs, _ = kv.Value.Ints()
		case kv.Key == "qwq.tokenizer.eog":
			for _, id := range kv.Value.EachInt() {
				v.named[int32(id)] = true
			}
		case kv.Key == "tokenizer.ggml.pre":
			name, _ := kv.Value.Str()
			v.ignoreMerges = v.ignoreMerges || strings.HasPrefix(name, "llama")
		case isTokenID(kv.Key):
			if id, ok := kv.Value.Uint(); ok {
				v.named[int32(id)] = true
			}
		case kv.Key == "qwq.tokenizer.config":
			text, _ := kv.Value.Str()
			var c ownConfig
			if err := json.Unmarshal([]byte(text), &c); err != nil {
				return nil, fmt.Errorf("student: %s: %w", kv.Key, err)
			}
			if c.WordSuffix != "" {
				return nil, fmt.Errorf("student: a vocabulary with the end of words %q cannot be trimmed", c.WordSuffix)
			}
			v.ignoreMerges = v.ignoreMerges || c.IgnoreMerges
			for _, id := range slices.Concat(c.Prefix, c.Suffix) {
				v.named[id] = true
			}
			for _, a := range c.Added {
				v.named[a.ID] = true
			}
		}
	}
	if len(v.tokens) == 0 || len(v.types) != len(v.tokens) {
		return nil, fmt.Errorf("student: %d tokens of %d types", len(v.tokens), len(v.types))
	}
	for id, t := range v.tokens {
		v.id[t] = int32(id)
	}
	for _, m := range texts {
		l, r, _ := strings.Cut(m, " ")
		v.merge(l, r)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.merge(v.tokens[pairs[i]], v.tokens[pairs[i+1]])
	}
	return v, nil
}

// merge enters the next merge of the list; the first of two equal ones counts.
func (v *vocabulary) merge(l, r string) {
	a, ok1 := v.id[l]
	b, ok2 := v.id[r]
	c, ok3 := v.id[l+r]
	if !ok1 || !ok2 || !ok3 {
		a, b, c = -1, -1, -1
	} else if _, have := v.rank[[2]int32{a, b}]; !have {
		v.rank[[2]int32{a, b}] = len(v.pairs)
	}
	v.pairs, v.made = append(v.pairs, [2]int32{a, b}), append(v.made, c)
}

// isTokenID says whether a key holds one token's id.
func isTokenID(key string) bool {
	return strings.HasPrefix(key, "tokenizer.ggml.") && strings.HasSuffix(key, "_token_id")
}

// derive is every token that merging makes on the way from the characters of token
// id to it, the characters and itself included; false where merging does not end
// in it.
func (v *vocabulary) derive(id int32) ([]int32, bool) {
	var s, all []int32
	for _, r := range v.tokens[id] {
		c, ok := v.id[string(r)]
		if !ok {
			return nil, false
		}
		s, all = append(s, c), append(all, c)
	}
	for len(s) > 1 {
		at, least := -1, len(v.pairs)
		for i := range len(s) - 1 {
			if r, ok := v.rank[[2]int32{s[i], s[i+1]}]; ok && r < least {
				at, least = i, r
			}
		}
		if at < 0 {
			return nil, false
		}
		s[at] = v.made[least]
		s = slices.Delete(s, at+1, at+2)
		all = append(all, s[at])
	}
	return all, len(s) == 1 && s[0] == id
}

// byteRune is the character that byte-level BPE writes a byte as.
func byteRune(b int) rune {
	if b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE {
		return rune(b)
	}
	n := b // 0 to 32, then 127 to 160, then 173
	if b >= 127 {
		n = b - 127 + 33
	}
	if b == 0xAD {
		n = 67
	}
	return rune(256 + n)
}

// choose marks size ids.
func (v *vocabulary) choose(counts []int64, size int) ([]bool, error) {
	kept := make([]bool, len(v.tokens))
	n := 0
	keep := func(id int32) {
		if !kept[id] {
			kept[id] = true
			n++
		}
	}
	for id, typ := range v.types {
		if typ != typeNormal && typ != typeUnused || v.named[int32(id)] {
			keep(int32(id))
		}
	}
	for b := range 256 {
		if id, ok := v.id[string(byteRune(b))]; ok {
			keep(id)
		}
	}
	if size < n || size > len(v.tokens) {
		return nil, fmt.Errorf("student: a vocabulary of %d: want from %d (bytes, special and added tokens) to %d", size, n, len(v.tokens))
	}
	order := make([]int32, len(v.tokens))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		switch {
		case counts[a] > counts[b]:
			return -1
		case counts[a] < counts[b]:
			return 1
		}
		return 0
	})
	for _, id := range order {
		if n == size {
			return kept, nil
		}
		if kept[id] || v.types[id] != typeNormal {
			continue
		}
		need, ok := v.derive(id)
		if !ok && !v.ignoreMerges {
			continue // no text has it
		}
		need = append(need, id)
		slices.Sort(need)
		need = slices.DeleteFunc(slices.Compact(need), func(i int32) bool { return kept[i] })
		if n+len(need) > size {
			continue
		}
		for _, i := range need {
			keep(i)
		}
	}
	if n < size {
		return nil, fmt.Errorf("student: a vocabulary of %d: only %d of the teacher's tokens can occur", size, n)
	}
	return kept, nil
}

// rewrite is the keys for the kept ids; to maps the teacher's, -1 for none.
func (v *vocabulary) rewrite(keys []gguf.KV, ids, to []int32) ([]gguf.KV, error) {
	var out []gguf.KV
	for _, kv := range keys {
		switch {
		case kv.Key == "tokenizer.ggml.tokens":
			s := make([]string, len(ids))
			for i, id := range ids {
				s[i] = v.tokens[id]
			}
			kv.Value = gguf.Strings(s)
		case kv.Key == "tokenizer.ggml.token_type":
			s := make([]int32, len(ids))
			for i, id := range ids {
				s[i] = int32(v.types[id])
			}
			kv.Value = gguf.Int32s(s)
		case kv.Key == "tokenizer.ggml.merges":
			var s []string
			for i, p := range v.pairs {
				if v.lives(i, to) {
					s = append(s, v.tokens[p[0]]+" "+v.tokens[p[1]])
				}
			}
			kv.Value = gguf.Strings(s)
		case kv.Key == "qwq.tokenizer.merges":
			var s []int32
			for i, p := range v.pairs {
				if v.lives(i, to) {
					s = append(s, to[p[0]], to[p[1]])
				}
			}
			kv.Value = gguf.Int32s(s)
		case kv.Key == "qwq.tokenizer.eog":
			var s []int32
			for _, id := range kv.Value.EachInt() {
				s = append(s, to[id])
			}
			kv.Value = gguf.Int32s(s)
		case isTokenID(kv.Key):
			if id, ok := kv.Value.Uint(); ok {
				kv.Value = gguf.Uint32(uint32(to[id]))
			}
		case kv.Key == "qwq.tokenizer.config":
			text, _ := kv.Value.Str()
			text, err := mapConfig(text, to)
			if err != nil {
				return nil, err
			}
			kv.Value = gguf.String(text)
		}
		out = append(out, kv)
	}
	return out, nil
}

// lives says whether merge i has all three tokens.
func (v *vocabulary) lives(i int, to []int32) bool {
	p := v.pairs[i]
	return p[0] >= 0 && to[p[0]] >= 0 && to[p[1]] >= 0 && to[v.made[i]] >= 0
}

// mapConfig replaces the ids in qwq.tokenizer.config; all of them are kept.
func mapConfig(text string, to []int32) (string, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var c map[string]any
	if err := d.Decode(&c); err != nil {
		return "", fmt.Errorf("student: tokenizer configuration: %w", err)
	}
	id := func(x any) any {
		if n, ok := x.(json.Number); ok {
			if i, err := n.Int64(); err == nil && i >= 0 && i < int64(len(to)) {
				return to[i]
			}
		}
		return x
	}
	for _, k := range []string{"prefix", "suffix"} {
		list, _ := c[k].([]any)
		for i := range list {
			list[i] = id(list[i])
		}
	}
	added, _ := c["added"].([]any)
	for _, a := range added {
		if m, ok := a.(map[string]any); ok {
			m["id"] = id(m["id"])
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(c); err != nil {
		return "", err
	}
	return strings.TrimSpace(b.String()), nil
}
