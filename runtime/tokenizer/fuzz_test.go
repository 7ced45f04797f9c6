package tokenizer

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/qwq-edge/qwq/gguf"
)

const tinyJSON = `{"version":"1.0","added_tokens":[{"id":4,"content":"<s>","single_word":true,"lstrip":true,"rstrip":true,"normalized":false,"special":true},
{"id":5,"content":"A","normalized":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"}]},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\s"},"behavior":"Isolated"},{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}]},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"ids":[4]}}},
"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","unk_token":null,"vocab":{"a":0,"b":1,"ab":2,"\u0120":3},"merges":["a b"]}}`

const tinySPMJSON = `{"added_tokens":[{"id":0,"content":"<unk>","special":true}],"normalizer":null,"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false},
"post_processor":null,"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
"model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,"vocab":{"<unk>":0,"<0x41>":1,"▁":2,"a":3,"▁a":4},"merges":[["▁","a"]]}}`

const tinyBERT = `{"added_tokens":[{"id":0,"content":"[UNK]","special":true}],"normalizer":{"type":"BertNormalizer","lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},
"post_processor":{"type":"BertProcessing","sep":["[UNK]",0],"cls":["[UNK]",0]},"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},
"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0,"a":1,"##a":2}}}`

const tinyUnigram = `{"normalizer":{"type":"Precompiled","precompiled_charsmap":"BAAAAAAEAABhAA=="},"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true},
"decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"},"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["▁",-1.5],["a",-2],["▁a",-1]],"byte_fallback":false}}`

// tinySPM is a tokenizer.model of four pieces.
func tinySPM() []byte {
	piece := func(text string, score float32, typ byte) []byte {
		b := append([]byte{0x0a, byte(len(text))}, text...)
		b = binary.LittleEndian.AppendUint32(append(b, 0x15), math.Float32bits(score))
		b = append(b, 0x18, typ)
		return append([]byte{0x0a, byte(len(b))}, b...)
	}
	var m []byte
	m = append(m, piece("<unk>", 0, typeUnknown)...)
	m = append(m, piece("<s>", 0, typeControl)...)
	m = append(m, piece(metaspace, -2, typeNormal)...)
	m = append(m, piece("a", -3, typeNormal)...)
	m = append(m, piece(metaspace+"a", -1, typeNormal)...)
	m = append(m, 0x12, 2, 0x18, 2)             // trainer: BPE
	return append(m, 0x1a, 4, 0x18, 1, 0x20, 0) // normalizer: dummy prefix, keep spaces
}

// use calls everything on a tokenizer that loaded.
func use(t *testing.T, tok *Tokenizer) {
	text := "Aa b\u00e9 <s>\n\xff  \U0001f642"
	for _, o := range []EncodeOptions{{}, {AddSpecial: true, NoParseSpecial: true}} {
		ids := tok.Encode(text, o)
		for _, id := range ids {
			if id < 0 || int(id) >= tok.Len() {
				t.Fatalf("id %d of %d", id, tok.Len())
			}
		}
		if s := tok.Decode(ids, false); !utf8.ValidString(s) {
			t.Fatalf("decoded %q", s)
		}
	}
	for id := range int32(min(tok.Len(), 300)) {
		tok.Token(id)
		tok.Spelling(id)
		tok.EOG(id)
	}
	if _, err := tok.KVs(tok.Len()); err != nil {
		t.Fatalf("KVs: %v", err)
	}
}

func buildHF(data []byte) (*Tokenizer, error) {
	f, err := parseHF(data)
	if err != nil {
		return nil, err
	}
	s, err := f.source()
	if err != nil {
		return nil, err
	}
	fillHoles(s)
	return s.build()
}

func buildSPM(data []byte) (*Tokenizer, error) {
	m, err := parseSPM(data)
	if err != nil {
		return nil, err
	}
	s, err := m.source(nil)
	if err != nil {
		return nil, err
	}
	return s.build()
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{tinyJSON, tinySPMJSON, tinyBERT, tinyUnigram} {
		if _, err := buildHF([]byte(s)); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if tok, err := buildHF(data); err == nil {
			use(t, tok)
		}
	})
}

func FuzzSPM(f *testing.F) {
	for _, m := range [][]byte{tinySPM(), append(tinySPM(), 0x12, 2, 0x18, 1)} { // BPE, Unigram
		if _, err := buildSPM(m); err != nil {
			f.Fatal(err)
		}
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if tok, err := buildSPM(data); err == nil {
			use(t, tok)
		}
	})
}

func FuzzGGUF(f *testing.F) {
	for _, s := range []string{tinyJSON, tinySPMJSON, tinyBERT, tinyUnigram} {
		tok, err := buildHF([]byte(s))
		if err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(writeGGUF(f, tok, 8))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := gguf.Parse(data)
		if err != nil {
			return
		}
		if tok, err := FromGGUF(file); err == nil {
			use(t, tok)
		}
	})
}

// FuzzMerges gives the three files of a vocab.json folder.
func FuzzMerges(f *testing.F) {
	f.Add([]byte(`{"a":0,"b":1,"ab":2}`), []byte("#version: 0.2\na b\n"), []byte(`{"tokenizer_class":"Qwen2Tokenizer","eos_token":{"content":"<e>"},
"added_tokens_decoder":{"3":{"content":"<e>","special":true}},"chat_template":[{"name":"default","template":"x"}],"add_bos_token":false}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, vocab, merges, cfg []byte) {
		for name, b := range map[string][]byte{"vocab.json": vocab, "merges.txt": merges, "tokenizer_config.json": cfg} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if tok, err := Load(dir); err == nil {
			use(t, tok)
		}
	})
}

// FuzzEncode checks on trained tokenizers that text comes back, and that
// through GGUF keys nothing changes.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "Hello, world's 123\n\n  x", "<|im_start|>user\n\u4f60\u597d<|im_end|>", "\xff\xc3\u00e9e\u0301 \u3000", "<s> a</s>  b", "<0x41>\u2581"} {
		f.Add(s, false)
	}
	type pair struct{ a, b *Tokenizer }
	var toks []pair
	for _, name := range goldenNames {
		tok := load(f, filepath.Join("testdata", name))
		toks = append(toks, pair{tok, viaGGUF(f, tok, tok.Len()+3)})
	}
	f.Fuzz(func(t *testing.T, text string, raw bool) {
		for i, p := range toks {
			if len(text) > 1<<16 {
				return
			}
			o := EncodeOptions{NoParseSpecial: raw}
			ids := p.a.Encode(text, o)
			if got := p.b.Encode(text, o); !slices.Equal(got, ids) {
				t.Fatalf("%s: %q through GGUF: %v, want %v", goldenNames[i], text, got, ids)
			}
			if want := validText(text); goldenNames[i] == "llama3_A" && p.a.Decode(ids, false) != want {
				t.Fatalf("%q came back as %q", want, p.a.Decode(ids, false))
			}
		}
	})
}
