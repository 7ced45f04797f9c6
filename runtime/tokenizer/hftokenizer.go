package tokenizer

import "encoding/json"

// hfAdded is an entry of added_tokens, and of added_tokens_decoder.
type hfAdded struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

func (a hfAdded) flag(id int32) addedFlag {
	return addedFlag{ID: id, Special: a.Special, SingleWord: a.SingleWord, LStrip: a.LStrip, RStrip: a.RStrip, Normalized: a.Normalized}
}

// hfFile is tokenizer.json, read.
type hfFile struct {
	hfTokens
	added                            []hfAdded
	normalizer, pre, post, decoder   *hfNode
	kind, unk, wordSuffix            string
	wordPrefix                       string
	ignoreMerges, fallback, fuse     bool
	unkID                            int32
	maxWordChars                     int
	haveVocab, haveMerges, haveModel bool
	dropout                          bool
}

// parseHF reads tokenizer.json.
func parseHF(data []byte) (*hfFile, error) {
	f := &hfFile{unkID: -1, maxWordChars: 100}
	r := &jsonReader{data: data}
	r.object(func(name string) {
		switch name {
		case "added_tokens":
			r.unmarshal("added_tokens", &f.added)
		case "normalizer":
			f.normalizer = r.node(name)
		case "pre_tokenizer":
			f.pre = r.node(name)
		case "post_processor":
			f.post = r.node(name)
		case "decoder":
			f.decoder = r.node(name)
		case "model":
			f.haveModel = true
			r.object(func(name string) { f.modelField(r, name) })
		default:
			r.raw()
		}
	})
	if err := r.end(); err != nil {
		return nil, err
	}
	if !f.haveModel {
		return nil, fieldErr("model", "missing")
	}
	return f, nil
}

// modelField reads one member of the model.
func (f *hfFile) modelField(r *jsonReader, name string) {
	str := func(p *string) {
		var s *string
		if r.unmarshal("model."+name, &s); s != nil {
			*p = *s
		}
	}
	switch name {
	case "type":
		str(&f.kind)
	case "vocab":
		if f.haveVocab {
			r.fail("a second vocab")
			return
		}
		f.haveVocab = true
		if r.space() == '[' {
			r.readUnigram(&f.hfTokens)
		} else {
			r.readVocab(&f.hfTokens)
		}
	case "merges":
		if f.haveMerges {
			r.fail("a second list of merges")
			return
		}
		f.haveMerges = true
		r.readMerges(&f.hfTokens)
	case "unk_token":
		str(&f.unk)
	case "unk_id":
		var id *int32
		if r.unmarshal("model."+name, &id); id != nil {
			f.unkID = *id
		}
	case "continuing_subword_prefix":
		str(&f.wordPrefix)
	case "end_of_word_suffix":
		str(&f.wordSuffix)
	case "ignore_merges":
		r.unmarshal("model."+name, &f.ignoreMerges)
	case "byte_fallback":
		r.unmarshal("model."+name, &f.fallback)
	case "fuse_unk":
		r.unmarshal("model."+name, &f.fuse)
	case "max_input_chars_per_word":
		r.unmarshal("model."+name, &f.maxWordChars)
	case "dropout":
		var d *float64
		if r.unmarshal("model."+name, &d); d != nil && *d != 0 {
			f.dropout = true
		}
	default:
		r.raw()
	}
}

// unmarshal reads one small value.
func (r *jsonReader) unmarshal(field string, v any) {
	from := r.off
	b := r.raw()
	if r.err != nil {
		return
	}
	if err := json.Unmarshal(b, v); err != nil {
		r.err = &FormatError{Offset: int64(from), Field: field, Err: err}
	}
}

// node reads a pipeline section, nil for null.
func (r *jsonReader) node(field string) *hfNode {
	var n *hfNode
	r.unmarshal(field, &n)
	return n
}

// source turns the file into what a tokenizer is built from.
func (f *hfFile) source() (*source, error) {
	s := &source{fields: fieldNames{tokens: "model.vocab", merges: "model.merges", scores: "model.vocab", ids: "post_processor"}}
	s.cfg = newConfig("")
	c := &s.cfg
	byteLevel := false
	var err error
	if f.normalizer != nil {
		if c.Norm, err = f.normalizer.normSteps(&c.Charsmap); err != nil {
			return nil, err
		}
	}
	if f.pre != nil {
		if c.Pre, err = f.pre.preSteps(&byteLevel); err != nil {
			return nil, err
		}
	}
	if f.post != nil {
		if err = f.post.around(c); err != nil {
			return nil, err
		}
	}
	if f.decoder == nil {
		return nil, fieldErr("decoder", "a tokenizer without a decoder is not supported")
	}
	if c.Dec, err = f.decoder.decode(); err != nil {
		return nil, err
	}
	if err = f.setModel(s, byteLevel); err != nil {
		return nil, err
	}
	if err := f.place(s); err != nil {
		return nil, err
	}
	ids := newNames(s)
	if f.unk != "" {
		if c.Unk = ids.id(f.unk); c.Unk < 0 {
			c.Unk = f.addedID(f.unk)
		}
	}
	return s, addHFTokens(s, f.added, ids)
}

