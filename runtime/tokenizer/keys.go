package tokenizer

import (
	"cmp"
	"encoding/json"

	"github.com/qwq-edge/qwq/gguf"
)

// The GGUF keys of a tokenizer. The standard ones are llama.cpp's; the own ones
// hold what those cannot say, and are written only then:
//
//	qwq.tokenizer.config   string: the configuration as JSON (see config)
//	qwq.tokenizer.pattern  string: the pattern of a pre-tokenizer without a name
//	qwq.tokenizer.merges   int32 array: merges as pairs of ids, in order
//	qwq.tokenizer.eog      int32 array: all ids that end a generation
const (
	keyModel     = "tokenizer.ggml.model"
	keyPre       = "tokenizer.ggml.pre"
	keyTokens    = "tokenizer.ggml.tokens"
	keyTypes     = "tokenizer.ggml.token_type"
	keyScores    = "tokenizer.ggml.scores"
	keyMerges    = "tokenizer.ggml.merges"
	keyBOS       = "tokenizer.ggml.bos_token_id"
	keyEOS       = "tokenizer.ggml.eos_token_id"
	keyEOT       = "tokenizer.ggml.eot_token_id"
	keyEOM       = "tokenizer.ggml.eom_token_id"
	keyUnk       = "tokenizer.ggml.unknown_token_id"
	keySep       = "tokenizer.ggml.seperator_token_id" // spelled like this in the wild
	keyPad       = "tokenizer.ggml.padding_token_id"
	keyCls       = "tokenizer.ggml.cls_token_id"
	keyMask      = "tokenizer.ggml.mask_token_id"
	keyAddBOS    = "tokenizer.ggml.add_bos_token"
	keyAddEOS    = "tokenizer.ggml.add_eos_token"
	keyAddSpace  = "tokenizer.ggml.add_space_prefix"
	keyCharsmap  = "tokenizer.ggml.precompiled_charsmap"
	keyExtra     = "tokenizer.ggml.remove_extra_whitespaces"
	keyTemplate  = "tokenizer.chat_template"
	keyOwnConfig = "qwq.tokenizer.config"
	keyOwnSplit  = "qwq.tokenizer.pattern"
	keyOwnMerges = "qwq.tokenizer.merges"
	keyOwnEOG    = "qwq.tokenizer.eog"
)

// noID is how a file says that there is no such token.
const noID = 0xFFFFFFFF

// lookup finds a key; gguf.File's Get is one.
type lookup func(key string) (gguf.Value, bool)

func (l lookup) str(key string) (string, bool) {
	v, ok := l(key)
	if !ok {
		return "", false
	}
	return v.Str()
}

// flag returns a boolean, or the default where the key is missing.
func (l lookup) flag(key string, def bool) bool {
	if v, ok := l(key); ok {
		if b, ok := v.Bool(); ok {
			return b
		}
	}
	return def
}

// id returns a token id below n, -1 = none. An id outside is an error only
// where strict: files keep padding ids of vocabularies they have cut.
func (l lookup) id(key string, n int, strict bool) (int32, error) {
	v, ok := l(key)
	if !ok {
		return -1, nil
	}
	u, ok := v.Uint()
	switch {
	case !ok && strict:
		return -1, fieldErr(key, "is no token id")
	case !ok || u == noID:
		return -1, nil
	case u < uint64(n):
		return int32(u), nil
	case strict:
		return -1, fieldErr(key, "id %d is outside the %d tokens", u, n)
	}
	return -1, nil
}

// preNames are llama.cpp's names of pre-tokenizers; of several with the same
// pipeline the first is the one written.
var preNames = []struct {
	name         string
	norm, pre    []step
	ignoreMerges bool
	addBOS       bool
}{
	{name: "qwen2", norm: []step{{Op: "nfc"}}, pre: splitRegex(patternQwen)},
	{name: "llama-bpe", pre: splitRegex(patternLama), ignoreMerges: true, addBOS: true},
	{name: "gpt-2", pre: splitRegex(patternGPT2)},
	{name: "smollm", pre: append([]step{{Op: "digits"}}, splitRegex(patternGPT2)...)},
	{name: "default", pre: splitRegex(`[\p{P}\$\+<=>\^~\|]+`, patternGPT2open, `\p{N}+`, `[0-9][0-9][0-9]`)},
	{name: "deepseek-r1-qwen", norm: []step{{Op: "nfc"}}, pre: splitRegex(patternQwen)},
	{name: "llama3", pre: splitRegex(patternLama), ignoreMerges: true, addBOS: true},
	{name: "llama-v3", pre: splitRegex(patternLama), ignoreMerges: true, addBOS: true},
	{name: "phi-2", pre: splitRegex(patternGPT2)},
	{name: "mpt", pre: splitRegex(patternGPT2)},
	{name: "olmo", pre: splitRegex(patternGPT2)},
	{name: "starcoder", pre: append([]step{{Op: "digits"}}, splitRegex(patternGPT2)...)},
	{name: "refact", pre: append([]step{{Op: "digits"}}, splitRegex(patternGPT2)...)},
	{name: "command-r", pre: append([]step{{Op: "digits"}}, splitRegex(patternGPT2)...)},
}

