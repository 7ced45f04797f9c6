package tokenizer

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// hfNode is a normalizer, pre-tokenizer, post-processor or decoder of
// tokenizer.json: the union of the fields that any of them has.
type hfNode struct {
	Type          string   `json:"type"`
	Normalizers   []hfNode `json:"normalizers"`
	Pretokenizers []hfNode `json:"pretokenizers"`
	Processors    []hfNode `json:"processors"`
	Decoders      []hfNode `json:"decoders"`

	Pattern struct {
		String *string `json:"String"`
		Regex  *string `json:"Regex"`
	} `json:"pattern"`
	Content        string  `json:"content"`
	Behavior       string  `json:"behavior"`
	Invert         bool    `json:"invert"`
	Prepend        string  `json:"prepend"`
	StripLeft      bool    `json:"strip_left"`
	StripRight     bool    `json:"strip_right"`
	CleanText      *bool   `json:"clean_text"`
	Chinese        *bool   `json:"handle_chinese_chars"`
	StripAccents   *bool   `json:"strip_accents"`
	Lowercase      *bool   `json:"lowercase"`
	Charsmap       string  `json:"precompiled_charsmap"`
	AddPrefixSpace *bool   `json:"add_prefix_space"`
	UseRegex       *bool   `json:"use_regex"`
	Replacement    string  `json:"replacement"`
	PrependScheme  *string `json:"prepend_scheme"`
	Split          *bool   `json:"split"`
	Individual     bool    `json:"individual_digits"`
	Prefix         string  `json:"prefix"`
	Cleanup        *bool   `json:"cleanup"`
	Start          int     `json:"start"`
	Stop           int     `json:"stop"`

	Single []struct {
		SpecialToken *struct {
			ID string `json:"id"`
		} `json:"SpecialToken"`
		Sequence *struct {
			ID string `json:"id"`
		} `json:"Sequence"`
	} `json:"single"`
	SpecialTokens map[string]struct {
		IDs []int32 `json:"ids"`
	} `json:"special_tokens"`
	Sep hfNamedID `json:"sep"`
	Cls hfNamedID `json:"cls"`
}

// hfNamedID is ["[SEP]", 102].
type hfNamedID struct {
	id  int32
	set bool
}

func (n *hfNamedID) UnmarshalJSON(b []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if len(parts) != 2 {
		return fmt.Errorf("want a token and its id, got %d parts", len(parts))
	}
	n.set = true
	return json.Unmarshal(parts[1], &n.id)
}

func orTrue(b *bool) bool { return b == nil || *b }

// normSteps translates a normalizer. charsmap receives a precompiled map.
func (n *hfNode) normSteps(charsmap *[]byte) ([]step, error) {
	switch n.Type {
	case "Sequence":
		var out []step
		for i := range n.Normalizers {
			s, err := n.Normalizers[i].normSteps(charsmap)
			if err != nil {
				return nil, err
			}
			out = append(out, s...)
		}
		return out, nil
	case "NFC", "NFD", "NFKC", "NFKD":
		return []step{{Op: strings.ToLower(n.Type)}}, nil
	case "Lowercase":
		return []step{{Op: "lower"}}, nil
	case "Prepend":
		return []step{{Op: "prepend", A: n.Prepend}}, nil
	case "Replace":
		s := step{Op: "replace", B: n.Content}
		err := n.setPattern(&s, "normalizer")
		return []step{s}, err
	case "Strip":
		return []step{{Op: "strip", Left: n.StripLeft, Right: n.StripRight}}, nil
	case "StripAccents":
		return []step{{Op: "strip_accents"}}, nil
	case "BertNormalizer":
		return []step{n.bertStep()}, nil
	case "Precompiled":
		m, err := base64.StdEncoding.DecodeString(n.Charsmap)
		if err != nil {
			return nil, fieldErr("normalizer", "precompiled_charsmap: %w", err)
		}
		*charsmap = m
		return []step{{Op: "charsmap"}}, nil
	}
	return nil, fieldErr("normalizer", "type %q is not supported", n.Type)
}

// bertStep writes BERT's switches as letters; accents follow the case unless
// the file says otherwise.
func (n *hfNode) bertStep() step {
	s := step{Op: "bert"}
	if orTrue(n.CleanText) {
		s.A += "c"
	}
	if orTrue(n.Chinese) {
		s.A += "h"
	}
	if orTrue(n.Lowercase) {
		s.A += "l"
	}
	if n.StripAccents == nil && orTrue(n.Lowercase) || n.StripAccents != nil && *n.StripAccents {
		s.A += "a"
	}
	return s
}

// setPattern fills in a step's pattern.
func (n *hfNode) setPattern(s *step, field string) error {
	switch {
	case n.Pattern.Regex != nil:
		s.A, s.Regex = *n.Pattern.Regex, true
	case n.Pattern.String != nil:
		s.A = *n.Pattern.String
	default:
		return fieldErr(field, "%s without a pattern", n.Type)
	}
	return nil
}

