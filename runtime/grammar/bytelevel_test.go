package grammar

import (
	"encoding/json"
	"fmt"
)

// byteLevel reads a vocab.json of GPT-2's kind, in which each character stands
// for a byte, and adds an end token.
func byteLevel(b []byte) (words, error) {
	var vocab map[string]int
	if err := json.Unmarshal(b, &vocab); err != nil {
		return nil, err
	}
	bytes := map[rune]byte{}
	n := rune(0)
	for b := range 256 {
		if b > ' ' && b < 0x7f || b > 0xa0 && b != 0xad {
			bytes[rune(b)] = byte(b)
		} else {
			bytes[256+n] = byte(b)
			n++
		}
	}
	out := make(words, len(vocab)+2)
	for s, id := range vocab {
		var t []byte
		for _, r := range s {
			c, ok := bytes[r]
			if !ok {
				return nil, fmt.Errorf("%q in token %d", r, id)
			}
			t = append(t, c)
		}
		if id >= len(vocab) {
			return nil, fmt.Errorf("token %d of %d", id, len(vocab))
		}
		out[id] = t
	}
	return out, nil
}
