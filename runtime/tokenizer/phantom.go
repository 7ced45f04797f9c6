package tokenizer

import "strings"

// WordPiece tokens in GGUF files: a word's first token has a visible space
// before it, a continuation has nothing, and special tokens and whatever is in
// brackets stay as they are. In memory they are spelled as Hugging Face does.

// phantom returns a token as GGUF spells it.
func phantom(s string, typ uint8) string {
	switch {
	case typ != typeNormal || bracketed(s):
		return s
	case strings.HasPrefix(s, "##"):
		return s[2:]
	}
	return metaspace + s
}

func bracketed(s string) bool { return strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") }

// plainWords turns the tokens of a GGUF file into Hugging Face's spelling.
func (s *source) plainWords() {
	for id, tok := range s.tokens {
		if s.types[id] != typeNormal || bracketed(tok) {
			continue
		}
		if rest, ok := strings.CutPrefix(tok, metaspace); ok {
			s.tokens[id] = rest
		} else {
			s.tokens[id] = "##" + tok
		}
	}
}
