package data

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/internal/shard"
)

// TestRemap: the same rows with other ids, at other widths of an id; a row with an
// id that is gone is an error.
func TestRemap(t *testing.T) {
	tok := load(t)
	from := build(t, Options{Files: []string{write(t, "a.txt", corpus(40))}, Tokenizer: tok, Length: 32, HeldOut: 0.2})
	to := make([]int32, from.Vocab)
	for i := range to {
		to[i] = int32(70000 + i)
	}
	run := func(m Remap) (*Rows, error) {
		path := filepath.Join(t.TempDir(), "rows")
		if err := shard.Run(t.Context(), path, m, shard.Selection{}, shard.Options{}); err != nil {
			return nil, err
		}
		return Open(path)
	}
	got, err := run(Remap{Rows: from, To: to, Vocab: 70000 + len(to)})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if got.Stats != from.Stats || got.Len(HeldOut) != from.Len(HeldOut) || got.Len(Train) != from.Len(Train) {
		t.Fatalf("counts %+v, want %+v", got.Stats, from.Stats)
	}
	var a, b distill.Batch
	for _, s := range []Split{Train, HeldOut} {
		for i := range from.Len(s) {
			if err := from.Batch(s, []int{i}, &a); err != nil {
				t.Fatal(err)
			}
			if err := got.Batch(s, []int{i}, &b); err != nil {
				t.Fatal(err)
			}
			for p := range a.IDs {
				if a.Next[p] >= 0 {
					a.Next[p] += 70000
				}
				a.IDs[p] += 70000
			}
			if !slices.Equal(a.IDs, b.IDs) || !slices.Equal(a.Next, b.Next) || !slices.Equal(a.Docs, b.Docs) {
				t.Fatalf("row %d of split %d differs", i, s)
			}
		}
	}
	to[a.IDs[0]-70000] = -1
	if _, err := run(Remap{Rows: from, To: to, Vocab: 70000 + len(to)}); err == nil || !strings.Contains(err.Error(), "has no new one") {
		t.Errorf("got %v, want that an id is gone", err)
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a.txt", "a.JSONL.gz", "b.md.zst", "c.parquet"} {
		if err := CheckName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"a", "a.csv", "a.gz", "c.parquet.gz"} {
		if CheckName(name) == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