// patternGPT2open is GPT-2's pattern without its last part: white space that
// matches nothing is a piece of its own anyhow.
const patternGPT2open = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)`

func splitRegex(patterns ...string) (out []step) {
	for _, p := range patterns {
		out = append(out, step{Op: "split", A: p, Regex: true, B: "isolated"})
	}
	return out
}

// standardConfig returns what the standard keys say about n tokens.
func standardConfig(get lookup, n int) (config, error) {
	name, ok := get.str(keyModel)
	if !ok {
		return config{}, fieldErr(keyModel, "missing")
	}
	c := newConfig(name)
	if err := c.readIDs(get, n); err != nil {
		return c, err
	}
	switch name {
	case "gpt2":
		return c, c.standardGPT2(get)
	case "llama":
		c.ByteFallback, c.FuseUnk = true, true
		c.spaces(get.flag(keyAddSpace, true), false)
		c.around(get.flag(keyAddBOS, true), get.flag(keyAddEOS, false))
		return c, nil
	case "bert":
		c.standardBERT()
		return c, nil
	case "t5":
		return c, c.standardT5(get)
	}
	return c, fieldErr(keyModel, "%q is not supported", name)
}

// readIDs reads the special ids.
func (c *config) readIDs(get lookup, n int) (err error) {
	for _, k := range []struct {
		key    string
		id     *int32
		strict bool
	}{{keyBOS, &c.BOS, true}, {keyEOS, &c.EOS, true}, {keyEOT, &c.EOT, true}, {keyEOM, &c.EOM, true}, {keyUnk, &c.Unk, true},
		{keySep, &c.Sep, false}, {keyPad, &c.Pad, false}, {keyCls, &c.Cls, false}, {keyMask, &c.Mask, false}} {
		if *k.id, err = get.id(k.key, n, k.strict); err != nil {
			return err
		}
	}
	return nil
}

// standardGPT2 sets the pipeline that tokenizer.ggml.pre names. Without a name
// there is our own key, or llama.cpp's default.
func (c *config) standardGPT2(get lookup) error {
	c.Dec = decodeSpec{Kind: "bytes"}
	name, named := get.str(keyPre)
	if pattern, ok := get.str(keyOwnSplit); ok && !named {
		c.Pre = splitRegex(pattern)
		c.around(get.flag(keyAddBOS, false), get.flag(keyAddEOS, false))
		return nil
	}
	if !named {
		name = "default"
	}
	for _, p := range preNames {
		if p.name == name {
			c.Norm, c.Pre, c.IgnoreMerges = p.norm, p.pre, p.ignoreMerges
			c.around(get.flag(keyAddBOS, p.addBOS), get.flag(keyAddEOS, false))
			return nil
		}
	}
	return fieldErr(keyPre, "%.60q is not a pre-tokenizer known here", name)
}

// standardBERT sets WordPiece as uncased models have it.
func (c *config) standardBERT() {
	c.Norm = []step{{Op: "bert", A: "chla"}}
	c.Pre = []step{{Op: "bert_words"}}
	c.Dec = decodeSpec{Kind: "wordpiece", A: "##", Clean: true}
	c.WordPrefix, c.MaxWordChars = "##", 100
	if first := cmp.Or(c.Cls+1, c.BOS+1) - 1; first >= 0 {
		c.Prefix = []int32{first}
	}
	if last := cmp.Or(c.Sep+1, c.EOS+1) - 1; last >= 0 {
		c.Suffix = []int32{last}
	}
}

// standardT5 sets Unigram with SentencePiece's normalizer.
func (c *config) standardT5(get lookup) error {
	if v, ok := get(keyCharsmap); ok {
		m, ok := v.Ints()
		if !ok {
			return fieldErr(keyCharsmap, "no bytes")
		}
		for _, b := range m {
			if b < -128 || b > 255 {
				return fieldErr(keyCharsmap, "%d is no byte", b)
			}
			c.Charsmap = append(c.Charsmap, byte(b))
		}
	}
	if len(c.Charsmap) > 0 {
		c.Norm = append(c.Norm, step{Op: "charsmap"})
	}
	if get.flag(keyExtra, true) {
		c.Norm = append(c.Norm, step{Op: "strip", Left: true, Right: true}, step{Op: "replace", A: " {2,}", Regex: true, B: " "})
	}
	c.Pre = []step{{Op: "metaspace", A: metaspace, B: "never", Split: true}}
	c.Dec = decodeSpec{Kind: "sp", A: metaspace}
	if get.flag(keyAddSpace, true) {
		c.Pre[0].B, c.Dec.Kind = "always", "metaspace"
	}
	c.around(get.flag(keyAddBOS, false), get.flag(keyAddEOS, true))
	return nil
}

// json returns the configuration as qwq.tokenizer.config holds it.
func (c *config) json() string {
	b, err := json.Marshal(c)
	if err != nil {
		panic("tokenizer: a configuration is always JSON: " + err.Error())
	}
	return string(b)
}
