package tokenizer

import (
	"math"
	"strings"
	"unsafe"
)

// Token types as GGUF numbers them (tokenizer.ggml.token_type).
const (
	typeNormal  = 1
	typeUnknown = 2
	typeControl = 3
	typeUser    = 4
	typeUnused  = 5
	typeByte    = 6

	typeMask    = 0x07
	flagLiteral = 0x08 // byte-level: the key is the spelling, not the bytes it spells
	flagAdded   = 0x10 // matched in the text before the model sees it
	flagSpecial = 0x20 // skipped on request when decoding; matched only when special tokens are parsed
)

// tagBits is how much of the hash an entry of the table has room for: of 2000
// tokens that are not the one looked for, one is compared.
const tagBits = 32 - idBits

// literalSalt keeps literal keys apart from unspelled ones in the table.
const literalSalt = 0x9e3779b97f4a7c15

// vocab holds every token in one byte arena and finds ids by an
// open-addressing table: no allocation per token.
//
// The key of a token is the bytes the model's input is compared with: the bytes
// it spells for a byte-level vocabulary (or its text, flagLiteral, where it is
// no spelling), its text for all others.
type vocab struct {
	byteLevel bool
	seed      hashSeed
	arena     []byte
	off       []uint32 // [n+1]
	flags     []uint8  // [n]
	table     []uint32 // top tagBits of the hash << idBits | id+1; 0 = free; length is a power of two
	maxLen    int      // bytes of the longest key
}

// newVocab makes an empty vocabulary with room for n tokens of size bytes.
func newVocab(byteLevel bool, n, size int) *vocab {
	v := &vocab{byteLevel: byteLevel, seed: newHashSeed()}
	v.arena = make([]byte, 0, size)
	v.off = make([]uint32, 1, n+1)
	v.flags = make([]uint8, 0, n)
	return v
}

func (v *vocab) len() int { return len(v.flags) }

// add appends a token by its spelling; the id is the place.
func (v *vocab) add(spelling string, typ uint8) error {
	if len(v.arena)+len(spelling) > math.MaxInt32 || len(v.flags) >= maxTokens {
		return fieldErr("", "a vocabulary of more than %d tokens or 2 GiB is not supported", maxTokens)
	}
	ok := false
	if v.byteLevel {
		v.arena, ok = appendUnspelled(v.arena, spelling)
	}
	if !ok {
		v.arena = append(v.arena, spelling...)
		if v.byteLevel {
			typ |= flagLiteral
		}
	}
	v.off = append(v.off, uint32(len(v.arena)))
	v.flags = append(v.flags, typ)
	return nil
}

// index builds the table. It returns the ids of the first two equal tokens, or
// -1 when all differ.
func (v *vocab) index() (first, second int32) {
	size := 16
	for size < v.len()+v.len()/2 {
		size *= 2
	}
	v.table = make([]uint32, size)
	mask := uint64(size - 1)
	for id := range v.flags {
		k := v.key(int32(id))
		v.maxLen = max(v.maxLen, len(k))
		h := v.seed.hash(unsafe.String(unsafe.SliceData(k), len(k)))
		if v.flags[id]&flagLiteral != 0 {
			h ^= literalSalt
		}
		i, tag := h&mask, uint32(h>>(64-tagBits))
		for ; v.table[i] != 0; i = (i + 1) & mask {
			if e := v.table[i]; e>>idBits == tag {
				o := int32(e&maxTokens) - 1
				if string(v.key(o)) == string(k) && (v.flags[o]^v.flags[id])&flagLiteral == 0 {
					return o, int32(id)
				}
			}
		}
		v.table[i] = tag<<idBits | uint32(id+1)
	}
	return -1, -1
}

// key returns the key of a token: a view into the arena.
func (v *vocab) key(id int32) []byte {
	return v.arena[v.off[id]:v.off[id+1]:v.off[id+1]]
}

// find returns the id of the token whose key is k, or -1.
func (v *vocab) find(k string) int32 { return v.probe(k, v.seed.hash(k), 0) }

func (v *vocab) probe(k string, h uint64, literal uint8) int32 {
	if len(k) > v.maxLen {
		return -1
	}
	mask, tag := uint64(len(v.table)-1), uint32(h>>(64-tagBits))
	for i := h & mask; ; i = (i + 1) & mask {
		e := v.table[i]
		if e == 0 {
			return -1
		}
		if e>>idBits == tag {
			id := int32(e&maxTokens) - 1
			if string(v.key(id)) == k && v.flags[id]&flagLiteral == literal {
				return id
			}
		}
	}
}

// findSpelled returns the id of a token by its spelling, or -1. buf is scratch.
func (v *vocab) findSpelled(s string, buf []byte) int32 {
	if !v.byteLevel {
		return v.find(s)
	}
	if raw, ok := appendUnspelled(buf[:0], s); ok {
		return v.find(unsafe.String(unsafe.SliceData(raw), len(raw))) // raw is not kept
	}
	return v.probe(s, v.seed.hash(s)^literalSalt, flagLiteral)
}

// spelling returns the token as the vocabulary file writes it.
func (v *vocab) spelling(id int32) string {
	if v.byteLevel && v.flags[id]&flagLiteral == 0 {
		return string(appendSpelled(nil, v.key(id)))
	}
	return string(v.key(id))
}

// byteToken reads SentencePiece's spelling of a byte, <0x0A>.
func byteToken(s string) (b byte, ok bool) {
	if len(s) != 6 || !strings.HasPrefix(s, "<0x") || s[5] != '>' {
		return 0, false
	}
	hi, lo := unhex(s[3]), unhex(s[4])
	if hi < 0 || lo < 0 {
		return 0, false
	}
	return byte(hi<<4 | lo), true
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
