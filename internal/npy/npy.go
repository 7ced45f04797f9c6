// Package npy reads and writes NumPy's .npy files: one array of numbers, little
// endian, in C order. It must not know what the numbers mean. A file is hostile:
// nothing is allocated beyond what its size bears out.
//
//	a, err := npy.ReadFile("x.npy")
//	err = npy.Write(w, &npy.Array{Shape: []int{2, 3}, F32: y})
package npy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/x448/float16"
)

// MaxDims bounds the rank of an array.
const MaxDims = 8

// maxHeader bounds the header, which is a line of text.
const maxHeader = 1 << 16

// Array is an array in C order. Exactly one of F32 and I64 is set, unless it has no
// elements.
type Array struct {
	Shape []int
	F32   []float32 // of <f2, <f4 and <f8, rounded
	I64   []int64   // of <i4 and <i8
}

// Header is the beginning of a file (version 1.0) of little-endian elements of
// the type that descr names, "<f4". Elements follow at a multiple of 64.
func Header(descr string, shape ...int) []byte {
	dims := make([]string, len(shape))
	for i, d := range shape {
		dims[i] = strconv.Itoa(d)
	}
	text := strings.Join(dims, ", ")
	if len(shape) == 1 {
		text += ","
	}
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, text)
	head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), 0, 0)
	binary.LittleEndian.PutUint16(b[8:], uint16(len(head)))
	return append(b, head...)
}

// Write writes a's floats as <f4.
func Write(w io.Writer, a *Array) error {
	n, ok := count(a.Shape)
	if !ok || n != len(a.F32) {
		return fmt.Errorf("npy: %d values in an array of shape %v", len(a.F32), a.Shape)
	}
	b := bufio.NewWriter(w)
	if _, err := b.Write(Header("<f4", a.Shape...)); err != nil {
		return err
	}
	var p [4]byte
	for _, v := range a.F32 {
		binary.LittleEndian.PutUint32(p[:], math.Float32bits(v))
		if _, err := b.Write(p[:]); err != nil {
			return err
		}
	}
	return b.Flush()
}

// ReadFile reads the array of a file.
func ReadFile(path string) (*Array, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("npy: %s is no regular file", path)
	}
	a, err := Read(bufio.NewReader(f), st.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// Read reads a file of size bytes.
func Read(r io.Reader, size int64) (*Array, error) {
	var pre [12]byte
	at := int64(10)
	if _, err := io.ReadFull(r, pre[:at]); err != nil || string(pre[:6]) != "\x93NUMPY" {
		return nil, errors.New("npy: not a NumPy file: it does not begin with \\x93NUMPY")
	}
	length := int64(binary.LittleEndian.Uint16(pre[8:]))
	switch pre[6] {
	case 1:
	case 2, 3:
		if _, err := io.ReadFull(r, pre[at:]); err != nil {
			return nil, fmt.Errorf("npy: offset %d: the header's length: %w", at, err)
		}
		at, length = 12, int64(binary.LittleEndian.Uint32(pre[8:]))
	default:
		return nil, fmt.Errorf("npy: offset 6: format version %d, want 1 to 3", pre[6])
	}
	if length > maxHeader || length > size-at {
		return nil, fmt.Errorf("npy: offset 8: a header of %d bytes in a file of %d", length, size)
	}
	head := make([]byte, length)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("npy: offset %d: the header: %w", at, err)
	}
	at += length
	descr, shape, err := parse(string(head))
	if err != nil {
		return nil, err
	}
	n, ok := count(shape)
	width := widths[descr]
	switch {
	case width == 0:
		return nil, fmt.Errorf("npy: field 'descr': elements of type %.20q, want one of <f2 <f4 <f8 <i4 <i8", descr)
	case !ok || int64(n) > (size-at)/int64(width) || int64(n)*int64(width) != size-at:
		return nil, fmt.Errorf("npy: field 'shape': %v of %d bytes each do not make the %d bytes from offset %d on", shape, width, size-at, at)
	}
	a := &Array{Shape: shape}
	return a, a.fill(r, descr, n, width, at)
}

// widths are the element types that can be read, in bytes.
var widths = map[string]int{"<f2": 2, "<f4": 4, "<f8": 8, "<i4": 4, "<i8": 8}

func (a *Array) fill(r io.Reader, descr string, n, width int, at int64) error {
	if descr[1] == 'f' {
		a.F32 = make([]float32, n)
	} else {
		a.I64 = make([]int64, n)
	}
	le := binary.LittleEndian
	buf := make([]byte, min(n, 1<<13)*width)
	for done := 0; done < n; {
		b := buf[:min(len(buf), (n-done)*width)]
		if _, err := io.ReadFull(r, b); err != nil {
			return fmt.Errorf("npy: element %d at offset %d: %w", done, at+int64(done*width), err)
		}
		for ; len(b) > 0; b, done = b[width:], done+1 {
			switch descr {
			case "<f2":
				a.F32[done] = float16.Frombits(le.Uint16(b)).Float32()
			case "<f4":
				a.F32[done] = math.Float32frombits(le.Uint32(b))
			case "<f8":
				a.F32[done] = float32(math.Float64frombits(le.Uint64(b)))
			case "<i4":
				a.I64[done] = int64(int32(le.Uint32(b)))
			case "<i8":
				a.I64[done] = int64(le.Uint64(b))
			}
		}
	}
	return nil
}

// header is the dictionary that NumPy writes, in its order; the order of a hand-made
// one may differ, so each field is looked for alone.
var (
	dict    = regexp.MustCompile(`^\{[^{}]*\}\s*$`)
	descrOf = regexp.MustCompile(`'descr':\s*'([^']{1,16})'`)
	orderOf = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	shapeOf = regexp.MustCompile(`'shape':\s*\(([0-9, ]*)\)`)
)

func parse(head string) (descr string, shape []int, err error) {
	d, o, s := descrOf.FindStringSubmatch(head), orderOf.FindStringSubmatch(head), shapeOf.FindStringSubmatch(head)
	if !dict.MatchString(head) || d == nil || o == nil || s == nil {
		return "", nil, errors.New("npy: the header is no dictionary of descr, fortran_order and shape for an array of numbers")
	}
	if o[1] == "True" {
		return "", nil, errors.New("npy: field 'fortran_order': columns come first, want rows: save np.ascontiguousarray of it")
	}
	shape = []int{}
	for _, f := range strings.Split(s[1], ",") {
		if f = strings.TrimSpace(f); f == "" {
			continue
		}
		n, err := strconv.Atoi(f)
		if err != nil || n > math.MaxInt32 {
			return "", nil, fmt.Errorf("npy: field 'shape': %.40q is no size", f)
		}
		shape = append(shape, n)
	}
	if len(shape) > MaxDims {
		return "", nil, fmt.Errorf("npy: field 'shape': %d dimensions, at most %d", len(shape), MaxDims)
	}
	return d[1], shape, nil
}

// count multiplies a shape out; false where that overflows.
func count(shape []int) (int, bool) {
	n := 1
	for _, d := range shape {
		if d < 0 || d > 0 && n > math.MaxInt32/d {
			return 0, false
		}
		n *= d
	}
	return n, true
}