// addedID returns the id of an added token by its content, -1 = none.
func (f *hfFile) addedID(content string) int32 {
	for _, a := range f.added {
		if a.Content == content {
			return a.ID
		}
	}
	return -1
}

// setModel translates the model's type and switches.
func (f *hfFile) setModel(s *source, byteLevel bool) error {
	c := &s.cfg
	kind := f.kind
	if kind == "" && f.haveMerges { // files older than the field
		kind = "BPE"
	}
	if f.dropout {
		return fieldErr("model.dropout", "merges dropped by chance are not supported")
	}
	switch kind {
	case "BPE":
		c.Model = "llama"
		if byteLevel || c.Dec.Kind == "bytes" {
			c.Model = "gpt2"
		}
		if f.wordPrefix != "" {
			return fieldErr("model.continuing_subword_prefix", "%q is not supported", f.wordPrefix)
		}
		c.WordSuffix, c.IgnoreMerges, c.ByteFallback, c.FuseUnk = f.wordSuffix, f.ignoreMerges, f.fallback, f.fuse
		s.merges, s.merge = len(f.merges)/2, f.mergeFunc()
		if f.wordSuffix != "" && c.Model == "gpt2" { // transformers' CLIP tokenizer does this to what the file says
			c.Dec = decodeSpec{Kind: "clip", A: f.wordSuffix}
		}
	case "WordPiece":
		c.Model, c.WordPrefix, c.MaxWordChars = "bert", f.wordPrefix, f.maxWordChars
	case "Unigram":
		c.Model, c.ByteFallback = "t5", f.fallback
		s.scores = f.scores
		if f.unkID >= 0 {
			if int(f.unkID) >= len(f.ids) {
				return fieldErr("model.unk_id", "%d is outside the %d tokens", f.unkID, len(f.ids))
			}
			c.Unk = f.unkID
		}
	default:
		return fieldErr("model.type", "%q is not supported", kind)
	}
	return nil
}

// names finds ids by spelling while a source is being put together.
type names struct {
	s    *source
	by   map[string]int32
	room int // ids must be below
}

func newNames(s *source) *names { return &names{s: s, room: len(s.tokens) + maxHoles} }

// id returns the id of a token, -1 = none. The map is made on first use: most
// tokenizers ask for a handful of names.
func (n *names) id(name string) int32 {
	if n.by == nil {
		n.by = make(map[string]int32, len(n.s.tokens))
		for id, t := range n.s.tokens {
			if n.s.types[id] != 0 {
				n.by[t] = int32(id)
			}
		}
	}
	if id, ok := n.by[name]; ok {
		return id
	}
	return -1
}

// put enters a token at an id, making room for it.
func (n *names) put(id int32, name string, typ uint8) error {
	s := n.s
	if have := n.id(name); have >= 0 && have != id {
		return fieldErr("added_tokens", "%.40q has id %d, and id %d in the vocabulary", name, id, have)
	}
	n.room++
	if id < 0 || int(id) >= n.room {
		return fieldErr("added_tokens", "%.40q has id %d with only %d tokens", name, id, len(s.tokens))
	}
	for len(s.tokens) <= int(id) {
		s.tokens, s.types = append(s.tokens, ""), append(s.types, 0)
	}
	if s.types[id] != 0 && s.tokens[id] != name {
		return fieldErr("added_tokens", "id %d is %.40q, and %.40q in the vocabulary", id, name, s.tokens[id])
	}
	s.tokens[id], s.types[id] = name, typ
	n.by[name] = id
	return nil
}

// addHFTokens enters the added tokens of a file; a later file's flags win.
func addHFTokens(s *source, added []hfAdded, ids *names) error {
	at := make(map[int32]int, len(s.added))
	for i, f := range s.added {
		at[f.ID] = i
	}
	for _, a := range added {
		typ := uint8(typeUser)
		switch {
		case a.Special && a.ID == s.cfg.Unk && s.cfg.Model != "gpt2" && s.cfg.Model != "bert":
			typ = typeUnknown
		case a.Special:
			typ = typeControl
		}
		if err := ids.put(a.ID, a.Content, typ); err != nil {
			return err
		}
		if i, ok := at[a.ID]; ok {
			s.added[i] = a.flag(a.ID)
			continue
		}
		at[a.ID] = len(s.added)
		s.added = append(s.added, a.flag(a.ID))
	}
	return nil
}
