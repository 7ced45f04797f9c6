package store

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// Prompts' beginnings are remembered as hashes every 16 tokens from 256 on.
const (
	LeastPrefix = 256 // tokens of a prefix that is worth a file
	seenStep    = 16
	seenMost    = 32 << 10 // hashes that are remembered
	seenPrompt  = 1 << 10  // hashes of one prompt at most
	seenMagic   = "qwqseen\x01"
)

// seen remembers which beginnings there were, the oldest are forgotten first.
type seen struct {
	at    map[uint64]bool // true: no prompt went on from there
	order []uint64
}

// Prompt notes a prompt and returns how many of its first tokens are worth a snapshot:
// those that another prompt had too, which then went on differently, or was the same.
// A prompt that continues an earlier one is a conversation; its beginning will not come
// again. 0: none.
func (s *Store) Prompt(m Model, ids []int32) int {
	<-s.ready
	h := binary.LittleEndian.Uint64(m[:8])
	var hashes []uint64
	for i, id := range ids {
		h = (h ^ uint64(uint32(id))) * 0x9e3779b97f4a7c15
		h ^= h >> 29
		if n := i + 1; n >= LeastPrefix && n%seenStep == 0 && len(hashes) < seenPrompt {
			hashes = append(hashes, h&^1)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	common, ended := 0, false
	for i, h := range hashes {
		e, ok := s.seen.at[h]
		if !ok {
			break
		}
		common, ended = i+1, e
	}
	for i, h := range hashes {
		last := i == len(hashes)-1
		e, ok := s.seen.at[h]
		if !ok {
			s.seen.order = append(s.seen.order, h)
			e = true
		}
		s.seen.at[h] = e && last
	}
	for len(s.seen.order) > seenMost {
		delete(s.seen.at, s.seen.order[0])
		s.seen.order = s.seen.order[1:]
	}
	if common == 0 || ended && common < len(hashes) {
		return 0
	}
	return LeastPrefix + (common-1)*seenStep
}

// readSeen reads what Close wrote; a damaged file is as good as none.
func (s *Store) readSeen() {
	s.seen.at = map[uint64]bool{}
	f, err := s.fs.Open("seen")
	if err != nil {
		return
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 12+8*seenMost+1))
	le := binary.LittleEndian
	if err != nil || len(b) < 12 || len(b)%8 != 4 || len(b) > 12+8*seenMost || string(b[:8]) != seenMagic ||
		le.Uint32(b[len(b)-4:]) != crc32.Checksum(b[:len(b)-4], castagnoli) {
		return
	}
	for b = b[8 : len(b)-4]; len(b) > 0; b = b[8:] {
		v := le.Uint64(b)
		if _, ok := s.seen.at[v&^1]; !ok {
			s.seen.order = append(s.seen.order, v&^1)
		}
		s.seen.at[v&^1] = v&1 == 1
	}
}

// writeSeen writes all hashes, whose lowest bit says that no prompt went on.
func (s *Store) writeSeen() error {
	s.mu.Lock()
	b := []byte(seenMagic)
	for _, h := range s.seen.order {
		v := h
		if s.seen.at[h] {
			v |= 1
		}
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	s.mu.Unlock()
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if err := s.spend(int64(len(b)), true); err != nil {
		return err
	}
	return s.publish("seen", func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}
