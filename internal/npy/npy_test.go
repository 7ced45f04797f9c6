package npy

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/internal/testdata"
)

func file(descr, shape string, data ...byte) []byte {
	head := "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + shape + "), }\n"
	return append(append([]byte{0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, byte(len(head)), 0}, head...), data...)
}

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		want Array
	}{
		"f2":     {file("<f2", "2,", 0, 0x3c, 0, 0xc0), Array{Shape: []int{2}, F32: []float32{1, -2}}},
		"f4":     {file("<f4", "1, 1", 0, 0, 0x80, 0x3f), Array{Shape: []int{1, 1}, F32: []float32{1}}},
		"f8":     {file("<f8", "1,", 0, 0, 0, 0, 0, 0, 0xf0, 0x3f), Array{Shape: []int{1}, F32: []float32{1}}},
		"i4":     {file("<i4", "", 0xfe, 0xff, 0xff, 0xff), Array{Shape: []int{}, I64: []int64{-2}}},
		"i8":     {file("<i8", "1,", 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), Array{Shape: []int{1}, I64: []int64{-3}}},
		"empty":  {file("<f4", "0, 7"), Array{Shape: []int{0, 7}, F32: []float32{}}},
		"second": {append([]byte("\x93NUMPY\x02\x00\x37\x00\x00\x00"), "{'shape': (), 'fortran_order':False, 'descr':'<f4', } \n\x00\x00\x80\x3f"...), Array{Shape: []int{}, F32: []float32{1}}},
	} {
		a, err := Read(bytes.NewReader(c.b), int64(len(c.b)))
		if err != nil || !reflect.DeepEqual(*a, c.want) {
			t.Errorf("%s: %+v, %v, want %+v", name, a, err, c.want)
		}
	}
}

func TestRefuses(t *testing.T) {
	good := file("<f4", "2,", make([]byte, 8)...)
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"empty":    {nil, "not a NumPy file"},
		"magic":    {[]byte("PK\x03\x04567890123"), "not a NumPy file"},
		"version":  {append([]byte("\x93NUMPY\x09\x00"), good[8:]...), "version 9"},
		"header":   {[]byte("\x93NUMPY\x01\x00\xff\xff{"), "header of 65535 bytes in a file of 11"},
		"big":      {[]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{"), "header of 4294967295 bytes"},
		"short":    {good[:len(good)-1], "do not make the 7 bytes"},
		"long":     {append(good, 0), "do not make the 9 bytes"},
		"type":     {file("<c8", "1,", make([]byte, 8)...), `"<c8"`},
		"endian":   {file(">f4", "1,", make([]byte, 4)...), `">f4"`},
		"fortran":  {bytes.Replace(good, []byte("False"), []byte("True "), 1), "ascontiguousarray"},
		"overflow": {file("<f4", "65536, 65536, 65536, 65536"), "do not make"},
		"digits":   {file("<f4", "99999999999999999999"), "is no size"},
		"negative": {file("<f4", "-1,"), "no dictionary"},
		"dims":     {file("<f4", "1,1,1,1,1,1,1,1,1", make([]byte, 4)...), "9 dimensions"},
		"pickle":   {file("|O", "1,", 0), `"|O"`},
		"record":   {bytes.Replace(good, []byte("'<f4'"), []byte("[('a', '<f4')]"), 1), "no dictionary"},
	} {
		if name == "fortran" {
			c.b = bytes.Replace(c.b, []byte("True "), []byte(" True"), 1)
		}
		if name == "record" {
			c.b[8] += 9
		}
		if _, err := Read(bytes.NewReader(c.b), int64(len(c.b))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	dir := t.TempDir()
	if _, err := ReadFile(dir); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: %v", err)
	}
	if err := Write(&bytes.Buffer{}, &Array{Shape: []int{2}, F32: []float32{1}}); err == nil {
		t.Error("a short array was written")
	}
}

// TestWrite: what is written is read back, by the other reader of the tests too.
func TestWrite(t *testing.T) {
	for _, shape := range [][]int{{}, {3}, {2, 3}, {4, 1, 2}, {0, 5}, {300, 100}} {
		n, _ := count(shape)
		a := &Array{Shape: shape, F32: make([]float32, n)}
		for i := range a.F32 {
			a.F32[i] = float32(i) / 7
		}
		path := filepath.Join(t.TempDir(), "a.npy")
		var b bytes.Buffer
		if err := Write(&b, a); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFile(path)
		if err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("%v: %v, %v", shape, got, err)
		}
		other, err := testdata.ParseNPY(b.Bytes())
		if err != nil || !reflect.DeepEqual(other.Shape, shape) || len(other.F32) != n {
			t.Errorf("%v: the other reader: %v, %v", shape, other, err)
		}
		if (b.Len()-4*n)%64 != 0 {
			t.Errorf("%v: elements begin at %d", shape, b.Len()-4*n)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file("<f4", "2,", make([]byte, 8)...))
	f.Add(file("<i8", "1, 1", make([]byte, 8)...))
	f.Add(file("<f2", "0, 9999999999"))
	f.Add([]byte("\x93NUMPY\x03\x00\x10\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		n, ok := count(a.Shape)
		if !ok || len(a.F32)+len(a.I64) != n || n > len(b) {
			t.Fatalf("%v with %d floats and %d integers of %d bytes", a.Shape, len(a.F32), len(a.I64), len(b))
		}
		if a.I64 != nil || n == 0 {
			return
		}
		var w bytes.Buffer
		if err := Write(&w, a); err != nil {
			t.Fatal(err)
		}
		back, err := Read(&w, int64(w.Len()))
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range a.F32 {
			if math.Float32bits(back.F32[i]) != math.Float32bits(v) {
				t.Fatalf("element %d", i)
			}
		}
	})
}
