package distill

import "fmt"

// Vocab relates a student's ids to its teacher's. The zero value says that they
// are the same.
type Vocab struct {
	// Size is the number of the student's ids; 0: the teacher's. Without Teacher
	// they are the teacher's first ones.
	Size int
	// Teacher is the teacher's id of each of the student's, [Size], all
	// distinct: for a trimmed vocabulary.
	Teacher []int32
}

// Mapped is a Vocab for a teacher of a certain number of ids.
type Mapped struct {
	Size    int     // ids of the student
	teacher []int32 // nil: the same
	student []int32 // [teacher's ids], -1: not the student's
}

// For checks v against a teacher of n ids.
func (v Vocab) For(n int) (*Mapped, error) {
	m := &Mapped{Size: v.Size, teacher: v.Teacher, student: make([]int32, n)}
	if m.Size == 0 && v.Teacher == nil {
		m.Size = n
	}
	if v.Teacher != nil && len(v.Teacher) != v.Size {
		return nil, fmt.Errorf("distill: a student of %d ids has %d teacher's ids", v.Size, len(v.Teacher))
	}
	if v.Teacher == nil {
		for i := range m.student {
			if m.student[i] = int32(i); i >= m.Size {
				m.student[i] = -1
			}
		}
		return m, nil
	}
	for i := range m.student {
		m.student[i] = -1
	}
	for s, t := range v.Teacher {
		if t < 0 || int(t) >= n || m.student[t] >= 0 {
			return nil, fmt.Errorf("distill: student's id %d is the teacher's %d: not in 0 to %d, or taken", s, t, n-1)
		}
		m.student[t] = int32(s)
	}
	return m, nil
}

// Same says that every id is its own and none is missing.
func (m *Mapped) Same() bool { return m.teacher == nil && m.Size == len(m.student) }

// ToTeacher is the teacher's id of a student's; false when it has none.
func (m *Mapped) ToTeacher(id int32) (int32, bool) {
	if m.teacher != nil {
		if id < 0 || int(id) >= len(m.teacher) {
			return 0, false
		}
		return m.teacher[id], true
	}
	return id, id >= 0 && int(id) < len(m.student)
}

// ToStudent is the student's id of a teacher's, -1 when it has none. id must be
// one of the teacher's.
func (m *Mapped) ToStudent(id int32) int32 { return m.student[id] }
