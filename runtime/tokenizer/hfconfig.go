package tokenizer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// hfConfig is what the small files beside a tokenizer say.
type hfConfig struct {
	BOS, EOS, Unk, Pad, Sep, Cls, Mask hfName
	Class                              string             `json:"tokenizer_class"`
	AddBOS                             *bool              `json:"add_bos_token"`
	AddEOS                             *bool              `json:"add_eos_token"`
	AddPrefixSpace                     *bool              `json:"add_prefix_space"`
	Legacy                             *bool              `json:"legacy"`
	Lowercase                          *bool              `json:"do_lower_case"`
	StripAccents                       *bool              `json:"strip_accents"`
	Chinese                            *bool              `json:"tokenize_chinese_chars"`
	AddedDecoder                       map[string]hfAdded `json:"added_tokens_decoder"`
	Template                           json.RawMessage    `json:"chat_template"`

	added    []hfAdded // AddedDecoder by id, or added_tokens.json
	template string
	eog      []int32 // generation_config.json
	bosID    int32   // generation_config.json, -1 = none
	padID    int32
}

// hfName is a special token's name: a string, or an object with its content.
type hfName string

func (n *hfName) UnmarshalJSON(b []byte) error {
	var o struct {
		Content string `json:"content"`
	}
	if len(b) > 0 && b[0] == '{' {
		err := json.Unmarshal(b, &o)
		*n = hfName(o.Content)
		return err
	}
	var s *string
	err := json.Unmarshal(b, &s)
	if s != nil {
		*n = hfName(*s)
	}
	return err
}

// hfNames are the special tokens as both config files write them.
type hfNames struct {
	BOS  hfName `json:"bos_token"`
	EOS  hfName `json:"eos_token"`
	Unk  hfName `json:"unk_token"`
	Pad  hfName `json:"pad_token"`
	Sep  hfName `json:"sep_token"`
	Cls  hfName `json:"cls_token"`
	Mask hfName `json:"mask_token"`
}

// maxSmallFile bounds the files beside a tokenizer.
const maxSmallFile = 64 << 20

// readJSON reads a small file into v; found is false where there is none.
func readJSON(dir, name string, v any) (found bool, err error) {
	b, err := readFile(filepath.Join(dir, name), maxSmallFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		if err = json.Unmarshal(b, v); err == nil && bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
			err = errors.New("null where an object belongs")
		}
	}
	return true, inFile(filepath.Join(dir, name), err)
}

// readFile reads a whole file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() || info.Size() > limit {
		return nil, &FormatError{File: path, Offset: -1, Err: errors.New("is no file of at most " + strconv.FormatInt(limit, 10) + " bytes")}
	}
	return os.ReadFile(path)
}

// readHFConfig reads the small files of a folder; each may be missing.
func readHFConfig(dir string) (*hfConfig, error) {
	c := &hfConfig{bosID: -1, padID: -1}
	var here, there hfNames
	if _, err := readJSON(dir, "tokenizer_config.json", c); err != nil {
		return nil, err
	}
	if _, err := readJSON(dir, "tokenizer_config.json", &here); err != nil {
		return nil, err
	}
	if _, err := readJSON(dir, "special_tokens_map.json", &there); err != nil {
		return nil, err
	}
	c.BOS, c.EOS = cmp.Or(here.BOS, there.BOS), cmp.Or(here.EOS, there.EOS)
	c.Unk, c.Pad = cmp.Or(here.Unk, there.Unk), cmp.Or(here.Pad, there.Pad)
	c.Sep, c.Cls, c.Mask = cmp.Or(here.Sep, there.Sep), cmp.Or(here.Cls, there.Cls), cmp.Or(here.Mask, there.Mask)
	if err := c.readAdded(dir); err != nil {
		return nil, err
	}
	if err := c.readTemplate(dir); err != nil {
		return nil, err
	}
	return c, c.readGeneration(dir)
}

// readAdded sorts the added tokens by id, so that the result does not depend on
// the order of a map.
func (c *hfConfig) readAdded(dir string) error {
	for key, a := range c.AddedDecoder {
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil || id < 0 {
			return inFile(filepath.Join(dir, "tokenizer_config.json"), fieldErr("added_tokens_decoder", "%.20q is no token id", key))
		}
		a.ID = int32(id)
		c.added = append(c.added, a)
	}
	if len(c.added) == 0 {
		var m map[string]int32
		if _, err := readJSON(dir, "added_tokens.json", &m); err != nil {
			return err
		}
		for content, id := range m {
			c.added = append(c.added, hfAdded{ID: id, Content: content, Normalized: true})
		}
	}
	slices.SortFunc(c.added, func(a, b hfAdded) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Content, b.Content)) })
	return nil
}

