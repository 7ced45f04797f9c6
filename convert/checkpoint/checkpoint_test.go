package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestReadRows compares every kind of view with an element-by-element walk.
func TestReadRows(t *testing.T) {
	store := make([]byte, 4*4096)
	for i := range 4096 {
		binary.LittleEndian.PutUint32(store[4*i:], uint32(i))
	}
	for _, c := range []struct{ shape, strides []int64 }{
		{[]int64{}, []int64{}},
		{[]int64{7}, nil},
		{[]int64{7}, []int64{3}},
		{[]int64{6, 8}, nil},
		{[]int64{8, 6}, []int64{1, 8}},
		{[]int64{5, 6}, []int64{1, 8}},
		{[]int64{3, 3}, []int64{8, 1}},
		{[]int64{6, 4}, []int64{8, 2}},
		{[]int64{4, 5}, []int64{0, 1}},
		{[]int64{4, 5}, []int64{1, 0}},
		{[]int64{4, 5}, []int64{0, 0}},
		{[]int64{1, 40}, []int64{1, 90}},
		{[]int64{40, 1}, []int64{1, 7}},
		{[]int64{2, 3, 4}, nil},
		{[]int64{2, 3, 4}, []int64{12, 1, 3}},
		{[]int64{4, 3, 2}, []int64{1, 4, 12}},
		{[]int64{3, 2, 5}, []int64{100, 0, 7}},
		{[]int64{60, 60}, []int64{1, 60}},
		{[]int64{2, 2}, []int64{2000, 1500}},
	} {
		for _, off := range []int64{0, 5} {
			x := &Tensor{Name: "x", DType: U32, Shape: c.shape, Strides: c.strides, Off: 4 * off, R: bytes.NewReader(store)}
			rows, cols := x.Matrix()
			for _, step := range []int64{1, 2, 5, rows} {
				for _, scratch := range []int{64, MinScratch, 1 << 16} {
					got := make([]byte, rows*cols*4)
					for lo := int64(0); lo < rows; lo += step {
						hi := min(rows, lo+step)
						if err := x.ReadRows(got[lo*cols*4:hi*cols*4], lo, hi, make([]byte, scratch)); err != nil {
							t.Fatal(err)
						}
					}
					if want := walk(c.shape, c.strides, off); !slices.Equal(words(got), want) {
						t.Fatalf("shape %v strides %v off %d step %d scratch %d:\ngot  %v\nwant %v", c.shape, c.strides, off, step, scratch, words(got), want)
					}
				}
			}
		}
	}
}

func walk(shape, strides []int64, off int64) []uint32 {
	if strides == nil {
		strides = make([]int64, len(shape))
		n := int64(1)
		for i := len(shape) - 1; i >= 0; i-- {
			strides[i], n = n, n*shape[i]
		}
	}
	out := []int64{off}
	for i, d := range shape {
		var next []int64
		for _, o := range out {
			for k := range d {
				next = append(next, o+k*strides[i])
			}
		}
		out = next
	}
	w := make([]uint32, len(out))
	for i, o := range out {
		w[i] = uint32(o)
	}
	return w
}

func words(b []byte) []uint32 {
	w := make([]uint32, len(b)/4)
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return w
}

func TestExtent(t *testing.T) {
	for _, c := range []struct {
		shape, strides []int64
		want           int64
		ok             bool
	}{
		{nil, nil, 1, true},
		{[]int64{2, 3}, []int64{3, 1}, 6, true},
		{[]int64{2, 3}, []int64{1, 10}, 22, true},
		{[]int64{0, 3}, []int64{1 << 62, 1 << 62}, 0, true},
		{[]int64{1, 3}, []int64{1 << 62, 1}, 3, true},
		{[]int64{2, 3}, []int64{-1, 1}, 0, false},
		{[]int64{-2}, nil, 0, false},
		{[]int64{2}, []int64{1, 1}, 0, false},
		{[]int64{1 << 40, 1 << 40}, nil, 0, false},
		{[]int64{1 << 31, 2}, []int64{1 << 31, 1}, 0, false},
		{make([]int64, 9), nil, 0, false},
	} {
		if n, ok := Extent(c.shape, c.strides); n != c.want || ok != c.ok {
			t.Errorf("Extent(%v, %v) = %d, %v; want %d, %v", c.shape, c.strides, n, ok, c.want, c.ok)
		}
	}
}

func TestDecode(t *testing.T) {
	f32 := func(v float32) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)) }
	for _, c := range []struct {
		d    DType
		b    []byte
		want float32
	}{
		{F64, binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.1)), 0.1},
		{F64, binary.LittleEndian.AppendUint64(nil, math.Float64bits(1e300)), float32(math.Inf(1))},
		{F32, f32(-1.5), -1.5},
		{F16, []byte{0, 0xbe}, -1.5},
		{BF16, []byte{0xc0, 0xbf}, -1.5},
		{F8_E4M3, []byte{0x00}, 0},
		{F8_E4M3, []byte{0x01}, 1.0 / 512},
		{F8_E4M3, []byte{0x08}, 1.0 / 64},
		{F8_E4M3, []byte{0x38}, 1},
		{F8_E4M3, []byte{0xbc}, -1.5},
		{F8_E4M3, []byte{0x7e}, 448},
		{F8_E5M2, []byte{0x3c}, 1},
		{F8_E5M2, []byte{0xbe}, -1.5},
		{F8_E5M2, []byte{0x7b}, 57344},
		{F8_E5M2, []byte{0x7c}, float32(math.Inf(1))},
		{F8_E5M2, []byte{0x01}, 1.0 / 65536},
	} {
		var got [1]float32
		if err := c.d.Decode(got[:], c.b); err != nil || got[0] != c.want {
			t.Errorf("%v %x = %v, %v; want %v", c.d, c.b, got[0], err, c.want)
		}
	}
	var one [1]float32
	if err := F8_E4M3.Decode(one[:], []byte{0xff}); err != nil || one[0] == one[0] {
		t.Errorf("F8_E4M3 0xff = %v, want NaN", one[0])
	}
	for d := F64; d <= Packed; d++ {
		err := d.Decode(one[:], make([]byte, d.Bytes()))
		if d.Float() != (err == nil) {
			t.Errorf("%v: Float is %v, Decode says %v", d, d.Float(), err)
		}
		if p, ok := ParseDType(d.String()); d != Packed && (!ok || p != d) {
			t.Errorf("ParseDType(%q) = %v, %v", d, p, ok)
		}
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":1},"weight_map":{"a":"x.safetensors"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := ParseIndex(b)
		if err != nil {
			return
		}
		for _, n := range x.Files() {
			if n == "" || n == ".." || strings.ContainsAny(n, "/\x00") {
				t.Errorf("file name %q", n)
			}
		}
	})
}

// BenchmarkTransposed reads a transposed bf16 matrix of 4096 x 4096 in blocks.
func BenchmarkTransposed(b *testing.B) {
	store := make([]byte, 2*4096*4096)
	x := &Tensor{Name: "x", DType: BF16, Shape: []int64{4096, 4096}, Strides: []int64{1, 4096}, R: bytes.NewReader(store)}
	for _, rows := range []int64{64, 1024} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			buf, scratch := make([]byte, rows*4096*2), make([]byte, 1<<20)
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				lo := rand.Int64N(4096/rows) * rows
				if err := x.ReadRows(buf, lo, lo+rows, scratch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
