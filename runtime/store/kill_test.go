package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// child is the process that is killed: it writes snapshots and sessions, and says what
// it was promised, until it dies.
func child() bool {
	path := os.Getenv("QWQ_STORE_CHILD")
	if path == "" {
		return false
	}
	f, err := Dir(path)
	if err != nil {
		panic(err)
	}
	s, err := Open(f, Options{MaxBytes: 4 << 20, WearBytes: 1 << 40})
	if err != nil {
		panic(err)
	}
	seed, _ := strconv.ParseUint(os.Getenv("QWQ_STORE_SEED"), 10, 64)
	rng := rand.New(rand.NewPCG(seed, 2))
	fmt.Println("ready")
	for i := 1; ; i++ {
		key := uint64(rng.IntN(8))
		switch rng.IntN(4) {
		case 0:
			version := seed<<16 | uint64(i)
			if err := s.PutSession(Session{User: 1, ID: fmt.Sprint(key), IDs: []int32{int32(version)}}); err != nil {
				panic(err)
			}
			fmt.Println("session", key, version)
		case 1:
			if _, err := load(s, model(1), tokens(key, 4000)); err != nil {
				panic(err)
			}
		default:
			if err := put(s, model(1), tagOf(1, fmt.Sprint(key)), tokens(key, 500+rng.IntN(3500))); err != nil {
				panic(err)
			}
			fmt.Println("put", key)
		}
	}
}

// TestKill kills a process that writes, at random moments; QWQ_KILL_ROUNDS times.
func TestKill(t *testing.T) {
	rounds := 20
	if v := os.Getenv("QWQ_KILL_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	path := t.TempDir()
	promised := map[string]int32{}
	var puts, temps, found int
	for round := range rounds {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), "QWQ_STORE_CHILD="+path, fmt.Sprintf("QWQ_STORE_SEED=%d", round))
		var stderr strings.Builder
		c.Stderr = &stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		if l, err := lines.ReadString('\n'); err != nil || l != "ready\n" {
			t.Fatalf("round %d: %q, %v: %s", round, l, err, stderr.String())
		}
		time.AfterFunc(time.Duration(1+rand.IntN(40))*time.Millisecond, func() { c.Process.Kill() }) //nolint:errcheck // Wait tells
		b, err := io.ReadAll(lines)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err == nil || stderr.Len() > 0 {
			t.Fatalf("round %d: %v: %s", round, err, stderr.String())
		}
		for l := range strings.SplitSeq(string(b), "\n") {
			var key string
			var version uint64
			if n, _ := fmt.Sscanf(l, "session %s %d", &key, &version); n == 2 {
				promised[key] = int32(version)
			} else if strings.HasPrefix(l, "put") {
				puts++
			}
		}
		f, err := Dir(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []string{"", "kv", "sessions"} {
			list, _ := f.List(d)
			for _, e := range list {
				if strings.HasPrefix(e.Name, tempPrefix) {
					temps++
				}
			}
		}
		s := open(t, f, Options{MaxBytes: 4 << 20, WearBytes: 1 << 40})
		if st := s.Stats(); st.Damaged > 0 || st.Bytes > st.MaxBytes {
			t.Errorf("round %d: %+v", round, st)
		}
		for key := range uint64(8) {
			n, err := load(s, model(1), tokens(key, 4000))
			if err != nil {
				t.Errorf("round %d: %v", round, err)
			}
			if n > 0 {
				found++
			}
			x, err := s.Session(1, fmt.Sprint(key))
			want, ok := promised[fmt.Sprint(key)]
			if ok && err != nil || err != nil && !errors.Is(err, ErrNone) || ok && len(x.IDs) != 1 {
				t.Errorf("round %d: session %d: %v", round, key, err)
			} else if ok && x.IDs[0] < want { // a later one may not have been told any more
				t.Errorf("round %d: session %d has version %d, %d was promised", round, key, x.IDs[0], want)
			}
		}
		shut(t, s)
	}
	t.Logf("%d kills: %d snapshots written, %d kills in the middle of a file, %d snapshots found and right, none wrong", rounds, puts, temps, found)
}
