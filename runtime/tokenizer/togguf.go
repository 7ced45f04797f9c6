package tokenizer

import (
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/gguf"
)

// KVs returns the keys that hold the tokenizer in a GGUF file whose embedding
// has rows rows: the vocabulary is padded to that many tokens. A tokenizer with
// more ids than rows is an error. Reading the keys back gives a tokenizer with
// the same ids for every text.
func (t *Tokenizer) KVs(rows int) ([]gguf.KV, error) {
	n := t.Len()
	for n > 0 && t.vocab.flags[n-1]&typeMask == typeUnused {
		n-- // padding of another file
	}
	if n > rows {
		return nil, fieldErr("", "%d tokens, but the embedding has %d rows", n, rows)
	}
	tokens, types := t.padded(n, rows)
	kvs := []gguf.KV{{Key: keyModel, Value: gguf.String(t.cfg.Model)}}
	add := func(key string, v gguf.Value) { kvs = append(kvs, gguf.KV{Key: key, Value: v}) }
	if name := t.Pre(); name != "" {
		add(keyPre, gguf.String(name))
	} else if p := t.cfg.Pre; t.cfg.Model == "gpt2" && len(p) > 0 && p[len(p)-1].Regex {
		add(keyOwnSplit, gguf.String(p[len(p)-1].A))
	}
	add(keyTokens, gguf.Strings(tokens))
	add(keyTypes, gguf.Int32s(types))
	t.modelKVs(rows, add)
	t.idKVs(add)
	if t.template != "" {
		add(keyTemplate, gguf.String(t.template))
	}
	std, err := standardConfig(func(key string) (gguf.Value, bool) {
		for _, kv := range kvs {
			if kv.Key == key {
				return kv.Value, true
			}
		}
		return gguf.Value{}, false
	}, rows)
	if own := t.cfg.json(); err != nil || std.json() != own {
		add(keyOwnConfig, gguf.String(own))
	}
	return kvs, nil
}

// Pre returns llama.cpp's name of the pre-tokenizer, "" = it has none. Without
// a name llama.cpp falls back on another pattern, so a converter should warn.
func (t *Tokenizer) Pre() string {
	if t.cfg.Model != "gpt2" {
		return "default"
	}
	for _, p := range preNames {
		if slices.Equal(p.pre, t.cfg.Pre) {
			return p.name
		}
	}
	return ""
}

// padded returns rows spellings, all different, and their types.
func (t *Tokenizer) padded(n, rows int) ([]string, []int32) {
	tokens, types := make([]string, rows), make([]int32, rows)
	for id := range rows {
		if id < n {
			tokens[id], types[id] = t.vocab.spelling(int32(id)), int32(t.vocab.flags[id]&typeMask)
			if t.cfg.Model == "bert" {
				tokens[id] = phantom(tokens[id], uint8(types[id]))
			}
			continue
		}
		name := padToken(id)
		for have, ok := t.ID(name); ok && int(have) < n; have, ok = t.ID(name) {
			name += "]"
		}
		tokens[id], types[id] = name, typeUnused
	}
	return tokens, types
}

// modelKVs adds merges and scores.
func (t *Tokenizer) modelKVs(rows int, add func(string, gguf.Value)) {
	if t.cfg.Model == "t5" {
		add(keyScores, gguf.Float32s(append(slices.Clone(t.scores), make([]float32, max(0, rows-len(t.scores)))...)[:rows]))
		if len(t.cfg.Charsmap) > 0 {
			add(keyCharsmap, gguf.Bytes(t.cfg.Charsmap))
		}
	}
	b, ok := t.model.(*bpe)
	if !ok {
		return
	}
	var pairs []int32
	if b.merges != nil {
		pairs = b.merges.ordered()
	}
	if t.cfg.Model == "gpt2" {
		if text, ok := t.mergeTexts(pairs); ok {
			add(keyMerges, gguf.Strings(text))
			return
		}
		add(keyOwnMerges, gguf.Int32s(pairs))
		return
	}
	scores := slices.Clone(t.scores)
	if scores == nil { // the first merge that makes a token is its place in the training
		scores = make([]float32, t.Len())
		for i := 0; i < len(pairs); i += 2 {
			_, id := b.merges.get(pairs[i], pairs[i+1])
			if scores[id] == 0 {
				scores[id] = -float32(i/2 + 1)
			}
		}
	}
	scores = append(scores, make([]float32, max(0, rows-len(scores)))...)
	add(keyScores, gguf.Float32s(scores[:rows]))
	if pairs != nil {
		add(keyOwnMerges, gguf.Int32s(pairs))
	}
}

// mergeTexts spells merges as "left right"; ok is false where a token has a
// space in it, so that this would not say which two.
func (t *Tokenizer) mergeTexts(pairs []int32) (text []string, ok bool) {
	text = make([]string, len(pairs)/2)
	for i := range text {
		l, r := t.vocab.spelling(pairs[2*i]), t.vocab.spelling(pairs[2*i+1])
		if l == "" || r == "" || strings.Contains(l, " ") || strings.Contains(r, " ") {
			return nil, false
		}
		text[i] = l + " " + r
	}
	return text, true
}

// idKVs adds the special ids and what goes around a text.
func (t *Tokenizer) idKVs(add func(string, gguf.Value)) {
	c := t.cfg
	for _, id := range t.eog { // SetEOG may have come after the tokenizer was read
		switch {
		case id == c.EOS || id == c.EOT || id == c.EOM:
		case c.EOM < 0 && t.Spelling(id) == "<|eom_id|>":
			c.EOM = id
		case c.EOT < 0:
			c.EOT = id
		}
	}
	all := make(map[int32]bool)
	for _, k := range []struct {
		key string
		id  int32
	}{{keyBOS, c.BOS}, {keyEOS, c.EOS}, {keyEOT, c.EOT}, {keyEOM, c.EOM}, {keyUnk, c.Unk},
		{keySep, c.Sep}, {keyPad, c.Pad}, {keyCls, c.Cls}, {keyMask, c.Mask}} {
		if k.id >= 0 {
			add(k.key, gguf.Uint32(uint32(k.id)))
			all[k.id] = true
		}
	}
	add(keyAddBOS, gguf.Bool(t.AddBOS()))
	add(keyAddEOS, gguf.Bool(t.AddEOS()))
	switch c.Model {
	case "llama":
		add(keyAddSpace, gguf.Bool(c.Dec.Strip))
	case "t5":
		add(keyAddSpace, gguf.Bool(c.Dec.Kind == "metaspace"))
		add(keyExtra, gguf.Bool(true))
	}
	for _, id := range t.eog {
		if !all[id] {
			add(keyOwnEOG, gguf.Int32s(t.eog))
			break
		}
	}
}
