package tokenizer

import (
	"fmt"
	"path/filepath"
	"strings"
)

// A rank file holds neither the pattern nor the special tokens; these are the
// families whose own are published. See rankFamilyOf for how one is chosen.
type rankFamily struct {
	ranks    int // how many there are; 0: any number, the special tokens follow
	pattern  string
	nfc      bool // before special tokens are looked for
	bos      bool // AddSpecial puts BOS first
	specials func(ranks int) []hfAdded
	eos, eot string
	first    string // BOS
}

const patternO200k = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
	`|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
	`|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`

var (
	rankQwen = rankFamily{pattern: patternQwen, nfc: true, specials: specialsQwen, eos: "<|endoftext|>", eot: "<|im_end|>"}
	rankGPT4 = rankFamily{ranks: 100256, pattern: patternGPT4, eos: "<|endoftext|>", specials: specialIDs(map[int32]string{
		100257: "<|endoftext|>", 100258: "<|fim_prefix|>", 100259: "<|fim_middle|>", 100260: "<|fim_suffix|>", 100276: "<|endofprompt|>"})}
	rankGPT4o = rankFamily{ranks: 199998, pattern: patternO200k, eos: "<|endoftext|>", specials: specialIDs(map[int32]string{
		199999: "<|endoftext|>", 200018: "<|endofprompt|>"})}
	rankLlama = rankFamily{ranks: 128000, pattern: patternLama, bos: true, specials: specialsLlama,
		first: "<|begin_of_text|>", eos: "<|end_of_text|>", eot: "<|eot_id|>"}
)

// rankFamilyOf chooses by what the folder's configuration says, else by the
// file's name and size. It never guesses.
func rankFamilyOf(path, class string, ranks int) (*rankFamily, error) {
	name := filepath.Base(path)
	var f *rankFamily
	switch {
	case strings.TrimSuffix(class, "Fast") == "QWenTokenizer", name == "qwen.tiktoken":
		f = &rankQwen
	case name == "cl100k_base.tiktoken":
		f = &rankGPT4
	case name == "o200k_base.tiktoken":
		f = &rankGPT4o
	case name == "tokenizer.model" && ranks == rankLlama.ranks:
		f = &rankLlama
	default:
		return nil, fieldErr("", "%d ranks, but which pre-tokenizer and special tokens belong to a file %.60q of tokenizer_class %.60q is not known: "+
			"known are tokenizer_class QWenTokenizer, the names qwen.tiktoken, cl100k_base.tiktoken and o200k_base.tiktoken, and tokenizer.model with %d ranks",
			ranks, name, class, rankLlama.ranks)
	}
	if f.ranks != 0 && f.ranks != ranks {
		return nil, fieldErr("", "%d ranks, but %s has %d", ranks, name, f.ranks)
	}
	return f, nil
}

// specialIDs is a family whose special tokens have ids of their own.
func specialIDs(by map[int32]string) func(int) []hfAdded {
	return func(int) (out []hfAdded) {
		for id, name := range by { // the ids say it all, not the order
			out = append(out, hfAdded{ID: id, Content: name, Special: true})
		}
		return out
	}
}

// specialsQwen are the special tokens of QWenTokenizer. It normalizes a text
// before it looks for them, so they are looked for in normalized text.
func specialsQwen(ranks int) (out []hfAdded) {
	names := []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}
	for i := range 205 {
		names = append(names, "<|extra_"+itoa(i)+"|>")
	}
	for i, name := range names {
		out = append(out, hfAdded{ID: int32(ranks + i), Content: name, Special: true, Normalized: true})
	}
	return out
}

// specialsLlama are the 256 special tokens of Llama-3.
func specialsLlama(ranks int) (out []hfAdded) {
	names := map[int]string{0: "<|begin_of_text|>", 1: "<|end_of_text|>", 6: "<|start_header_id|>", 7: "<|end_header_id|>", 9: "<|eot_id|>"}
	reserved := 0
	for i := range 256 {
		name := names[i]
		if name == "" {
			name = "<|reserved_special_token_" + itoa(reserved) + "|>"
			reserved++
		}
		out = append(out, hfAdded{ID: int32(ranks + i), Content: name, Special: true})
	}
	return out
}

// loadTiktoken reads a rank file and the small files beside it.
func loadTiktoken(path, dir string) (*Tokenizer, error) {
	data, err := readFile(path, maxRankFile)
	if err != nil {
		return nil, err
	}
	return loadRanks(path, dir, data)
}

// loadRanks reads a rank file of data and the small files beside it.
func loadRanks(path, dir string, data []byte) (*Tokenizer, error) {
	if len(data) > maxRankFile {
		return nil, &FormatError{File: path, Offset: -1, Err: fmt.Errorf("%d bytes, more than %d", len(data), maxRankFile)}
	}
	r, err := parseRanks(data)
	if err != nil {
		return nil, inFile(path, err)
	}
	cfg, err := readHFConfig(dir)
	if err != nil {
		return nil, err
	}
	t, err := r.build(path, cfg)
	return t, inFile(path, err)
}

// build makes the tokenizer of a rank file. The special tokens that the folder
// lists win over the family's.
func (r *rankTokens) build(path string, cfg *hfConfig) (*Tokenizer, error) {
	f, err := rankFamilyOf(path, cfg.Class, len(r.at))
	if err != nil {
		return nil, err
	}
	s, err := r.source()
	if err != nil {
		return nil, err
	}
	s.cfg.Pre = splitRegex(f.pattern)
	s.cfg.IgnoreMerges = s.cfg.IgnoreMerges || f == &rankLlama // as its tokenizer.json and GGUF files say
	if f.nfc {
		s.cfg.Norm = []step{{Op: "nfc"}}
	}
	ids := newNames(s)
	if len(cfg.AddedDecoder) == 0 {
		if err := addHFTokens(s, f.specials(len(r.at)), ids); err != nil {
			return nil, err
		}
	}
	if err := cfg.apply(s); err != nil {
		return nil, inFile(filepath.Join(filepath.Dir(path), "tokenizer_config.json"), err)
	}
	ids = newNames(s)
	for _, n := range []struct {
		id   *int32
		name string
	}{{&s.cfg.BOS, f.first}, {&s.cfg.EOS, f.eos}, {&s.cfg.EOT, f.eot}} {
		if *n.id < 0 && n.name != "" {
			*n.id = ids.id(n.name)
		}
	}
	s.cfg.around(f.bos && (cfg.AddBOS == nil || *cfg.AddBOS), cfg.AddEOS != nil && *cfg.AddEOS)
	return s.build()
}

// findRanks returns the only rank file of a folder, "" = there is none.
func findRanks(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*.tiktoken"))
	if err != nil || len(found) == 0 {
		return "", err
	}
	if len(found) > 1 {
		return "", &FormatError{File: dir, Offset: -1, Err: fmt.Errorf("%d files *.tiktoken, such as %s and %s; name one", len(found), filepath.Base(found[0]), filepath.Base(found[1]))}
	}
	return found[0], nil
}

// escapeGlob makes a path mean itself in a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
