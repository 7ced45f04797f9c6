package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	goleak.VerifyTestMain(m)
}

// perToken is how much the content of a test has for a token.
const perToken = 128

var contents sync.Map // what content has made, which takes its time

// content is what the snapshot of a model's tokens must hold: every token's bytes
// depend on all tokens before, as keys and values do.
func content(m Model, ids []int32) []byte {
	key := string(m[:]) + string(idBytes(ids))
	if v, ok := contents.Load(key); ok {
		return v.([]byte)
	}
	out := make([]byte, 0, perToken*len(ids))
	h := sha256.Sum256(m[:])
	for _, id := range ids {
		h = sha256.Sum256(binary.LittleEndian.AppendUint32(h[:], uint32(id)))
		out = append(out, bytes.Repeat(h[:], perToken/len(h))...)
	}
	contents.Store(key, out)
	return out
}

// put stores what is missing of the ids, from a multiple of 64 on as the daemon does.
func put(s *Store, m Model, tag Tag, ids []int32) error {
	from := min(s.Base(m, ids, tag), len(ids)-1) / 64 * 64
	return s.Put(Snapshot{Model: m, IDs: ids, From: from, Session: tag, Size: int64(perToken * (len(ids) - from))}, func(w io.Writer) error {
		_, err := w.Write(content(m, ids)[perToken*from:])
		return err
	})
}

// wrong is an answer of the store that is not the truth.
type wrongError struct{ text string }

func (e *wrongError) Error() string { return e.text }

// load loads what there is for ids and compares it with the truth.
func load(s *Store, m Model, ids []int32) (int, error) {
	var want []byte
	at := 0
	return s.Load(m, ids, func(n int, r io.Reader) error {
		want = content(m, ids[:n])
		first := make([]byte, perToken) // tells where the piece begins
		if _, err := io.ReadFull(r, first); err != nil {
			return err
		}
		from := -1
		for k := 0; k <= at && k < n; k += 64 {
			if bytes.Equal(first, want[perToken*k:perToken*(k+1)]) {
				from = k
			}
		}
		if from < 0 {
			return &wrongError{fmt.Sprintf("a piece up to %d does not continue %d tokens", n, at)}
		}
		got := make([]byte, (n-from-1)*perToken)
		if _, err := io.ReadFull(r, got); err != nil {
			return err
		}
		if !bytes.Equal(got, want[perToken*(from+1):perToken*n]) {
			return &wrongError{fmt.Sprintf("tokens %d to %d have other bytes", from, n)}
		}
		at = n
		return nil
	})
}

func open(t testing.TB, f FS, o Options) *Store {
	t.Helper()
	s, err := Open(f, o)
	if err != nil {
		t.Fatal(err)
	}
	<-s.ready
	return s
}

func shut(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func tokens(seed uint64, n int) []int32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = rng.Int32N(50000)
	}
	return ids
}

func model(b byte) (m Model) { m[3] = b; return m }

// TestStore: on a real folder, what is put is found again, by prompts that share a
// beginning too, after a restart too, and only under its model.
func TestStore(t *testing.T) {
	path := t.TempDir()
	ids := tokens(1, 1100) // of two blocks and a bit
	for restart := range 3 {
		f, err := Dir(path)
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, f, Options{})
		if restart == 0 {
			if err := put(s, model(1), Tag{}, ids); err != nil {
				t.Fatal(err)
			}
		}
		longer := append(slices.Clone(ids), 5, 6)
		branch := append(slices.Clone(ids[:700]), 50001)
		for _, c := range []struct {
			m    Model
			ids  []int32
			want int
		}{{model(1), ids, 1100}, {model(1), longer, 1100}, {model(1), branch, 700}, {model(1), ids[:3], 3}, {model(2), ids, 0}, {model(1), tokens(2, 50), 0}} {
			if n, err := load(s, c.m, c.ids); n != c.want || err != nil || s.Find(c.m, c.ids) != c.want {
				t.Errorf("start %d: found %d of %d, %v, want %d", restart, n, len(c.ids), err, c.want)
			}
		}
		if _, err := Open(f, Options{}); !errors.Is(err, ErrLocked) {
			t.Errorf("a second store on the folder: %v", err)
		}
		if other, err := Dir(path); err != nil {
			t.Error(err)
		} else if _, err := Open(other, Options{}); !errors.Is(err, ErrLocked) {
			t.Errorf("a second store on the folder: %v", err)
		}
		st := s.Stats()
		if st.Snapshots != 1 || st.Wear < fileSize(1100, 1100*perToken) || st.Bytes != fileSize(1100, 1100*perToken) || st.Damaged != 0 || st.ReadOnly {
			t.Errorf("%+v", st)
		}
		shut(t, s)
	}
}

