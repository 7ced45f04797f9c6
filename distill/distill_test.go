package distill

import "testing"

func TestBatchCheck(t *testing.T) {
	ids := make([]int32, 12)
	for name, c := range map[string]struct {
		b  Batch
		ok bool
	}{
		"fits":               {Batch{IDs: ids, Next: ids, Docs: []int32{2, 4, 6}, Rows: 2, Length: 6}, true},
		"crosses a row":      {Batch{IDs: ids, Next: ids, Docs: []int32{2, 5, 5}, Rows: 2, Length: 6}, false},
		"too short":          {Batch{IDs: ids, Next: ids, Docs: []int32{6}, Rows: 2, Length: 6}, false},
		"too long":           {Batch{IDs: ids, Next: ids, Docs: []int32{6, 6, 6}, Rows: 2, Length: 6}, false},
		"an empty piece":     {Batch{IDs: ids, Next: ids, Docs: []int32{0, 6, 6}, Rows: 2, Length: 6}, false},
		"targets missing":    {Batch{IDs: ids, Next: ids[:11], Docs: []int32{6, 6}, Rows: 2, Length: 6}, false},
		"no rows":            {Batch{Length: 6}, false},
		"length of no range": {Batch{Rows: 1, Length: -1}, false},
	} {
		if err := c.b.Check(); (err == nil) != c.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestVocab(t *testing.T) {
	same, err := Vocab{}.For(5)
	if err != nil || !same.Same() || same.Size != 5 {
		t.Fatalf("the zero value: %+v, %v", same, err)
	}
	short, err := Vocab{Size: 3}.For(5)
	if err != nil || short.Same() || short.ToStudent(2) != 2 || short.ToStudent(3) != -1 {
		t.Errorf("the first three: %+v, %v", short, err)
	}
	long, err := Vocab{Size: 7}.For(5)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := long.ToTeacher(5); ok || long.ToStudent(4) != 4 {
		t.Errorf("two more than the teacher: %+v", long)
	}
	trim, err := Vocab{Size: 2, Teacher: []int32{4, 1}}.For(5)
	if err != nil || trim.ToStudent(4) != 0 || trim.ToStudent(1) != 1 || trim.ToStudent(0) != -1 {
		t.Errorf("trimmed: %+v, %v", trim, err)
	}
	if id, ok := trim.ToTeacher(1); id != 1 || !ok {
		t.Errorf("the student's 1 is the teacher's %d, %v", id, ok)
	}
	if _, ok := trim.ToTeacher(-1); ok {
		t.Error("id -1 has a teacher's id")
	}
	for _, bad := range []Vocab{{Size: 1, Teacher: []int32{1, 2}}, {Size: 1, Teacher: []int32{5}}, {Size: 2, Teacher: []int32{1, 1}}, {Size: 1, Teacher: []int32{-1}}} {
		if _, err := bad.For(5); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}
