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
	seenMost    = 16 << 10 // hashes that are remembered
	seenPrompt  = 1 << 10  // hashes of one prompt at most
	seenMagic   = "qwqseen\x02"
	seenSize    = 16 // bytes of one in the file
)

// seen remembers which beginnings there were, the oldest are forgotten first.
type seen struct {
	at    map[uint64]sight
	order []uint64
}

// sight is who had a beginning.
type sight struct {
	who   uint64 // the session that alone had it; 0: several, or requests without one
	ended bool   // no prompt went on from there
}

// Prompt notes a prompt and returns how many of its first tokens are worth a snapshot:
// those that another prompt had too, which then went on differently, or was the same.
// A prompt that continues an earlier one is a conversation; its beginning will not come
// again. What only one session had is that session's, and goes with it. 0: none.
func (s *Store) Prompt(m Model, ids []int32, session Tag) int {
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
	who := binary.LittleEndian.Uint64(session[:8])
	common, ended := 0, false
	for i, h := range hashes {
		e, ok := s.seen.at[h]
		if !ok {
			break
		}
		if who == 0 || e.who != who {
			common, ended = i+1, e.ended
		}
	}
	for i, h := range hashes {
		e, ok := s.seen.at[h]
		if !ok {
			s.seen.order = append(s.seen.order, h)
			e = sight{who, true}
		}
		if e.who != who {
			e.who = 0
		}
		e.ended = e.ended && i == len(hashes)-1
		s.seen.at[h] = e
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
	s.seen.at = map[uint64]sight{}
	f, err := s.fs.Open("seen")
	if err != nil {
		return
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 12+seenSize*seenMost+1))
	le := binary.LittleEndian
	if err != nil || len(b) < 12 || (len(b)-12)%seenSize != 0 || len(b) > 12+seenSize*seenMost || string(b[:8]) != seenMagic ||
		le.Uint32(b[len(b)-4:]) != crc32.Checksum(b[:len(b)-4], castagnoli) {
		return
	}
	for b = b[8 : len(b)-4]; len(b) > 0; b = b[seenSize:] {
		v := le.Uint64(b)
		if _, ok := s.seen.at[v&^1]; !ok {
			s.seen.order = append(s.seen.order, v&^1)
		}
		s.seen.at[v&^1] = sight{le.Uint64(b[8:]), v&1 == 1}
	}
}

// writeSeen writes all hashes, whose lowest bit says that no prompt went on.
func (s *Store) writeSeen() error {
	s.mu.Lock()
	b := []byte(seenMagic)
	for _, h := range s.seen.order {
		v := h
		if s.seen.at[h].ended {
			v |= 1
		}
		b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, v), s.seen.at[h].who)
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
