package pipeline

import (
	"context"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/distill"
)

// TestPeekedRows: rows come whole and in the order that is asked for, a batch passes
// its own check, and a row that is not there is refused.
func TestPeekedRows(t *testing.T) {
	b := &distill.Batch{Rows: 3, Length: 4, IDs: []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
		Next: []int32{1, -1, 3, -1, 5, 6, 7, -1, -1, 10, 11, -1}, Docs: []int32{2, 2, 4, 1, 3}}
	r := rowsOf(b)
	var got distill.Batch
	for range 2 { // the second time into the same slices
		if err := r.Batch([]int{2, 0}, &got); err != nil {
			t.Fatal(err)
		}
		if err := got.Check(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.IDs, []int32{8, 9, 10, 11, 0, 1, 2, 3}) || !slices.Equal(got.Docs, []int32{1, 3, 2, 2}) ||
			!slices.Equal(got.Next, []int32{-1, 10, 11, -1, 1, -1, 3, -1}) {
			t.Fatalf("got %+v", got)
		}
	}
	if err := r.Batch([]int{3}, &got); err == nil {
		t.Error("row 3 of 3 was given")
	}
}

// TestRehearsed: a plan runs the cache's own code on some rows and measures the
// students whole, quantized ones too, where that is quick; one whose ids are another
// number, or that is too large, is planned by a sum.
func TestRehearsed(t *testing.T) {
	r := folder(t)
	p, err := New(r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := p.until(ctx, "plan"); err != nil {
		t.Fatal(err)
	}
	var x planned
	if err := p.result("plan", &x); err != nil {
		t.Fatal(err)
	}
	q, err := p.probe(ctx, x)
	if err != nil {
		t.Fatal(err)
	}
	if !(q.CacheRow > 0) || q.CacheMax < 1<<20 {
		t.Errorf("the cache was not rehearsed: %g s a row, %d bytes", q.CacheRow, q.CacheMax)
	}
	f, done, err := p.openBase(ctx, x)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if !p.rehearsable(x, q) {
		t.Fatal("a small student is not rehearsed")
	}
	if err := p.rehearseScores(ctx, x, f, q); err != nil {
		t.Fatal(err)
	}
	if !(q.One.Row > 0) || !(q.All.Row > 0) || q.One.Max < 1<<20 || q.All.Max < 1<<20 {
		t.Errorf("scoring: %+v, %+v", q.One, q.All)
	}
	large, other := x, x
	large.Params = rehearseBytes/4 + 1
	other.To.Vocab--
	if p.rehearsable(large, q) || p.rehearsable(other, q) {
		t.Error("students that cannot be measured are rehearsed")
	}
}
