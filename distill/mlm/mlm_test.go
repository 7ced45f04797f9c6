package mlm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/internal/testdata"
)

// TestGolden: the replacement of the goldens from their random numbers.
func TestGolden(t *testing.T) {
	x := testdata.NPZ(t, testdata.Shared(t, "goldens", "loss", "mlm")+"/expected.npz")
	m := Masker{MaskID: 4, Vocab: 41, Special: 5, Select: 0.3}.defaults()
	for _, c := range []string{"c0.", "c1."} {
		counts := [3]int{}
		for i, id := range x[c+"input_ids_original"].I64 {
			now, target := m.one(int32(id), x[c+"u_select"].F32[i], x[c+"u_action"].F32[i], int32(x[c+"random_ids"].I64[i]))
			if want := x[c+"labels"].I64[i]; int64(now) != x[c+"input_ids"].I64[i] || int64(target) != max(want, -1) {
				t.Fatalf("%s position %d: id %d becomes %d with target %d, want %d, %d", c, i, id, now, target, x[c+"input_ids"].I64[i], want)
			}
			if a := x[c+"action"].U8[i]; a > 0 {
				counts[a-1]++
			}
		}
		if counts[0] == 0 || counts[1] == 0 || counts[2] == 0 {
			t.Errorf("%s: the case lacks an action: %v", c, counts)
		}
	}
}

// TestShares: of a million tokens 15 ± 0.1 % are selected, and of these 80 ± 0.4 %
// hidden, 10 ± 0.3 % replaced, 10 ± 0.3 % kept; special ids stay; random ids are even.
func TestShares(t *testing.T) {
	m := Masker{MaskID: 4, Vocab: 505, Special: 5}
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var tokens, selected, hidden, replaced, kept float64
	drawn := make([]float64, m.Vocab)
	for range 1000 {
		ids := make([]int32, 1100)
		for i := range ids {
			ids[i] = int32(5 + i%500)
			if i%11 == 0 {
				ids[i] = int32(i % 5) // special
			}
		}
		old := slices.Clone(ids)
		for i, target := range m.Mask(ids, r) {
			switch {
			case old[i] < 5 && (ids[i] != old[i] || target != -1):
				t.Fatalf("special id %d became %d", old[i], ids[i])
			case target >= 0 && target != old[i], target < 0 && ids[i] != old[i]:
				t.Fatalf("id %d became %d with target %d", old[i], ids[i], target)
			}
			if old[i] >= 5 {
				tokens++
			}
			if target < 0 {
				continue
			}
			selected++
			switch {
			case ids[i] == 4:
				hidden++
			case ids[i] == old[i]:
				kept++ // a random id is the same once in 500
			default:
				replaced++
				drawn[ids[i]]++
			}
		}
	}
	if tokens != 1e6 {
		t.Fatalf("%v tokens", tokens)
	}
	for name, c := range map[string]struct{ got, want, tol float64 }{
		"selected": {selected / tokens, 0.15, 0.001},
		"hidden":   {hidden / selected, 0.8, 0.004},
		"replaced": {replaced / selected, 0.1 * 499 / 500, 0.003},
		"kept":     {kept / selected, 0.1 + 0.1/500, 0.003},
	} {
		if !(math.Abs(c.got-c.want) <= c.tol) {
			t.Errorf("%s: %.4f, want %.4f ± %g", name, c.got, c.want, c.tol)
		} else {
			t.Logf("%s: %.4f", name, c.got)
		}
	}
	for id, n := range drawn {
		if id < 5 && n != 0 || id >= 5 && math.Abs(n-replaced/500) > 6*math.Sqrt(replaced/500) {
			t.Errorf("id %d was drawn %v times of %v", id, n, replaced)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, m := range []Masker{{}, {Vocab: 5, Special: 5}, {Vocab: 9, MaskID: 9}, {Vocab: 9, Select: 2}, {Vocab: 9, Hide: 0.95, Random: 0.1}, {Vocab: 9, Special: -1}} {
		if m.Check() == nil {
			t.Errorf("%+v passed", m)
		}
	}
}

// TestDraw: half of the pairs are neighbours; the others are of another text, or of
// the same one and no neighbours.
func TestDraw(t *testing.T) {
	var texts []Text // segment {text, place}
	for i := range 5 {
		var x Text
		for j := range 1 + 3*i {
			x = append(x, []int32{int32(i), int32(j)})
		}
		texts = append(texts, x)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, same := range []bool{false, true} {
		next := 0
		seen := map[[2]int32]bool{}
		for range 4000 {
			p, ok := Draw(texts, same, r)
			if !ok {
				t.Fatal("no pair")
			}
			follows := p.A[0] == p.B[0] && p.B[1] == p.A[1]+1
			if p.Next != follows || !p.Next && same != (p.A[0] == p.B[0]) || same && !p.Next && p.A[1] == p.B[1] {
				t.Fatalf("same %v: %v is next: %v", same, p, p.Next)
			}
			if p.Next {
				next++
			} else {
				seen[[2]int32{p.A[0], p.B[0]}] = true
			}
		}
		if math.Abs(float64(next)-2000) > 200 {
			t.Errorf("same %v: %d of 4000 are neighbours", same, next)
		}
		if want := map[bool]int{false: 4 * 3, true: 4}[same]; len(seen) != want {
			t.Errorf("same %v: %d combinations of texts, want %d", same, len(seen), want)
		}
	}
	if _, ok := Draw(texts[:2], false, r); ok {
		t.Error("a pair of one long text")
	}
	if _, ok := Draw(nil, true, r); ok {
		t.Error("a pair of nothing")
	}
}
