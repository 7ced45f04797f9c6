package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/internal/testdata"
)

// file puts a header before n bytes of data.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	for i := range n {
		b = append(b, byte(i))
	}
	return b
}

func TestParse(t *testing.T) {
	const a = `"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`
	for _, c := range []struct{ name, header, want string }{
		{"good", `{` + a + `,"b":{"dtype":"BF16","shape":[2,1],"data_offsets":[8,12]},"__metadata__":{"format":"pt"}}   `, ""},
		{"scalar and empty", `{"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"e":{"dtype":"F16","shape":[0,7],"data_offsets":[8,8]},"x":{"dtype":"U8","shape":[4],"data_offsets":[8,12]}}`, ""},
		{"F4", `{"s":{"dtype":"F4","shape":[24],"data_offsets":[0,12]}}`, ""},
		{"F6 not whole", `{"s":{"dtype":"F6_E2M3","shape":[3],"data_offsets":[0,12]}}`, "whole number of bytes"},
		{"no JSON", `{`, "ends early"},
		{"array", `[]`, "where { should be"},
		{"after the object", `{} {}`, "after the header's object"},
		{"twice", `{` + a + `,` + a + `}`, "appears twice"},
		{"dtype twice", `{"a":{"dtype":"F32","dtype":"F32","shape":[3],"data_offsets":[0,12]}}`, "dtype appears twice"},
		{"no dtype", `{"a":{"shape":[3],"data_offsets":[0,12]}}`, "missing"},
		{"unknown dtype", `{"a":{"dtype":"Q4","shape":[3],"data_offsets":[0,12]}}`, `unknown dtype "Q4"`},
		{"unknown field", `{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12],"x":1}}`, `unknown field "x"`},
		{"fraction", `{"a":{"dtype":"F32","shape":[3.5],"data_offsets":[0,12]}}`, "shape holds 3.5"},
		{"exponent", `{"a":{"dtype":"F32","shape":[1e9],"data_offsets":[0,12]}}`, "shape holds 1e9"},
		{"2^63", `{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,12]}}`, "shape holds"},
		{"product overflows", `{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,12]}}`, "too large"},
		{"nine dimensions", `{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,3],"data_offsets":[0,12]}}`, "more than 8"},
		{"one offset", `{"a":{"dtype":"F32","shape":[3],"data_offsets":[0]}}`, "not two"},
		{"three offsets", `{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12,13]}}`, "more than two"},
		{"reversed", `{"a":{"dtype":"F32","shape":[3],"data_offsets":[12,0]}}`, "needs 12 bytes"},
		{"past the end", `{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, "12 bytes are there"},
		{"hole at the end", `{` + a + `}`, "belong to no tensor"},
		{"hole", `{"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, "4 bytes after"},
		{"overlap", `{"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, "inside the tensor before"},
		{"metadata of numbers", `{"__metadata__":{"a":1}}`, "no string"},
		{"deep", strings.Repeat(`{"a":`, 100), `unknown field "a"`},
	} {
		_, _, err := Parse([]byte(c.header), 12)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if fe := new(FormatError); err != nil && !errors.As(err, &fe) {
			t.Errorf("%s: %T is no FormatError", c.name, err)
		}
	}
}

func TestShardsGolden(t *testing.T) {
	f, err := OpenIndex(testdata.Shared(t, "goldens", "models", "qwen2-untied-sharded-bf16", "checkpoint", "model.safetensors.index.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(f.Tensors()) != 27 || f.Metadata()["format"] != "pt" {
		t.Errorf("%d tensors, metadata %v; want 27 of format pt", len(f.Tensors()), f.Metadata())
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8))
	f.Add(file(`{"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}  `, 12))
	f.Add(file(`{}`, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := Read(bytes.NewReader(b), int64(len(b)), "fuzz")
		if err != nil {
			return
		}
		total := int64(0)
		for _, ten := range x.Tensors() {
			total += ten.Bytes()
			rows, cols := ten.Matrix()
			if ten.DType.Bytes() == 0 || rows*cols == 0 {
				continue
			}
			buf := make([]byte, ten.Bytes())
			if err := ten.ReadRows(buf, 0, rows, make([]byte, checkpoint.MinScratch)); err != nil {
				t.Fatalf("%q %v %v: %v", ten.Name, ten.DType, ten.Shape, err)
			}
		}
		if total > int64(len(b)) {
			t.Fatalf("tensors of %d bytes in a file of %d", total, len(b))
		}
	})
}