// preSteps translates a pre-tokenizer. byteLevel is set where it spells bytes.
func (n *hfNode) preSteps(byteLevel *bool) ([]step, error) {
	switch n.Type {
	case "Sequence":
		var out []step
		for i := range n.Pretokenizers {
			s, err := n.Pretokenizers[i].preSteps(byteLevel)
			if err != nil {
				return nil, err
			}
			out = append(out, s...)
		}
		return out, nil
	case "ByteLevel":
		*byteLevel = true
		var out []step
		if orTrue(n.AddPrefixSpace) {
			out = append(out, step{Op: "prefix_space"})
		}
		if orTrue(n.UseRegex) {
			out = append(out, step{Op: "split", A: patternGPT2, Regex: true, B: "isolated"})
		}
		return out, nil
	case "Split":
		s := step{Op: "split", B: strings.ToLower(n.Behavior), Invert: n.Invert}
		err := n.setPattern(&s, "pre_tokenizer")
		return []step{s}, err
	case "Metaspace":
		s := step{Op: "metaspace", A: n.Replacement, B: "always", Split: orTrue(n.Split)}
		if n.PrependScheme != nil {
			s.B = *n.PrependScheme
		} else if !orTrue(n.AddPrefixSpace) {
			s.B = "never"
		}
		return []step{s}, nil
	case "Digits":
		if n.Individual {
			return []step{{Op: "digits"}}, nil
		}
		return []step{{Op: "split", A: `\p{N}+`, Regex: true, B: "isolated"}}, nil
	case "WhitespaceSplit":
		return []step{{Op: "whitespace"}}, nil
	case "BertPreTokenizer":
		return []step{{Op: "bert_words"}}, nil
	}
	return nil, fieldErr("pre_tokenizer", "type %q is not supported", n.Type)
}

// around translates a post-processor into the ids before and after a text.
func (n *hfNode) around(c *config) error {
	switch n.Type {
	case "Sequence":
		for i := range n.Processors {
			if err := n.Processors[i].around(c); err != nil {
				return err
			}
		}
		return nil
	case "ByteLevel":
		return nil
	case "BertProcessing", "RobertaProcessing":
		if !n.Cls.set || !n.Sep.set {
			return fieldErr("post_processor", "%s without cls and sep", n.Type)
		}
		c.Prefix, c.Suffix = append(c.Prefix, n.Cls.id), append(c.Suffix, n.Sep.id)
		return nil
	case "TemplateProcessing":
		seen := false
		for _, e := range n.Single {
			if e.Sequence != nil {
				seen = true
				continue
			}
			if e.SpecialToken == nil {
				return fieldErr("post_processor", "a template entry is neither a token nor a sequence")
			}
			special, ok := n.SpecialTokens[e.SpecialToken.ID]
			if !ok {
				return fieldErr("post_processor", "the template's %.80q is not in special_tokens", e.SpecialToken.ID)
			}
			if seen {
				c.Suffix = append(c.Suffix, special.IDs...)
			} else {
				c.Prefix = append(c.Prefix, special.IDs...)
			}
		}
		return nil
	}
	return fieldErr("post_processor", "type %q is not supported", n.Type)
}

// decode translates a decoder.
func (n *hfNode) decode() (decodeSpec, error) {
	switch n.Type {
	case "ByteLevel":
		return decodeSpec{Kind: "bytes"}, nil
	case "Metaspace":
		if n.PrependScheme != nil && *n.PrependScheme == "never" || n.PrependScheme == nil && !orTrue(n.AddPrefixSpace) {
			return decodeSpec{Kind: "sp", A: n.Replacement}, nil
		}
		return decodeSpec{Kind: "metaspace", A: n.Replacement}, nil
	case "WordPiece":
		return decodeSpec{Kind: "wordpiece", A: n.Prefix, Clean: orTrue(n.Cleanup)}, nil
	case "Sequence":
		d := decodeSpec{Kind: "sp"}
		for _, m := range n.Decoders {
			switch {
			case m.Type == "Replace" && m.Pattern.String != nil && m.Content == " " && d.A == "":
				d.A = *m.Pattern.String
			case m.Type == "ByteFallback", m.Type == "Fuse":
			case m.Type == "Strip" && m.Content == " " && m.Start <= 1 && m.Stop == 0:
				d.Strip = m.Start == 1
			case m.Type == "ByteLevel" && len(n.Decoders) == 1:
				d.Kind = "bytes"
			default:
				return d, fieldErr("decoder", "%s in a sequence is not supported", m.Type)
			}
		}
		return d, nil
	}
	return decodeSpec{}, fieldErr("decoder", "type %q is not supported", n.Type)
}
