package store

import (
	"errors"
	"testing"
	"time"
)

// TestWear: the bytes of a day are bounded, over restarts too, and sessions have a rest
// of their own.
func TestWear(t *testing.T) {
	m := newMem()
	now := time.Unix(20_000*daySeconds+500, 0)
	o := Options{WearBytes: 4 << 20, Now: func() time.Time { return now }}
	written := func() (n int64) {
		for _, op := range m.log {
			n += int64(len(op.data))
		}
		return n
	}
	fill := func() (puts int) {
		for i := uint64(0); ; i++ {
			s := open(t, m, o)
			err := put(s, model(1), Tag{}, tokens(1000*uint64(now.Unix())+i, 1000))
			if err == nil {
				err = s.PutSession(Session{User: 1, ID: "a", IDs: tokens(i, 50)})
			}
			if w := s.Stats().Wear; w > o.WearBytes {
				t.Fatalf("%d bytes of %d", w, o.WearBytes)
			}
			shut(t, s)
			if errors.Is(err, ErrBudget) {
				return puts
			}
			if err != nil {
				t.Fatal(err)
			}
			puts++
		}
	}
	if n := fill(); n < 15 || n > 31 || written() > o.WearBytes {
		t.Errorf("%d snapshots of 132 kB in a day of 4 MiB, %d bytes", n, written())
	}
	s := open(t, m, o)
	if err := s.PutSession(Session{User: 1, ID: "b", IDs: tokens(1, 50)}); err != nil {
		t.Errorf("a session after the last snapshot: %v", err)
	}
	shut(t, s)
	now = now.Add(-5 * 24 * time.Hour) // a clock that starts in the past does not help
	if n := fill(); n != 0 {
		t.Errorf("%d snapshots after the clock went back", n)
	}
	s = open(t, m, o)
	now = now.Add(23 * time.Hour)
	if err := put(s, model(1), Tag{}, tokens(1, 900)); !errors.Is(err, ErrBudget) {
		t.Errorf("after 23 hours: %v", err)
	}
	now = now.Add(time.Hour)
	if err := put(s, model(1), Tag{}, tokens(1, 900)); err != nil {
		t.Errorf("after 24 hours of running: %v", err)
	}
	shut(t, s)
	now = time.Unix(20_001*daySeconds, 0)
	if n := fill(); n < 15 {
		t.Errorf("%d snapshots on the next day", n)
	}
	i, err := m.find("wear")
	if err != nil {
		t.Fatal(err)
	}
	m.inodes[i].data[17] ^= 1
	if n := fill(); n != 0 {
		t.Errorf("%d snapshots with a damaged count", n)
	}
}

// TestSeen: a beginning is worth a snapshot when it came twice and went on differently,
// over restarts too; a conversation that grows is not.
func TestSeen(t *testing.T) {
	m := newMem()
	s := open(t, m, Options{})
	system := tokens(1, 1000)
	with := func(seed uint64, n int) []int32 { return append(system[:1000:1000], tokens(seed, n)...) }
	prompt := func(ids []int32, want int) {
		t.Helper()
		if n := s.Prompt(model(1), ids, Tag{}); n != want {
			t.Errorf("%d tokens are worth it, want %d", n, want)
		}
	}
	prompt(with(2, 50), 0)
	shut(t, s)
	s = open(t, m, Options{})
	turn := with(2, 90)
	prompt(turn, 0) // the conversation goes on
	prompt(append(turn, tokens(5, 70)...), 0)
	prompt(with(3, 40), 992) // another one, every 16 tokens
	prompt(with(3, 40), 1040)
	prompt(tokens(1, 270), 256)
	prompt(tokens(1, 250), 0)
	prompt(tokens(9, 3000), 0)
	if n := s.Prompt(model(2), with(3, 40), Tag{}); n != 0 {
		t.Errorf("another model: %d", n)
	}
	a, b := tagOf(1, "a"), tagOf(1, "b")
	for i, c := range []struct {
		who  Tag
		n    int
		want int
	}{{a, 600, 0}, {a, 600, 0}, {b, 400, 400}, {b, 500, 496}, {Tag{}, 500, 496}, {a, 590, 496}, {Tag{}, 590, 576}} {
		if i == 4 {
			shut(t, s)
			s = open(t, m, Options{})
		}
		if n := s.Prompt(model(3), tokens(50, 600)[:c.n], c.who); n != c.want {
			t.Errorf("request %d: %d tokens, want %d", i, n, c.want)
		}
	}
	for i := range uint64(60) { // long prompts push old ones out
		s.Prompt(model(1), tokens(100+i, 20000), Tag{})
	}
	if n := len(s.seen.at); n != len(s.seen.order) || n > seenMost {
		t.Errorf("%d hashes, %d in order", n, len(s.seen.order))
	}
	shut(t, s)
}
