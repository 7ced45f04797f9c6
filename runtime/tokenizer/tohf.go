package tokenizer

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// HF returns the files tokenizer.json and tokenizer_config.json of a Hugging Face
// folder. Only byte-level BPE can be written; what tokenizer.json cannot say is an
// error. Load reads them back to the same ids for every text.
func (t *Tokenizer) HF() (map[string][]byte, error) {
	b, ok := t.model.(*bpe)
	if !ok || t.cfg.Model != "gpt2" || b.merges == nil || t.cfg.WordSuffix != "" {
		return nil, fieldErr(keyModel, "%q cannot be written as tokenizer.json, only byte-level BPE", t.cfg.Model)
	}
	norm, err := hfNorm(t.cfg.Norm)
	if err != nil {
		return nil, err
	}
	pre, err := hfPre(t.cfg.Pre)
	if err != nil {
		return nil, err
	}
	vocab, added := t.hfVocab()
	file, err := plainJSON(object{
		"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": added, "normalizer": norm, "pre_tokenizer": pre,
		"post_processor": t.hfAround(),
		"decoder":        object{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
		"model": object{
			"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": t.cfg.FuseUnk,
			"byte_fallback": t.cfg.ByteFallback, "ignore_merges": t.cfg.IgnoreMerges, "vocab": vocab, "merges": t.hfMerges(b),
		},
	})
	if err != nil {
		return nil, err
	}
	if err := t.sameHF(file); err != nil {
		return nil, err
	}
	settings := object{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false}
	for _, k := range []struct {
		name string
		id   int32
	}{{"bos", t.cfg.BOS}, {"eos", t.cfg.EOS}, {"unk", t.cfg.Unk}, {"pad", t.cfg.Pad}, {"sep", t.cfg.Sep}, {"cls", t.cfg.Cls}, {"mask", t.cfg.Mask}} {
		if k.id >= 0 {
			settings[k.name+"_token"] = t.Spelling(k.id)
		}
	}
	if t.template != "" {
		settings["chat_template"] = t.template
	}
	small, err := plainJSON(settings)
	return map[string][]byte{"tokenizer.json": file, "tokenizer_config.json": small}, err
}

type object = map[string]any

// plainJSON is v as JSON, characters written as they are, keys sorted.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// hfVocab is the vocabulary without added tokens and padding, and the added tokens.
func (t *Tokenizer) hfVocab() (map[string]int32, []hfAdded) {
	own := map[int32]addedFlag{}
	for _, f := range t.cfg.Added {
		own[f.ID] = f
	}
	vocab, added := map[string]int32{}, []hfAdded{}
	for id := range int32(t.Len()) {
		typ := t.vocab.flags[id] & typeMask
		f, ok := own[id]
		if !ok {
			f, ok = usualAdded(id, typ)
		}
		switch {
		case typ == typeUnused:
		case ok && !f.None:
			added = append(added, hfAdded{
				ID: id, Content: t.Spelling(id), Special: f.Special, SingleWord: f.SingleWord, LStrip: f.LStrip, RStrip: f.RStrip, Normalized: f.Normalized,
			})
		default:
			vocab[t.Spelling(id)] = id
		}
	}
	return vocab, added
}

func (t *Tokenizer) hfMerges(b *bpe) any {
	pairs := b.merges.ordered()
	if text, ok := t.mergeTexts(pairs); ok {
		return text
	}
	out := make([][2]string, len(pairs)/2)
	for i := range out {
		out[i] = [2]string{t.Spelling(pairs[2*i]), t.Spelling(pairs[2*i+1])}
	}
	return out
}

func hfNorm(steps []step) (any, error) {
	names := map[string]string{"nfc": "NFC", "nfd": "NFD", "nfkc": "NFKC", "nfkd": "NFKD", "lower": "Lowercase"}
	list := []object{}
	for _, s := range steps {
		if names[s.Op] == "" {
			return nil, fieldErr("normalizer", "step %q cannot be written", s.Op)
		}
		list = append(list, object{"type": names[s.Op]})
	}
	switch len(list) {
	case 0:
		return nil, nil
	case 1:
		return list[0], nil
	}
	return object{"type": "Sequence", "normalizers": list}, nil
}

// hfPre is the pipeline with ByteLevel last, which takes a prefix space and
// GPT-2's pattern into itself where they come last.
func hfPre(steps []step) (any, error) {
	last := object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
	gpt2 := splitRegex(patternGPT2)
	n := len(steps)
	switch {
	case n > 1 && steps[n-1] == gpt2[0] && steps[n-2].Op == "prefix_space":
		last["add_prefix_space"], last["use_regex"] = true, true
		steps = steps[:n-2]
	case n > 0 && steps[n-1].Op == "prefix_space":
		last["add_prefix_space"] = true
		steps = steps[:n-1]
	}
	behaviors := map[string]string{
		"isolated": "Isolated", "removed": "Removed", "mergedwithprevious": "MergedWithPrevious", "mergedwithnext": "MergedWithNext", "contiguous": "Contiguous",
	}
	list := []object{}
	for _, s := range steps {
		switch {
		case s.Op == "digits":
			list = append(list, object{"type": "Digits", "individual_digits": true})
		case s.Op == "split" && behaviors[s.B] != "":
			kind := "String"
			if s.Regex {
				kind = "Regex"
			}
			list = append(list, object{"type": "Split", "pattern": object{kind: s.A}, "behavior": behaviors[s.B], "invert": s.Invert})
		default:
			return nil, fieldErr("pre_tokenizer", "step %q cannot be written", s.Op)
		}
	}
	return object{"type": "Sequence", "pretokenizers": append(list, last)}, nil
}

// hfAround is what AddSpecial puts around a text.
func (t *Tokenizer) hfAround() any {
	special := object{}
	list := func(ids []int32, kind int) (out []object) {
		for _, id := range ids {
			s := t.Spelling(id)
			special[s] = object{"id": s, "ids": []int32{id}, "tokens": []string{s}}
			out = append(out, object{"SpecialToken": object{"id": s, "type_id": kind}})
		}
		return out
	}
	around := func(name string, kind int) []object {
		return slices.Concat(list(t.cfg.Prefix, kind), []object{{"Sequence": object{"id": name, "type_id": kind}}}, list(t.cfg.Suffix, kind))
	}
	if len(t.cfg.Prefix)+len(t.cfg.Suffix) == 0 {
		return object{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true}
	}
	return object{"type": "TemplateProcessing", "single": around("A", 0), "pair": slices.Concat(around("A", 0), around("B", 1)), "special_tokens": special}
}

// sameHF reads the file back and compares the configurations.
func (t *Tokenizer) sameHF(file []byte) error {
	f, err := parseHF(file)
	if err != nil {
		return err
	}
	s, err := f.source()
	if err != nil {
		return err
	}
	want, got := t.cfg, s.cfg
	want.Added, got.Added = nil, nil
	if a, b := want.json(), got.json(); a != b {
		return fieldErr("tokenizer.json", "says %.200s, the tokenizer is %.200s", b, strings.TrimSpace(a))
	}
	return nil
}
