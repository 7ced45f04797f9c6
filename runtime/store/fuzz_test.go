package store

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

// FuzzSnapshot: whatever a file holds, it is refused or gives the content that was put.
func FuzzSnapshot(f *testing.F) {
	for _, n := range []int{1, 20, 40} {
		h := &header{model: model(1), size: int64(perToken * n), ids: tokens(uint64(n), n)}
		var b bytes.Buffer
		w, err := newBlockWriter(&b, h)
		if err == nil {
			_, err = w.Write(content(h.model, h.ids))
		}
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		h, err := readHeader(r, int64(len(b)))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Error(err)
			}
			return
		}
		if !bytes.HasPrefix(b, h.bytes()) {
			t.Error("another header")
		}
		p, err := io.ReadAll(newBlockReader(r, h))
		if err != nil && !errors.Is(err, ErrCorrupt) || err == nil && int64(len(p)) != h.size {
			t.Errorf("%d of %d bytes: %v", len(p), h.size, err)
		}
	})
}

// FuzzSession: whatever a file holds, it is refused or is a session.
func FuzzSession(f *testing.F) {
	for _, x := range []Session{{}, {User: 1, ID: "a", Name: "m", IDs: tokens(1, 30), State: []byte("s")}} {
		b, err := x.bytes()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := parseSession(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Error(err)
			}
			return
		}
		again, err := x.bytes()
		if err != nil {
			t.Fatal(err)
		}
		y, err := parseSession(again)
		if err != nil || y.ID != x.ID || !slices.Equal(y.IDs, x.IDs) || !bytes.Equal(y.State, x.State) {
			t.Errorf("%+v became %+v, %v", x, y, err)
		}
	})
}
