package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestPowerLoss cuts the power after every operation of a store's life, in every way
// that a medium may lose what was not synced: each time the store comes up, holds nothing
// wrong, has all that it said was stored, and has counted every byte.
func TestPowerLoss(t *testing.T) {
	type promise struct {
		at  int // length of the log when it was made
		key uint64
		n   int // tokens of a snapshot; 0: session key of that version
	}
	for _, limit := range []int64{0, 600 << 10} { // without and with eviction
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			m := newMem()
			now := time.Unix(20_000*daySeconds, 0)
			o := Options{MaxBytes: limit, Now: func() time.Time { return now }}
			var promises []promise
			rng := rand.New(rand.NewPCG(7, uint64(limit)))
			s := open(t, m, o)
			for i := range 40 {
				now = now.Add(time.Minute)
				var err error
				p := promise{key: uint64(rng.IntN(12)), n: 300 + 100*rng.IntN(9)}
				switch rng.IntN(8) {
				case 0:
					shut(t, s)
					s = open(t, m, o)
					continue
				case 1:
					if err := s.DeleteSession(1, fmt.Sprint(p.key)); err != nil && !errors.Is(err, ErrNone) {
						t.Fatal(err)
					}
					promises = slices.DeleteFunc(promises, func(q promise) bool { return q.n == 0 && q.key == p.key })
					continue
				case 2, 3, 4:
					p.n = 0
					err = s.PutSession(Session{User: 1, ID: fmt.Sprint(p.key), IDs: []int32{int32(i)}, Created: now})
				default:
					err = put(s, model(1), Tag{}, tokens(p.key, p.n))
				}
				if err != nil {
					t.Fatal(err)
				}
				p.at = len(m.log)
				promises = append(promises, p)
			}
			shut(t, s)
			states := 0
			for k := range len(m.log) + 1 {
				written := int64(0)
				for _, op := range m.log[:k] {
					written += int64(len(op.data))
				}
				for kind := range cutKinds {
					after := cut(m.log, k, kind, rng)
					s := open(t, after, o)
					states++
					where := fmt.Sprintf("after %d of %d operations, kind %d", k, len(m.log), kind)
					if st := s.Stats(); st.Wear+wearSize < written || // a count that was just being written is not in itself
						limit > 0 && st.Bytes > limit {
						t.Fatalf("%s: %+v, %d bytes were written", where, st, written)
					}
					for key := range uint64(12) {
						if _, err := load(s, model(1), tokens(key, 1200)); err != nil {
							t.Fatalf("%s: snapshot %d: %v", where, key, err)
						}
					}
					for _, p := range promises {
						if p.at > k {
							continue
						}
						if n := s.Find(model(1), tokens(p.key, p.n)); p.n > 0 && limit == 0 && n != p.n {
							t.Fatalf("%s: snapshot %d has %d tokens, %d were promised at %d", where, p.key, n, p.n, p.at)
						}
						if p.n == 0 {
							if x, err := s.Session(1, fmt.Sprint(p.key)); err != nil || len(x.IDs) != 1 {
								t.Fatalf("%s: session %d: %v", where, p.key, err)
							}
						}
					}
					if k%7 == 0 { // it works on
						if err := put(s, model(1), Tag{}, tokens(99, 300)); err != nil {
							t.Fatalf("%s: %v", where, err)
						}
						if n, err := load(s, model(1), tokens(99, 300)); n != 300 || err != nil {
							t.Fatalf("%s: %d, %v", where, n, err)
						}
					}
					shut(t, s)
				}
			}
			t.Logf("%d states of %d operations", states, len(m.log))
		})
	}
}
