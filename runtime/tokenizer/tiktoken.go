package tokenizer

import (
	"bytes"
	"encoding/base64"
	"errors"
	"runtime"
	"strconv"
	"sync"
)

const (
	maxRankFile  = 32 << 20 // bytes of a rank file, all of which may cost some seconds; o200k_base has 4 MiB
	maxRankToken = 512      // bytes of one token; the longest in use have 128
)

// rankTokens are the tokens of a rank file: the format of tiktoken, of Qwen-1's
// qwen.tiktoken and of Llama-3's original tokenizer.model. Every line is a
// token's bytes in base64 and its rank, which is its id.
type rankTokens struct {
	raw []byte
	at  [][2]uint32 // [rank] where the token begins in raw and ends
}

// isRanks reports whether data begins with a line of a rank file.
func isRanks(data []byte) bool {
	if len(data) > 2*maxRankToken {
		data = data[:2*maxRankToken]
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	text, rank, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\r")), []byte(" "))
	if !ok || len(text) == 0 {
		return false
	}
	_, err := base64.StdEncoding.DecodeString(string(text))
	return err == nil && len(rank) > 0 && len(bytes.Trim(rank, "0123456789")) == 0
}

// parseRanks reads a rank file. The lines may be in any order; empty ones are
// passed over.
func parseRanks(data []byte) (*rankTokens, error) {
	lines := 0
	for line := range bytes.Lines(data) {
		if len(bytes.TrimRight(line, "\r\n")) > 0 {
			lines++
		}
	}
	if lines > maxTokens {
		return nil, fieldErr("", "%d lines, more than %d", lines, maxTokens)
	}
	r := &rankTokens{raw: make([]byte, 0, len(data)/2), at: make([][2]uint32, lines)}
	off, n := 0, 0
	for line := range bytes.Lines(data) {
		n++
		at := off
		off += len(line)
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			continue
		}
		if err := r.readLine(line); err != nil {
			return nil, &FormatError{Offset: int64(at), Field: "line " + itoa(n), Err: err}
		}
	}
	return r, nil
}

// readLine reads one line.
func (r *rankTokens) readLine(line []byte) error {
	text, num, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return errors.New("no space: want a token in base64 and its rank")
	}
	if base64.StdEncoding.DecodedLen(len(text)) > maxRankToken+2 {
		return errors.New("token: more than " + itoa(maxRankToken) + " bytes")
	}
	from := len(r.raw)
	raw, err := base64.StdEncoding.AppendDecode(r.raw, text)
	switch {
	case err != nil:
		return errors.New("token: " + err.Error())
	case len(raw) == from:
		return errors.New("token: empty")
	case len(raw)-from > maxRankToken:
		return errors.New("token: " + itoa(len(raw)-from) + " bytes, more than " + itoa(maxRankToken))
	}
	r.raw = raw
	rank, err := strconv.ParseUint(string(num), 10, 32)
	if err != nil {
		return errors.New("rank: " + strconv.Quote(string(num[:min(len(num), 20)])) + " is no number below 2^32")
	}
	if rank >= uint64(len(r.at)) {
		return errors.New("rank: " + strconv.FormatUint(rank, 10) + ", but the file has only " + itoa(len(r.at)) + " tokens: ranks must be dense")
	}
	if r.at[rank][1] != 0 {
		return errors.New("rank: " + itoa(int(rank)) + " for the second time")
	}
	r.at[rank] = [2]uint32{uint32(from), uint32(len(raw))}
	return nil
}

// source makes the vocabulary and the list of merges.
func (r *rankTokens) source() (*source, error) {
	s := &source{cfg: newConfig("gpt2"), fields: fieldNames{tokens: "token", merges: "merge of token", ids: "tokenizer_config.json"}}
	s.cfg.Dec = decodeSpec{Kind: "bytes"}
	s.tokens, s.types = make([]string, len(r.at)), make([]uint8, len(r.at))
	v := newVocab(true, len(r.at), len(r.raw))
	var buf []byte
	for rank, at := range r.at {
		buf = appendSpelled(buf[:0], r.raw[at[0]:at[1]])
		s.tokens[rank], s.types[rank] = string(buf), typeNormal
		if err := v.add(s.tokens[rank], typeNormal); err != nil {
			return nil, err
		}
	}
	if a, b := v.index(); a >= 0 {
		return nil, fieldErr("token", "ranks %d and %d are the same bytes %.40q", a, b, v.key(a))
	}
	for b := range 256 {
		if v.find(string([]byte{byte(b)})) < 0 {
			return nil, fieldErr("token", "no token is the single byte 0x%02x", b)
		}
	}
	s.rankMerges(v)
	return s, nil
}

// rankMerges derives the list of merges from merging by the rank of the joined
// bytes. What merges inside a token's bytes does not depend on what surrounds
// them, until something merges across their edge. So a token is only ever made
// from the two parts that its own bytes come to last, and one merge a token, in
// the order of ranks, says it all. A token whose bytes come to rest in three
// parts or more is never made; it is found only where it is a whole piece, which
// is what IgnoreMerges says.
func (s *source) rankMerges(v *vocab) {
	pairs := make([]int32, 2*v.len())
	parts := min(runtime.GOMAXPROCS(0), 4)
	var wg sync.WaitGroup
	for p := range parts {
		lo, hi := v.len()*p/parts, v.len()*(p+1)/parts
		wg.Go(func() {
			var w rankWord
			for id := lo; id < hi; id++ {
				pairs[2*id], pairs[2*id+1] = w.split(v, v.key(int32(id)))
			}
		})
	}
	wg.Wait()
	s.pairs = make([]int32, 0, len(pairs))
	for i := 0; i < len(pairs); i += 2 {
		switch l, r := pairs[i], pairs[i+1]; {
		case l >= 0:
			s.pairs = append(s.pairs, l, r)
		case r == notMade:
			s.cfg.IgnoreMerges = true
		}
	}
}

// notMade marks a token that no merge makes.
const notMade = -2

// rankWord is room for merging one token.
type rankWord struct {
	start [maxRankToken + 1]int   // where each part begins; one more for the end
	join  [maxRankToken + 1]int32 // the token that a part makes with the next, -1 = none
}

// split returns the two parts that the bytes of k come to last; -1, -1 for a
// single byte and -1, notMade where they come to more than two.
func (w *rankWord) split(v *vocab, k []byte) (left, right int32) {
	n := len(k)
	if n < 2 {
		return -1, -1
	}
	text := string(k)
	for i := range n + 1 {
		w.start[i] = i
	}
	for i := range n - 1 {
		w.join[i] = v.find(text[i : i+2])
	}
	for n > 2 {
		best := -1
		for i, id := range w.join[:n-1] {
			if id >= 0 && (best < 0 || id < w.join[best]) {
				best = i
			}
		}
		if best < 0 {
			return -1, notMade
		}
		copy(w.start[best+1:n], w.start[best+2:n+1])
		copy(w.join[best:n-2], w.join[best+1:n-1])
		n--
		if best > 0 {
			w.join[best-1] = v.find(text[w.start[best-1]:w.start[best+1]])
		}
		if best < n-1 {
			w.join[best] = v.find(text[w.start[best]:w.start[best+2]])
		}
	}
	return v.find(text[:w.start[1]]), v.find(text[w.start[1]:])
}
