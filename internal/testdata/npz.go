package testdata

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
)

// Array is one member of an .npz file in C order. Exactly one of the typed
// slices is set, by the member's dtype.
type Array struct {
	Shape []int
	F32   []float32 // <f4
	F64   []float64 // <f8
	I64   []int64   // <i8, <i4 (widened)
	U8    []byte    // |u1, |b1 (0 or 1), |i1 (as stored)
	U16   []uint16  // <u2
	U32   []uint32  // <u4
}

// Len is the number of elements.
func (a *Array) Len() int {
	n := 1
	for _, d := range a.Shape {
		n *= d
	}
	return n
}

// NPZ reads every member of an .npz file; keys carry no ".npy".
func NPZ(t testing.TB, path string) map[string]*Array {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := make(map[string]*Array, len(z.File))
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		a, err := ParseNPY(b)
		if err != nil {
			t.Fatalf("%s: %s: %v", path, f.Name, err)
		}
		out[strings.TrimSuffix(f.Name, ".npy")] = a
	}
	return out
}

// ParseNPY decodes one .npy file, version 1 or 2, little endian, C order.
func ParseNPY(b []byte) (*Array, error) {
	if len(b) < 12 || string(b[:6]) != "\x93NUMPY" {
		return nil, fmt.Errorf("not an npy file")
	}
	n, off := int(binary.LittleEndian.Uint16(b[8:])), 10
	if b[6] > 1 {
		n, off = int(binary.LittleEndian.Uint32(b[8:])), 12
	}
	head, data := string(b[off:off+n]), b[off+n:]
	if strings.Contains(head, "'fortran_order': True") {
		return nil, fmt.Errorf("fortran order")
	}
	a := &Array{Shape: []int{}}
	for _, s := range strings.Split(between(head, "'shape': (", ")"), ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		d, err := strconv.Atoi(s)
		if err != nil {
			return nil, err
		}
		a.Shape = append(a.Shape, d)
	}
	return a, a.fill(between(head, "'descr': '", "'"), data)
}

func (a *Array) fill(descr string, data []byte) error {
	n, le := a.Len(), binary.LittleEndian
	width, err := strconv.Atoi(descr[len(descr)-1:])
	if err != nil || len(data) < n*width {
		return fmt.Errorf("%s: %d elements in %d bytes", descr, n, len(data))
	}
	for i := range n {
		p := data[i*width:]
		switch descr {
		case "<f4":
			a.F32 = append(a.F32, math.Float32frombits(le.Uint32(p)))
		case "<f8":
			a.F64 = append(a.F64, math.Float64frombits(le.Uint64(p)))
		case "<i8":
			a.I64 = append(a.I64, int64(le.Uint64(p)))
		case "<i4":
			a.I64 = append(a.I64, int64(int32(le.Uint32(p))))
		case "<u2":
			a.U16 = append(a.U16, le.Uint16(p))
		case "<u4":
			a.U32 = append(a.U32, le.Uint32(p))
		case "|u1", "|b1", "|i1":
			a.U8 = append(a.U8, p[0])
		default:
			return fmt.Errorf("dtype %s", descr)
		}
	}
	return nil
}

func between(s, open, end string) string {
	i := strings.Index(s, open)
	if i < 0 {
		return ""
	}
	s = s[i+len(open):]
	if j := strings.Index(s, end); j >= 0 {
		return s[:j]
	}
	return s
}
