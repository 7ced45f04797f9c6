package tokenizer

import "sync"

// Tokenizer is an immutable tokenizer; all methods but SetEOG may be called
// from several goroutines at once.
type Tokenizer struct {
	cfg      config
	vocab    *vocab
	raw      *rawTokens // what each token decodes to; nil: the vocabulary's keys
	model    model
	added    *matcher // added tokens matched in the text as it is
	addedN   *matcher // added tokens matched after normalization
	norm     normalizer
	pre      preTokenizer
	scores   []float32 // by id, SentencePiece only; nil = none
	template string
	eog      []int32   // ids that end a generation
	pool     sync.Pool // *scratch
}

// model turns a piece of text, which is not empty, into ids.
type model interface {
	appendPiece(dst []int32, sc *scratch, piece string) []int32
}

// EncodeOptions says what Encode does besides the text itself.
type EncodeOptions struct {
	AddSpecial     bool // add what the tokenizer puts around a text: BOS, EOS, [CLS] …
	NoParseSpecial bool // special tokens written in the text are plain text
}

// Len returns the number of ids; every id is in [0, Len).
func (t *Tokenizer) Len() int { return t.vocab.len() }

// Model returns GGUF's name of the tokenizer's model: gpt2 for byte-level BPE,
// llama for SentencePiece BPE, bert, t5.
func (t *Tokenizer) Model() string { return t.cfg.Model }

// ChatTemplate returns the Jinja chat template, "" = none.
func (t *Tokenizer) ChatTemplate() string { return t.template }

// BOS returns the id that begins a text, -1 = none.
func (t *Tokenizer) BOS() int32 { return t.cfg.BOS }

// EOS returns the id that ends a text, -1 = none.
func (t *Tokenizer) EOS() int32 { return t.cfg.EOS }

// Pad returns the id that fills up batches, -1 = none.
func (t *Tokenizer) Pad() int32 { return t.cfg.Pad }

// Unk returns the id of unknown text, -1 = none.
func (t *Tokenizer) Unk() int32 { return t.cfg.Unk }

// AddBOS reports whether AddSpecial puts BOS first.
func (t *Tokenizer) AddBOS() bool { return len(t.cfg.Prefix) > 0 && t.cfg.Prefix[0] == t.cfg.BOS }

// AddEOS reports whether AddSpecial puts EOS last.
func (t *Tokenizer) AddEOS() bool {
	n := len(t.cfg.Suffix)
	return n > 0 && t.cfg.Suffix[n-1] == t.cfg.EOS
}

// EOG reports whether id ends a generation: EOS, end of turn, end of message,
// and whatever SetEOG added.
func (t *Tokenizer) EOG(id int32) bool {
	for _, e := range t.eog {
		if e == id {
			return true
		}
	}
	return false
}

// EOGs returns the ids that end a generation, EOS first.
func (t *Tokenizer) EOGs() []int32 { return append([]int32(nil), t.eog...) }

// SetEOG adds ids that end a generation, as generation_config.json lists them.
// Ids outside [0, Len) are ignored. It must not run beside other calls.
func (t *Tokenizer) SetEOG(ids ...int32) {
	for _, id := range ids {
		if id >= 0 && int(id) < t.Len() && !t.EOG(id) {
			t.eog = append(t.eog, id)
		}
	}
}

// IsSpecial reports whether id is a special token: decoding can skip it.
func (t *Tokenizer) IsSpecial(id int32) bool {
	return id >= 0 && int(id) < t.Len() && t.vocab.flags[id]&flagSpecial != 0
}

// ID returns the id of a token by its spelling in the vocabulary (Ġthe, ▁the).
func (t *Tokenizer) ID(token string) (int32, bool) {
	id := t.vocab.findSpelled(token, nil)
	return id, id >= 0
}

// Spelling returns the token as the vocabulary writes it, "" outside [0, Len).
func (t *Tokenizer) Spelling(id int32) string {
	if id < 0 || int(id) >= t.Len() {
		return ""
	}
	return t.vocab.spelling(id)
}

// Token returns the raw bytes a token decodes to, which may be a part of a
// character; nil outside [0, Len) and for padding. The slice must not be
// changed.
func (t *Tokenizer) Token(id int32) []byte {
	if id < 0 || int(id) >= t.Len() || t.vocab.flags[id]&typeMask == typeUnused {
		return nil
	}
	if t.raw != nil {
		return t.raw.token(id)
	}
	return t.vocab.key(id)
}
