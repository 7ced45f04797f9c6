package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSessions: they survive restarts, belong to their users, and are bounded.
func TestSessions(t *testing.T) {
	m := newMem()
	now := time.Unix(1e9, 0).UTC()
	o := Options{Now: func() time.Time { now = now.Add(time.Second); return now }}
	s := open(t, m, o)
	ids := tokens(1, 400)
	x := Session{User: 5, ID: "a", Name: "m", Model: model(1), IDs: ids, State: []byte{1, 2}}
	if err := s.PutSession(x); err != nil {
		t.Fatal(err)
	}
	x.IDs, x.State = ids[:390], nil
	if err := errors.Join(s.PutSession(x), put(s, model(1), tagOf(5, "a"), ids[:390]), s.PutSession(Session{User: 6, ID: "a", Name: "m"})); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := s.Session(5, "a")
		if err != nil || !slices.Equal(got.IDs, ids[:390]) || string(got.State) != "\x01\x02" || got.Model != model(1) || !got.Created.Before(got.Used) {
			t.Errorf("%+v, %v", got, err)
		}
		list := s.Sessions(func(x *Session) bool { return x.User == 5 })
		if len(list) != 1 || list[0].Tokens != 390 || list[0].IDs != nil || list[0].Name != "m" {
			t.Errorf("%+v", list)
		}
		shut(t, s)
		s = open(t, m, o)
	}
	if err := s.DeleteSession(7, "a"); !errors.Is(err, ErrNone) {
		t.Errorf("another user's: %v", err)
	}
	if err := s.DeleteSession(5, "a"); err != nil {
		t.Error(err)
	}
	if _, err := s.Session(5, "a"); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	if st := s.Stats(); st.Sessions != 1 || st.Snapshots != 0 {
		t.Errorf("%+v", st)
	}
	for _, x := range []Session{{ID: strings.Repeat("x", mostJSON)}, {ID: "x", State: make([]byte, MostState+1)}} {
		if err := s.PutSession(x); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
	}
	for i := range MostSessions + 3 {
		if err := s.PutSession(Session{User: 1, ID: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.Sessions != MostSessions {
		t.Errorf("%d sessions", st.Sessions)
	}
	if _, err := s.Session(1, "0"); !errors.Is(err, ErrNone) {
		t.Errorf("the oldest: %v", err)
	}
	shut(t, s)
}
