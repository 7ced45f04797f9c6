package tokenizer

import "strings"

// rawTokens holds what each token decodes to, where that is not the
// vocabulary's key.
type rawTokens struct {
	arena []byte
	off   []uint32 // [n+1]
}

func (r *rawTokens) token(id int32) []byte {
	return r.arena[r.off[id]:r.off[id+1]:r.off[id+1]]
}

// makeRaw fills in the raw tokens of a vocabulary whose visible space is space
// and whose byte tokens have typeByte.
func makeRaw(v *vocab, space string) *rawTokens {
	r := &rawTokens{arena: make([]byte, 0, len(v.arena)), off: make([]uint32, 1, v.len()+1)}
	for id := range int32(v.len()) {
		s := string(v.key(id))
		if b, ok := byteToken(s); ok && v.flags[id]&typeMask == typeByte {
			r.arena = append(r.arena, b)
		} else if space != "" {
			r.arena = append(r.arena, strings.ReplaceAll(s, space, " ")...)
		} else {
			r.arena = append(r.arena, s...)
		}
		r.off = append(r.off, uint32(len(r.arena)))
	}
	return r
}

// makeWords fills in the raw tokens of WordPiece: a continuation without its
// prefix, any other token with a space before it.
func makeWords(v *vocab, d decodeSpec) *rawTokens {
	r := &rawTokens{arena: make([]byte, 0, len(v.arena)+v.len()), off: make([]uint32, 1, v.len()+1)}
	for id := range int32(v.len()) {
		s := string(v.key(id))
		if d.A != "" && strings.HasPrefix(s, d.A) {
			s = s[len(d.A):]
		} else {
			s = " " + s
		}
		if d.Clean {
			s = bertCleanup(s)
		}
		r.arena = append(r.arena, s...)
		r.off = append(r.off, uint32(len(r.arena)))
	}
	return r
}

// Decode returns the text of ids. Ids outside [0, Len) and padding are nothing;
// skipSpecial leaves special tokens out. Bytes that are no UTF-8 become U+FFFD.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	s := t.Stream(skipSpecial)
	out := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		out = s.append(out, id)
	}
	return string(s.flush(out))
}
