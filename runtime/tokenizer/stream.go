package tokenizer

import (
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Stream turns ids into text one at a time and never emits half a character:
// what Next and Flush return, joined, is what Decode returns for all ids.
type Stream struct {
	t       *Tokenizer
	skip    bool
	started bool     // a token has been decoded
	wrote   bool     // text has been produced
	pending []byte   // bytes that may still become a character
	run     []byte   // sp: bytes of neighbouring byte tokens, which are judged as a whole
	ends    *endings // clip
	buf     []byte
	block   []byte // the strings handed out last lie in it, and are never written again
}

// blockBytes is what a stream takes for the strings that it returns, so that
// hundreds of tokens cost one allocation.
const blockBytes = 4 << 10

// Stream returns a new stream. skipSpecial leaves special tokens out.
func (t *Tokenizer) Stream(skipSpecial bool) *Stream { return &Stream{t: t, skip: skipSpecial} }

// StreamAfter returns a stream for the text that follows prev, which has been
// shown already: a space that only the start of a text loses is kept.
func (t *Tokenizer) StreamAfter(prev []int32, skipSpecial bool) *Stream {
	s := t.Stream(skipSpecial)
	for _, id := range prev {
		s.buf = s.append(s.buf[:0], id)
	}
	return s
}

// Next returns the text that id completes, which may be empty. Strings share
// blocks of 4 KiB: keep a copy (strings.Clone) where a few are to outlive the rest.
func (s *Stream) Next(id int32) string {
	s.buf = s.append(s.buf[:0], id)
	return s.keep(s.buf)
}

// keep returns b as a string.
func (s *Stream) keep(b []byte) string {
	switch {
	case len(b) == 0:
		return ""
	case len(b) > blockBytes/8:
		return string(b)
	case len(b) > cap(s.block)-len(s.block):
		s.block = make([]byte, 0, blockBytes)
	}
	n := len(s.block)
	s.block = append(s.block, b...)
	return unsafe.String(&s.block[n], len(b)) // block only grows behind it
}

// Flush returns what is left at the end: U+FFFD for an unfinished character.
func (s *Stream) Flush() string {
	s.buf = s.flush(s.buf[:0])
	return s.keep(s.buf)
}

// append appends the text that id completes.
func (s *Stream) append(dst []byte, id int32) []byte {
	t := s.t
	if id < 0 || int(id) >= t.Len() {
		return dst
	}
	flags := t.vocab.flags[id]
	if flags&typeMask == typeUnused || s.skip && flags&flagSpecial != 0 {
		return dst
	}
	first := !s.started
	s.started = true
	switch t.cfg.Dec.Kind {
	case "sp":
		if flags&typeMask == typeByte {
			s.run = append(s.run, t.Token(id)...)
			return dst
		}
		return s.text(s.endRun(dst), t.Token(id))
	case "metaspace":
		if first { // no space at the start of a text
			return s.text(dst, []byte(strings.ReplaceAll(string(t.vocab.key(id)), t.cfg.Dec.A, "")))
		}
	case "wordpiece":
		if first {
			return s.text(dst, t.firstWord(id))
		}
	case "clip":
		if s.ends == nil {
			s.ends = &endings{mark: t.cfg.Dec.A}
		}
		return s.ends.append(dst, s.text(nil, t.Token(id)))
	}
	return s.text(dst, t.Token(id))
}

var replacementBytes = []byte(replacement)

// endRun ends a run of byte tokens: text if all of it is UTF-8, else one U+FFFD
// a byte.
func (s *Stream) endRun(dst []byte) []byte {
	if len(s.run) == 0 {
		return dst
	}
	if utf8.Valid(s.run) {
		dst = s.text(dst, s.run)
	} else {
		for range s.run {
			dst = s.text(dst, replacementBytes)
		}
	}
	s.run = s.run[:0]
	return dst
}

// text appends b, as far as its characters are complete.
func (s *Stream) text(dst, b []byte) []byte {
	if !s.wrote && len(b) > 0 {
		s.wrote = true
		if s.t.cfg.Dec.Strip && b[0] == ' ' {
			b = b[1:]
		}
	}
	if len(s.pending) > 0 {
		s.pending = append(s.pending, b...)
		b = s.pending
	}
	dst, rest := appendLossy(dst, b, false)
	n := copy(s.pending[:cap(s.pending)], b[len(b)-rest:]) // the parts may overlap
	if n < rest {
		s.pending = append(make([]byte, 0, 8), b[len(b)-rest:]...)
	} else {
		s.pending = s.pending[:n]
	}
	return dst
}

// flush appends what is left.
func (s *Stream) flush(dst []byte) []byte {
	dst = s.endRun(dst)
	if s.ends != nil {
		last, _ := appendLossy(nil, s.pending, true)
		s.pending = s.pending[:0]
		return s.ends.flush(s.ends.append(dst, last))
	}
	dst, _ = appendLossy(dst, s.pending, true)
	s.pending = s.pending[:0]
	return dst
}

// firstWord returns a WordPiece token as it begins a text.
func (t *Tokenizer) firstWord(id int32) []byte {
	if t.cfg.Dec.Clean {
		return []byte(bertCleanup(string(t.vocab.key(id))))
	}
	return t.vocab.key(id)
}
