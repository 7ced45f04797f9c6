package checkpoint_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert/checkpoint"
)

// TestStack reads parts, one of them transposed, as one tensor in pieces of
// every size.
func TestStack(t *testing.T) {
	var b []byte
	for i := range 24 {
		b = binary.LittleEndian.AppendUint16(b, uint16(i))
	}
	part := func(off int64, strides []int64) *checkpoint.Tensor {
		return &checkpoint.Tensor{Name: "e", DType: checkpoint.F16, Shape: []int64{2, 4}, Strides: strides, Off: off, R: bytes.NewReader(b), File: "f"}
	}
	s, err := checkpoint.Stack("all", []*checkpoint.Tensor{part(0, nil), part(16, []int64{1, 2}), part(32, nil)})
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for _, i := range []uint16{0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 9, 11, 13, 15, 16, 17, 18, 19, 20, 21, 22, 23} {
		want = binary.LittleEndian.AppendUint16(want, i)
	}
	if !slices.Equal(s.Shape, []int64{3, 2, 4}) || s.Bytes() != 48 || !s.Contiguous() {
		t.Fatalf("shape %v, %d bytes", s.Shape, s.Bytes())
	}
	for lo := int64(0); lo < 24; lo++ {
		for hi := lo; hi <= 24; hi++ {
			got := make([]byte, 2*(hi-lo))
			if err := s.ReadFlat(got, lo, hi); err != nil || !bytes.Equal(got, want[2*lo:2*hi]) {
				t.Fatalf("%d to %d: %v, %v", lo, hi, got, err)
			}
		}
	}
	if err := s.ReadFlat(make([]byte, 4), 23, 25); err == nil {
		t.Error("read beyond the end")
	}
	other := part(0, nil)
	other.Shape = []int64{4, 2}
	for _, parts := range [][]*checkpoint.Tensor{nil, {part(0, nil), other}} {
		if _, err := checkpoint.Stack("all", parts); err == nil || !strings.Contains(err.Error(), "tensor") {
			t.Errorf("%d parts: %v", len(parts), err)
		}
	}
}