// readTemplate finds the chat template: a file of its own, a string, or the
// entry "default" of a list.
func (c *hfConfig) readTemplate(dir string) error {
	b, err := readFile(filepath.Join(dir, "chat_template.jinja"), maxSmallFile)
	if err == nil {
		c.template = string(b)
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(c.Template) == 0 {
		return nil
	}
	if c.Template[0] == '[' {
		var list []struct{ Name, Template string }
		if err := json.Unmarshal(c.Template, &list); err != nil {
			return inFile(filepath.Join(dir, "tokenizer_config.json"), fieldErr("chat_template", "%w", err))
		}
		for _, t := range list {
			if t.Name == "default" {
				c.template = t.Template
			}
		}
		return nil
	}
	var s *string
	if err := json.Unmarshal(c.Template, &s); err != nil {
		return inFile(filepath.Join(dir, "tokenizer_config.json"), fieldErr("chat_template", "%w", err))
	}
	if s != nil {
		c.template = *s
	}
	return nil
}

// readGeneration reads the ids that end a text.
func (c *hfConfig) readGeneration(dir string) error {
	var g struct {
		EOS json.RawMessage `json:"eos_token_id"`
		BOS *int32          `json:"bos_token_id"`
		Pad *int32          `json:"pad_token_id"`
	}
	name := "generation_config.json"
	found, err := readJSON(dir, name, &g)
	if err == nil && !found {
		name = "config.json"
		_, err = readJSON(dir, name, &g)
	}
	if err != nil {
		return err
	}
	if len(g.EOS) > 0 && string(g.EOS) != "null" {
		if g.EOS[0] != '[' {
			g.EOS = slices.Concat([]byte("["), g.EOS, []byte("]"))
		}
		if err := json.Unmarshal(g.EOS, &c.eog); err != nil {
			return inFile(filepath.Join(dir, name), fieldErr("eos_token_id", "%w", err))
		}
	}
	if g.BOS != nil {
		c.bosID = *g.BOS
	}
	if g.Pad != nil {
		c.padID = *g.Pad
	}
	return nil
}

// apply puts what the small files say into a source.
func (c *hfConfig) apply(s *source) error {
	ids := newNames(s)
	if err := addHFTokens(s, c.added, ids); err != nil {
		return err
	}
	for _, n := range []struct {
		name hfName
		id   *int32
	}{{c.BOS, &s.cfg.BOS}, {c.EOS, &s.cfg.EOS}, {c.Unk, &s.cfg.Unk}, {c.Pad, &s.cfg.Pad},
		{c.Sep, &s.cfg.Sep}, {c.Cls, &s.cfg.Cls}, {c.Mask, &s.cfg.Mask}} {
		if n.name == "" {
			continue
		}
		id := ids.id(string(n.name))
		if id < 0 { // transformers would add it; the model has no row for it
			continue
		}
		if *n.id < 0 || n.id != &s.cfg.Unk { // the model's unknown token comes from its own file
			*n.id = id
		}
		if !slices.ContainsFunc(s.added, func(f addedFlag) bool { return f.ID == id }) {
			if err := addHFTokens(s, []hfAdded{{ID: id, Content: string(n.name), Special: true}}, ids); err != nil {
				return err
			}
		}
	}
	n := int32(len(s.tokens))
	if s.cfg.EOS < 0 && len(c.eog) > 0 && c.eog[0] >= 0 && c.eog[0] < n {
		s.cfg.EOS = c.eog[0]
	}
	if s.cfg.BOS < 0 && c.bosID >= 0 && c.bosID < n && c.AddBOS != nil && *c.AddBOS {
		s.cfg.BOS = c.bosID
	}
	s.eog = append(s.eog, c.eog...)
	s.template = c.template
	c.endings(s)
	fillHoles(s)
	return nil
}

// endings finds the ids of end of turn and end of message by their names.
func (c *hfConfig) endings(s *source) {
	for _, id := range c.eog {
		if id < 0 || int(id) >= len(s.tokens) || id == s.cfg.EOS {
			continue
		}
		if s.tokens[id] == "<|eom_id|>" {
			s.cfg.EOM = id
		} else if s.cfg.EOT < 0 {
			s.cfg.EOT = id
		}
	}
}
