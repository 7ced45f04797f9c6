package store

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"time"
)

// Session is a conversation: the ids of its last prompt and answer, from which its keys
// and values can be computed again.
type Session struct {
	User    uint32    `json:"user"`
	ID      string    `json:"id"`
	Name    string    `json:"model"` // the model's
	Model   Model     `json:"-"`
	Created time.Time `json:"created"`
	Used    time.Time `json:"used"`
	Tokens  int       `json:"-"` // len(IDs)
	IDs     []int32   `json:"-"` // not in lists
	State   []byte    `json:"-"` // of the dialog, opaque; not in lists
}

// A session's file: magic, then the lengths of what follows as uint32 (JSON of the
// fields above, ids, state), the model, the three, and the CRC-32C of all that.
const (
	sesMagic = "qwqses\x00\x01"
	sesFixed = 52
	mostJSON = 4 << 10
	// MostState is the length of a session's State at most.
	MostState = 1 << 20
	// MostSessions is how many sessions are kept; the longest unused go.
	MostSessions = 1024
)

func sessionName(t Tag) string { return "sessions/" + hex.EncodeToString(t[:]) + ".ses" }

func (x *Session) bytes() ([]byte, error) {
	meta, err := json.Marshal(x)
	if err != nil || len(meta) > mostJSON || len(x.IDs) > mostIDs || len(x.State) > MostState {
		return nil, fmt.Errorf("store: session with a name of %d bytes, %d tokens and a state of %d bytes: %w", len(x.ID)+len(x.Name), len(x.IDs), len(x.State), errors.Join(err, ErrTooLarge))
	}
	le := binary.LittleEndian
	b := append(make([]byte, 0, sesFixed+len(meta)+4*len(x.IDs)+len(x.State)+4), sesMagic...)
	for _, n := range []int{len(meta), len(x.IDs), len(x.State)} {
		b = le.AppendUint32(b, uint32(n))
	}
	b = append(b, x.Model[:]...)
	b = append(b, meta...)
	b = append(b, idBytes(x.IDs)...)
	b = append(b, x.State...)
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

// parseSession reads a session's file.
func parseSession(b []byte) (*Session, error) {
	le := binary.LittleEndian
	if len(b) < sesFixed+4 || string(b[:8]) != sesMagic {
		return nil, corrupt("session: %d bytes without the magic", len(b))
	}
	meta, ids, state := int64(le.Uint32(b[8:])), int64(le.Uint32(b[12:])), int64(le.Uint32(b[16:]))
	if meta > mostJSON || ids > mostIDs || state > MostState || sesFixed+meta+4*ids+state+4 != int64(len(b)) {
		return nil, corrupt("session of %d bytes: %d of names, %d ids, %d of state", len(b), meta, ids, state)
	}
	if got, want := le.Uint32(b[len(b)-4:]), crc32.Checksum(b[:len(b)-4], castagnoli); got != want {
		return nil, corrupt("session: checksum %08x, want %08x", got, want)
	}
	x := &Session{}
	copy(x.Model[:], b[20:])
	b = b[sesFixed : len(b)-4]
	if err := json.Unmarshal(b[:meta], x); err != nil {
		return nil, corrupt("session: %v", err)
	}
	x.IDs, x.State, x.Tokens = parseIDs(b[meta:meta+4*ids]), slices.Clone(b[meta+4*ids:]), int(ids)
	return x, nil
}

func (s *Store) readSession(t Tag) (*Session, error) {
	f, err := s.fs.Open(sessionName(t))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = sesFixed + mostJSON + 4*mostIDs + MostState + 4
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	x, err := parseSession(b)
	if err == nil && tagOf(x.User, x.ID) != t {
		err = corrupt("session %q under another one's name", x.ID)
	}
	return x, err
}

// PutSession stores a session in place of what there was of it. Created is kept from
// there, and State where it is nil.
func (s *Store) PutSession(x Session) error {
	<-s.ready
	if s.lock == nil {
		return fmt.Errorf("store: session: %w", ErrReadOnly)
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	t := tagOf(x.User, x.ID)
	x.Used, x.Created, x.Tokens = s.o.Now(), s.o.Now(), len(x.IDs)
	s.mu.Lock()
	_, there := s.sessions[t]
	s.mu.Unlock()
	if there {
		if old, err := s.readSession(t); err == nil {
			x.Created = old.Created
			if x.State == nil {
				x.State = old.State
			}
		}
	}
	b, err := x.bytes()
	if err != nil {
		return err
	}
	if err := s.spend(int64(len(b)), true); err != nil {
		return err
	}
	err = s.publish(sessionName(t), func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	x.IDs, x.State = nil, nil
	s.mu.Lock()
	s.sessions[t] = &x
	s.mu.Unlock()
	return s.trimSessions()
}

// trimSessions deletes the longest unused ones beyond MostSessions.
func (s *Store) trimSessions() error {
	for {
		var oldest *Session
		s.mu.Lock()
		if len(s.sessions) > MostSessions {
			for _, x := range s.sessions {
				if oldest == nil || x.Used.Before(oldest.Used) {
					oldest = x
				}
			}
		}
		s.mu.Unlock()
		if oldest == nil {
			return nil
		}
		if err := s.deleteSession(tagOf(oldest.User, oldest.ID)); err != nil {
			return err
		}
	}
}

// Session reads a session; ErrNone where there is none.
func (s *Store) Session(user uint32, id string) (*Session, error) {
	<-s.ready
	t := tagOf(user, id)
	s.mu.Lock()
	_, there := s.sessions[t]
	s.mu.Unlock()
	if !there {
		return nil, fmt.Errorf("store: session %.40q: %w", id, ErrNone)
	}
	x, err := s.readSession(t)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrCorrupt) {
		s.mu.Lock()
		delete(s.sessions, t)
		s.mu.Unlock()
		return nil, fmt.Errorf("store: session %.40q: %w: %w", id, ErrNone, err)
	}
	return x, err
}

// Sessions lists those that keep says yes to, the latest first.
func (s *Store) Sessions(keep func(*Session) bool) []Session {
	<-s.ready
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Session
	for _, x := range s.sessions {
		if keep(x) {
			out = append(out, *x)
		}
	}
	slices.SortFunc(out, func(a, b Session) int { return b.Used.Compare(a.Used) })
	return out
}

// Stored is how many tokens of a session have their keys and values on disk, and the
// bytes of those that are only its own.
func (s *Store) Stored(user uint32, id string) (tokens int, bytes int64) {
	<-s.ready
	t := tagOf(user, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	var last *entry // earlier ones may go on with what is not said any more
	for _, e := range s.entries {
		if e.tag != t {
			continue
		}
		bytes += e.bytes
		if last == nil || e.used.After(last.used) || e.used.Equal(last.used) && e.from > last.from {
			last = e
		}
	}
	if last != nil {
		tokens = len(last.ids)
	}
	return tokens, bytes
}

// DeleteSession deletes a session and its snapshot; ErrNone where there is none.
func (s *Store) DeleteSession(user uint32, id string) error {
	<-s.ready
	if s.lock == nil {
		return fmt.Errorf("store: session: %w", ErrReadOnly)
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	t := tagOf(user, id)
	s.mu.Lock()
	_, there := s.sessions[t]
	s.mu.Unlock()
	if !there {
		return fmt.Errorf("store: session %.40q: %w", id, ErrNone)
	}
	return s.deleteSession(t)
}

func (s *Store) deleteSession(t Tag) error {
	for _, e := range s.tagged(t) {
		s.drop(e)
	}
	if err := s.fs.Remove(sessionName(t)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store: %w", err)
	}
	s.mu.Lock()
	delete(s.sessions, t)
	s.mu.Unlock()
	return errors.Join(s.fs.SyncDir("sessions"), s.fs.SyncDir("kv"))
}
