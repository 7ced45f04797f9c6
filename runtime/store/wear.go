package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"time"
)

// The file wear: magic, day, bytes of that day, CRC-32C.
const (
	wearMagic = "qwqwear\x01"
	wearSize  = 28
	// wearCost is what writing the file counts: a block of data and one of the folder.
	wearCost = 8 << 10
	// ahead is how much more than is used is put on the medium, so that small writes
	// need no write of the count each. A crash loses at most that of the day.
	ahead = 256 << 10
)

// wear counts the bytes of a day. What is on the medium is never less than what was
// written. It is guarded by Store.wmu.
type wear struct {
	budget  int64
	day     int64 // since 1970, by a clock that may be wrong
	used    int64
	claimed int64     // on the medium
	since   time.Time // when this day began in this process
}

const daySeconds = 24 * 60 * 60

// roll begins a new day where the clock says so, or after 24 hours of running: boards
// have clocks that start in 1970, or stand in the future. A clock that goes back does not
// begin a day.
func (w *wear) roll(now time.Time) {
	day := now.Unix() / daySeconds
	if day <= w.day && now.Sub(w.since) < daySeconds*time.Second {
		return
	}
	w.day, w.used, w.claimed, w.since = max(day, 0), 0, 0, now
}

// readWear reads the count. A file that is damaged counts as a day that is used up.
func (s *Store) readWear() {
	now := s.o.Now()
	w := &s.wear
	*w = wear{budget: s.o.WearBytes, since: now}
	f, err := s.fs.Open("wear")
	if errors.Is(err, fs.ErrNotExist) {
		w.day = max(0, now.Unix()/daySeconds)
		return
	}
	var b []byte
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(f, wearSize+1))
		f.Close()
	}
	le := binary.LittleEndian
	if err != nil || len(b) != wearSize || string(b[:8]) != wearMagic || le.Uint32(b[24:]) != crc32.Checksum(b[:24], castagnoli) {
		w.day, w.used, w.claimed = max(0, now.Unix()/daySeconds), w.budget, w.budget
		return
	}
	w.day, w.used = int64(le.Uint64(b[8:])), max(0, int64(le.Uint64(b[16:])))
	w.claimed = w.used
	w.roll(now)
}

// spend counts n bytes before they are written; sessions may use the last sixteenth of
// the budget, snapshots not.
func (s *Store) spend(n int64, session bool) error {
	w := &s.wear
	defer func() {
		s.mu.Lock()
		s.worn = *w
		s.mu.Unlock()
	}()
	w.roll(s.o.Now())
	most := w.budget
	if !session {
		most -= most / 16
	}
	if w.used+n > w.claimed {
		n += wearCost
	}
	if w.used+n > most {
		s.count(func(st *Stats) { st.Refused++ })
		return fmt.Errorf("store: %w: %d of %d, %d more are needed", ErrBudget, w.used, w.budget, n)
	}
	w.used += n
	if w.used <= w.claimed {
		return nil
	}
	claim := min(w.used+ahead, max(w.budget, w.used))
	if err := s.writeWear(claim); err != nil {
		return err
	}
	w.claimed = claim
	return nil
}

// writeWear puts a count on the medium.
func (s *Store) writeWear(n int64) error {
	le := binary.LittleEndian
	b := le.AppendUint64([]byte(wearMagic), uint64(s.wear.day))
	b = le.AppendUint64(b, uint64(n))
	b = le.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return s.publish("wear", func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}