// TestSize: the bound holds, the longest unused go first, and what cannot fit is refused.
func TestSize(t *testing.T) {
	one := fileSize(300, 300*perToken)
	now := time.Unix(1e9, 0)
	m := newMem()
	s := open(t, m, Options{MaxBytes: 3*one + 100, Now: func() time.Time { now = now.Add(time.Second); return now }})
	for i := range uint64(3) {
		if err := put(s, model(1), Tag{}, tokens(i, 300)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := load(s, model(1), tokens(0, 300)); n != 300 || err != nil {
		t.Fatal(n, err)
	}
	if err := put(s, model(1), Tag{}, tokens(9, 300)); err != nil {
		t.Fatal(err)
	}
	for i, want := range map[uint64]int{0: 300, 1: 0, 2: 300, 9: 300} {
		if n := s.Find(model(1), tokens(i, 300)); n != want {
			t.Errorf("snapshot %d: %d tokens", i, n)
		}
	}
	if err := put(s, model(1), Tag{}, tokens(10, 1200)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("larger than all: %v", err)
	}
	if st := s.Stats(); st.Bytes > st.MaxBytes || st.Evicted != 1 || st.Refused != 1 {
		t.Errorf("%+v", st)
	}
	shut(t, s)
	s = open(t, m, Options{MaxBytes: one})
	if st := s.Stats(); st.Bytes > one || st.Snapshots != 1 {
		t.Errorf("with a smaller bound: %+v", st)
	}
	shut(t, s)
	m.room = 10 * one
	s = open(t, m, Options{})
	if st := s.Stats(); st.MaxBytes != (10*one+one)/10 {
		t.Errorf("bound %d with %d bytes free", st.MaxBytes, m.room)
	}
	shut(t, s)
}

// TestPieces: a snapshot continues what is there; what a conversation does not need any
// more goes, what others need stays, and a chain of many pieces is written anew.
func TestPieces(t *testing.T) {
	m := newMem()
	s := open(t, m, Options{})
	ids := tokens(1, 3000)
	a := tagOf(1, "a")
	written := func(f func() error) (n int) {
		t.Helper()
		at := len(m.log)
		if err := f(); err != nil {
			t.Fatal(err)
		}
		for _, op := range m.log[at:] {
			n += len(op.data)
		}
		return n
	}
	if err := s.PutSession(Session{User: 1, ID: "a"}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{300, 700} {
		if err := put(s, model(1), Tag{}, ids[:n]); err != nil {
			t.Fatal(err)
		}
	}
	for n := 800; n <= 2800; n += 100 {
		bytes := written(func() error { return put(s, model(1), a, ids[:n]) })
		if most := (100+64)*perToken + 4*n + 500; bytes > most && n != 2400 {
			t.Errorf("%d tokens: %d bytes were written, more than %d", n, bytes, most)
		}
		if got, err := load(s, model(1), ids[:n+1]); got != n || err != nil {
			t.Fatalf("%d of %d tokens, %v", got, n, err)
		}
	}
	if st := s.Stats(); st.Snapshots != 2+1+4 { // up to 2400, and what came then
		t.Errorf("%d snapshots", st.Snapshots)
	}
	other := append(slices.Clone(ids[:1000]), tokens(2, 500)...) // the conversation took another turn
	if err := put(s, model(1), a, other); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n, err := load(s, model(1), other); n != 1500 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if st := s.Stats(); st.Snapshots != 2+2 {
			t.Errorf("%d snapshots", st.Snapshots)
		}
		if n, b := s.Stored(1, "a"); n != 1500 || b < 800*perToken {
			t.Errorf("the session has %d tokens, %d bytes", n, b)
		}
		shut(t, s)
		s = open(t, m, Options{})
	}
	before := s.Stats().Puts
	if err := s.Put(Snapshot{Model: model(1), IDs: ids[:300], Size: 1}, nil); err != nil || s.Stats().Puts != before {
		t.Error("written twice", err)
	}
	if err := s.DeleteSession(1, "a"); err != nil {
		t.Fatal(err)
	}
	if n, err := load(s, model(1), ids); n != 700 || err != nil {
		t.Errorf("after the session is deleted: %d, %v", n, err)
	}
	whole := Snapshot{Model: model(1), IDs: ids[:900], Size: 900 * perToken}
	if err := s.Put(whole, func(w io.Writer) error { _, err := w.Write(content(model(1), ids[:900])); return err }); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Snapshots != 1 {
		t.Errorf("a whole one left %d snapshots", st.Snapshots)
	}
	shut(t, s)
}

// TestChainEvicted: what a snapshot continues goes after it, and where it is lost what
// continued it goes too.
func TestChainEvicted(t *testing.T) {
	m := newMem()
	now := time.Now()
	o := Options{MaxBytes: 1 << 19, Now: func() time.Time { now = now.Add(time.Second); return now }}
	s := open(t, m, o)
	ids := tokens(1, 2000)
	for n := 500; n <= 2000; n += 500 {
		if err := put(s, model(1), Tag{}, ids[:n]); err != nil {
			t.Fatal(err)
		}
	}
	last := 2000
	for i := range uint64(8) {
		if err := put(s, model(1), Tag{}, tokens(10+i, 600)); err != nil {
			t.Fatal(err)
		}
		n, err := load(s, model(1), ids[:1000]) // the end is not used
		if err != nil || i < 6 && n != 1000 || n%500 != 0 {
			t.Errorf("%d: %d, %v", i, n, err)
		}
		if i == 5 { // when they were used the last time is not on the medium
			last = s.Find(model(1), ids)
			shut(t, s)
			s = open(t, m, o)
		}
	}
	if st := s.Stats(); st.Bytes > st.MaxBytes || st.Evicted == 0 || last != 1000 {
		t.Errorf("%+v, %d tokens", st, last)
	}
	shut(t, s)
	m = newMem()
	s = open(t, m, Options{})
	for n := 500; n <= 2000; n += 500 {
		if err := put(s, model(1), Tag{}, ids[:n]); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Remove(name(model(1), ids[:1000], 448)); err != nil {
		t.Fatal(err)
	}
	if n, err := load(s, model(1), ids); n != 500 || err != nil {
		t.Errorf("with a hole: %d, %v", n, err)
	}
	shut(t, s)
	s = open(t, m, Options{})
	if st := s.Stats(); st.Snapshots != 1 {
		t.Errorf("%d snapshots, of which one can be used", st.Snapshots)
	}
	shut(t, s)
}

// TestFull: a full medium, and one that fails at any operation, cost a snapshot, never
// a wrong one, and leave nothing behind.
func TestFull(t *testing.T) {
	m := newMem()
	s := open(t, m, Options{MaxBytes: 1 << 30})
	if err := put(s, model(1), Tag{}, tokens(1, 300)); err != nil {
		t.Fatal(err)
	}
	m.room = 100 << 10
	before := len(m.log)
	if err := put(s, model(1), Tag{}, tokens(2, 2000)); !errors.Is(err, ErrTooLarge) || len(m.log) != before {
		t.Errorf("on a full medium: %v after %d operations", err, len(m.log)-before)
	}
	m.lies = true
	if err := put(s, model(1), Tag{}, tokens(2, 2000)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full medium: %v", err)
	}
	if len(m.names["kv"]) != 1 {
		t.Errorf("left: %v", m.names["kv"])
	}
	if n, err := load(s, model(1), tokens(1, 300)); n != 300 || err != nil {
		t.Error(n, err)
	}
	m.room, m.lies = 90<<10, false
	if err := put(s, model(1), Tag{}, tokens(3, 900)); err != nil || s.Stats().Evicted != 1 {
		t.Errorf("where the longest unused one has to go: %v, %+v", err, s.Stats())
	}
	m.room = -1
	shut(t, s)
	for at := 1; at < 60; at++ {
		m := newMem()
		s := open(t, m, Options{})
		if err := put(s, model(1), Tag{}, tokens(1, 300)); err != nil {
			t.Fatal(err)
		}
		m.fail = at
		err := errors.Join(put(s, model(1), tagOf(1, "x"), tokens(2, 600)), s.PutSession(Session{User: 1, ID: "x", IDs: tokens(2, 600)}),
			s.PutSession(Session{User: 1, ID: "y", IDs: tokens(3, 10)}), s.DeleteSession(1, "y"))
		failed := m.fail == 0
		m.fail = 0
		for restart := range 2 {
			for i := range uint64(3) {
				if _, lerr := load(s, model(1), tokens(i+1, 600)); lerr != nil {
					t.Errorf("operation %d (%v): %v", at, err, lerr)
				}
			}
			if n := s.Find(model(1), tokens(1, 300)); n != 300 {
				t.Errorf("operation %d (%v), start %d: the old snapshot has %d tokens", at, err, restart, n)
			}
			shut(t, s)
			s = open(t, m, Options{})
		}
		shut(t, s)
		for dir, names := range m.names {
			for n := range names {
				if len(n) > 3 && n[:4] == tempPrefix {
					t.Errorf("operation %d: %s/%s is left", at, dir, n)
				}
			}
		}
		if !failed {
			t.Logf("%d operations", at-1)
			return
		}
	}
	t.Error("more operations than were tried")
}

// TestReadOnly: a folder that cannot be written to serves what it has.
func TestReadOnly(t *testing.T) {
	m := newMem()
	s := open(t, m, Options{})
	if err := errors.Join(put(s, model(1), Tag{}, tokens(1, 300)), s.PutSession(Session{User: 1, ID: "x", IDs: []int32{1}})); err != nil {
		t.Fatal(err)
	}
	shut(t, s)
	m.ro = true
	s = open(t, m, Options{})
	if n, err := load(s, model(1), tokens(1, 300)); n != 300 || err != nil {
		t.Error(n, err)
	}
	if x, err := s.Session(1, "x"); err != nil || x.Tokens != 1 {
		t.Error(x, err)
	}
	for _, err := range []error{put(s, model(1), Tag{}, tokens(2, 300)), s.PutSession(Session{ID: "y"}), s.DeleteSession(1, "x")} {
		if !errors.Is(err, ErrReadOnly) {
			t.Error(err)
		}
	}
	if !s.Stats().ReadOnly {
		t.Error("not told")
	}
	shut(t, s)
	empty := newMem()
	empty.ro = true
	s = open(t, empty, Options{})
	if n, err := load(s, model(1), tokens(1, 300)); n != 0 || err != nil {
		t.Error(n, err)
	}
	shut(t, s)
}

// TestDamage: every byte of every file that is changed, and every length, costs the file
// and nothing else.
func TestDamage(t *testing.T) {
	m := newMem()
	s := open(t, m, Options{WearBytes: 1 << 40})
	ids := tokens(1, 600)
	if err := errors.Join(put(s, model(1), Tag{}, ids), s.PutSession(Session{User: 7, ID: "x", IDs: ids[:9], State: []byte("st")})); err != nil {
		t.Fatal(err)
	}
	s.Prompt(model(1), ids, Tag{})
	shut(t, s)
	log := m.log
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 600 {
		m := cut(log, len(log), cutKill, nil)
		var live []int
		for _, names := range m.names {
			for _, i := range names {
				live = append(live, i)
			}
		}
		slices.Sort(live)
		f := m.inodes[live[round%len(live)]]
		if at := rng.IntN(len(f.data)); round%3 == 0 {
			f.data = f.data[:at]
		} else {
			if rng.IntN(2) == 0 {
				at %= 100 // the headers
			}
			f.data[at%len(f.data)] ^= byte(1 << rng.IntN(8))
		}
		s := open(t, m, Options{WearBytes: 1 << 40})
		if n, err := load(s, model(1), ids); err != nil && !errors.Is(err, ErrCorrupt) || err == nil && n != 0 && n != 600 {
			t.Errorf("round %d: %d, %v", round, n, err)
		}
		if x, err := s.Session(7, "x"); err != nil && !errors.Is(err, ErrNone) || err == nil && (!slices.Equal(x.IDs, ids[:9]) || string(x.State) != "st") {
			t.Errorf("round %d: %+v, %v", round, x, err)
		}
		if err := put(s, model(1), Tag{}, tokens(8, 300)); err != nil && !errors.Is(err, ErrBudget) {
			t.Errorf("round %d: %v", round, err)
		}
		shut(t, s)
	}
}

// TestForeign: a file under another one's name, and a block of another file, are found out.
func TestForeign(t *testing.T) {
	m := newMem()
	s := open(t, m, Options{})
	a, b := tokens(1, 600), tokens(2, 600)
	if err := errors.Join(put(s, model(1), Tag{}, a), put(s, model(1), Tag{}, b)); err != nil {
		t.Fatal(err)
	}
	fa, _ := m.find(name(model(1), a, 0))
	fb, _ := m.find(name(model(1), b, 0))
	da, db := m.inodes[fa].data, m.inodes[fb].data
	first := fixed + 4*600 + 4
	copy(da[first:], db[first:first+blockSize+4]) // with its checksum
	if n, err := load(s, model(1), a); n != 0 || !errors.Is(err, ErrCorrupt) {
		t.Errorf("a block of another file: %d, %v", n, err)
	}
	if n := s.Find(model(1), a); n != 0 {
		t.Errorf("still found: %d", n)
	}
	shut(t, s)
	m.names["kv"][name(model(1), a, 0)[3:]] = fb
	s = open(t, m, Options{})
	if st := s.Stats(); st.Snapshots != 1 || st.Damaged != 1 {
		t.Errorf("a file under another one's name: %+v", st)
	}
	shut(t, s)
}
