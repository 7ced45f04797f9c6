package spool

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestRoom: the message has the numbers that the user can check.
func TestRoom(t *testing.T) {
	dir := t.TempDir()
	var space int64
	f, err := create(dir, func(string) (int64, error) { return space, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, c := range []struct {
		free, need, room int64
		says             string // "" = no error
	}{
		{Reserve + 10, 0, 10, ""},
		{Reserve + 10, 10, 10, ""},
		{Reserve + 10, 11, 10, "11 bytes are needed, 67108874 bytes are free in " + dir + ", 67108864 of them are left free"},
		{5, 0, 0, "data: 5 bytes are free in " + dir + ", 5 of them are left free"},
		{0, 0, 0, "data: 0 bytes are free"},
	} {
		space = c.free
		n, err := f.Room(c.need)
		if n != c.room || (err == nil) != (c.says == "") || err != nil && (!errors.Is(err, ErrSpace) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%d free, %d needed: got %d, %v", c.free, c.need, n, err)
		}
	}
	if _, _, err := f.Append(context.Background(), strings.NewReader("abc"), 2); !errors.Is(err, ErrLimit) || errors.Is(err, ErrSpace) {
		t.Errorf("got %v, want ErrLimit", err)
	}
	if off, n, err := f.Append(context.Background(), strings.NewReader("abc"), 3); err != nil || off != 0 || n != 3 {
		t.Errorf("got %d, %d, %v", off, n, err)
	}
}
