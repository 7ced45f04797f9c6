package asmgen

import (
	"slices"
	"strings"
	"testing"
)

func TestSchedule(t *testing.T) {
	var a Arm64
	a.Scheduled(func() {
		a.LoadB16(0, 1)        // 0
		a.ADD(2, 1, 1)         // 1: waits for 0
		a.StoreB16(8, 2)       // 2: waits for 1
		a.LoadLaneH(0, 3, 0)   // 3: moves R0 on after 0
		a.LoadLaneH(4, 3, 1)   // 4: keeps the rest of V3
		a.LoadB16(8, 1)        // 5: after the store by R8, and V1's reader
		a.SDOT(6, 1, 3)        // 6
		a.Prefetch(12, 64)     // 7: waits for nothing
		a.ADDImm(64, 12, 12)   // 8: after 7
		a.FMULElem(7, 6, 2, 1) // 9
	})
	lines := strings.Split(strings.TrimSuffix(string(a.Bytes()), "\n"), "\n")
	var plain Arm64
	plain.LoadB16(0, 1)
	plain.ADD(2, 1, 1)
	plain.StoreB16(8, 2)
	plain.LoadLaneH(0, 3, 0)
	plain.LoadLaneH(4, 3, 1)
	plain.LoadB16(8, 1)
	plain.SDOT(6, 1, 3)
	plain.Prefetch(12, 64)
	plain.ADDImm(64, 12, 12)
	plain.FMULElem(7, 6, 2, 1)
	want := strings.Split(strings.TrimSuffix(string(plain.Bytes()), "\n"), "\n")
	at := make([]int, len(want))
	for i, s := range want {
		at[i] = slices.Index(lines, s)
	}
	if len(lines) != len(want) || slices.Contains(at, -1) {
		t.Fatalf("got %q, want %q in some order", lines, want)
	}
	for _, p := range [][2]int{{0, 1}, {1, 2}, {0, 3}, {3, 4}, {2, 5}, {1, 5}, {4, 6}, {5, 6}, {7, 8}, {6, 9}, {1, 9}} {
		if at[p[0]] > at[p[1]] {
			t.Errorf("%q comes after %q", want[p[0]], want[p[1]])
		}
	}
	if at[3] > at[1] {
		t.Errorf("%q waits for a load while %q does not: %q", want[1], want[3], lines)
	}
}

func TestScheduleUnknown(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a branch is scheduled")
		}
	}()
	var a Arm64
	a.Scheduled(func() { a.BNE("loop") })
}
