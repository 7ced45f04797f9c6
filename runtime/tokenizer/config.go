package tokenizer

// config is everything about a tokenizer but its vocabulary, merges, special
// ids and chat template. It is what tokenizer.json's other sections say, in our
// own words, and it is what the GGUF key qwq.tokenizer.config holds (as JSON)
// where the standard keys cannot say it.
type config struct {
	Model        string      `json:"model"`                   // gpt2, llama, bert, t5
	Norm         []step      `json:"normalizer,omitempty"`    // applied in order to the text between added tokens
	Pre          []step      `json:"pre_tokenizer,omitempty"` // applied in order to every piece
	Dec          decodeSpec  `json:"decoder"`
	IgnoreMerges bool        `json:"ignore_merges,omitempty"`      // a piece that is a token is that token
	ByteFallback bool        `json:"byte_fallback,omitempty"`      // an unknown character becomes byte tokens
	FuseUnk      bool        `json:"fuse_unk,omitempty"`           // neighbouring unknown characters are one token
	WordSuffix   string      `json:"end_of_word_suffix,omitempty"` // CLIP's </w>
	WordPrefix   string      `json:"word_prefix,omitempty"`        // WordPiece's ##
	MaxWordChars int         `json:"max_word_chars,omitempty"`     // WordPiece: longer words are unknown
	Prefix       []int32     `json:"prefix,omitempty"`             // ids AddSpecial puts first
	Suffix       []int32     `json:"suffix,omitempty"`             // ids AddSpecial puts last
	Added        []addedFlag `json:"added,omitempty"`              // added tokens whose flags are not the usual ones

	BOS  int32 `json:"-"` // special ids, -1 = none
	EOS  int32 `json:"-"`
	EOT  int32 `json:"-"` // end of turn
	EOM  int32 `json:"-"` // end of message
	Pad  int32 `json:"-"`
	Unk  int32 `json:"-"`
	Sep  int32 `json:"-"`
	Cls  int32 `json:"-"`
	Mask int32 `json:"-"`

	Charsmap []byte `json:"-"` // SentencePiece's precompiled normalizer
}

// step is one stage of a normalizer or pre-tokenizer.
//
//	nfc nfd nfkc nfkd lower          Unicode forms, lower case
//	prepend                          A goes before the text, unless that is empty
//	replace                          A (a string; Regex: a pattern) becomes B
//	strip                            white space goes, Left, Right
//	strip_accents                    marks, category M, go
//	bert                             BERT's cleaning: A holds c(lean) h(an) l(ower) a(ccents)
//	charsmap                         SentencePiece's precompiled map
//	prefix_space                     a space goes before a piece that begins with none
//	metaspace                        spaces become A; B is always, first or never; Split
//	split                            A is the pattern (Regex) or string; B the behaviour; Invert
//	bert_words, whitespace, digits   BERT's words; runs without white space; single digits
type step struct {
	Op     string `json:"op"`
	A      string `json:"a,omitempty"`
	B      string `json:"b,omitempty"`
	Regex  bool   `json:"regex,omitempty"`
	Invert bool   `json:"invert,omitempty"`
	Left   bool   `json:"left,omitempty"`
	Right  bool   `json:"right,omitempty"`
	Split  bool   `json:"split,omitempty"`
}

// decodeSpec says how tokens become text.
//
//	bytes      the tokens' bytes, one after the other
//	sp         as bytes, but runs of byte tokens that are no UTF-8 as a whole
//	           become one U+FFFD each; Strip: without the text's first space
//	metaspace  tokens in which A is a space, not at the start of the first token
//	wordpiece  words joined by a space, A before a continuation; Clean
//	clip       as bytes, then A is a space and white space at the ends goes
type decodeSpec struct {
	Kind  string `json:"kind"`
	A     string `json:"a,omitempty"`
	Strip bool   `json:"strip,omitempty"`
	Clean bool   `json:"clean,omitempty"`
}

// addedFlag gives the flags of an added token that are not the usual ones. Usual
// are: control tokens are special, user-defined ones are not, and neither eats
// white space, needs a word boundary, nor is looked for in normalized text.
type addedFlag struct {
	ID         int32 `json:"id"`
	None       bool  `json:"none,omitempty"` // no added token, whatever its type says
	Special    bool  `json:"special,omitempty"`
	SingleWord bool  `json:"single_word,omitempty"`
	LStrip     bool  `json:"lstrip,omitempty"`
	RStrip     bool  `json:"rstrip,omitempty"`
	Normalized bool  `json:"normalized,omitempty"`
}

// newConfig returns a configuration without special ids.
func newConfig(model string) config {
	return config{Model: model, BOS: -1, EOS: -1, EOT: -1, EOM: -1, Pad: -1, Unk: -1, Sep: -1, Cls: -1, Mask: -1}
}

// metaspace is SentencePiece's visible space, U+2581.
const metaspace = "\u2581"
