package gguf_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
)

// TestMalformed has one case for each way a file can lie, among them the
// classes of the published GGUF advisories: heap over-read past the end
// (CVE-2026-7482), missing keys dereferenced (CVE-2024-39720, CVE-2025-0312),
// unbounded allocation (CVE-2025-0315), division by zero (CVE-2025-0317),
// integer overflow of sizes (CVE-2026-27940), negative lengths
// (CVE-2026-21869), nesting without end.
func TestMalformed(t *testing.T) {
	one := func(typ uint32, offset uint64, dims ...uint64) []byte {
		return newFile(3, 1, 0).tensor("w", typ, offset, dims...).pad(32).zeros(256).b
	}
	align := func(a uint32) []byte {
		return newFile(3, 1, 1).kv("general.alignment", 4).u32(a).tensor("w", 0, 0, 8).pad(32).zeros(64).b
	}
	two := func(off uint64) []byte {
		return newFile(3, 2, 0).tensor("a", 0, 0, 16).tensor("b", 0, off, 16).pad(32).zeros(256).b
	}
	for _, c := range []struct {
		name  string
		data  []byte
		field string // in the error
		says  string
	}{
		{"empty", nil, "magic", "needs 4 bytes, 0 are left"},
		{"magic", []byte("PK\x03\x04................"), "magic", "not a GGUF file"},
		{"lfs pointer", []byte("version https://git-lfs.github.com/spec/v1"), "magic", `begins with "vers"`},
		{"version 1", newFile(1, 0, 0).b, "version", "version 1"},
		{"version 4", newFile(4, 0, 0).b, "version", "version 4"},
		{"big-endian", append([]byte("GGUF\x00\x00\x00\x03"), make([]byte, 64)...), "version", "big-endian"},
		{"header cut", newFile(3, 0, 0).b[:20], "key count", "needs 8 bytes"},

		{"tensor count 2^63", newFile(3, 1<<63, 0).zeros(64).b, "tensor count", "9223372036854775808 entries"},
		{"tensor count -1", newFile(3, huge, 0).zeros(64).b, "tensor count", "entries"},
		{"key count 2^63", newFile(3, 0, 1<<63).zeros(64).b, "key count", "entries"},
		{"key count -1", newFile(3, 0, huge).zeros(64).b, "key count", "entries"},
		{"key count 2^40", newFile(3, 0, 1<<40).zeros(64).b, "key count", "entries"},

		{"key length 2^62", newFile(3, 0, 1).u64(1 << 62).zeros(64).b, "key 0 of 1", "name of 4611686018427387904 bytes"},
		{"key length -1", newFile(3, 0, 1).u64(huge).zeros(64).b, "key 0 of 1", "name of"},
		{"key length past the end", newFile(3, 0, 1).u64(200).zeros(64).b, "key 0 of 1", "needs 200 bytes"},
		{"key of no length", newFile(3, 0, 1).str("").u32(4).u32(1).zeros(64).b, "key 0 of 1", "name of 0 bytes"},
		{"duplicate key", newFile(3, 0, 2).kv("k", 4).u32(1).kv("k", 4).u32(2).b, `key "k"`, "duplicate"},
		{"unknown value type", newFile(3, 0, 1).kv("k", 13).zeros(64).b, `key "k"`, "unknown value type 13"},
		{"string length -1", newFile(3, 0, 1).kv("k", 8).u64(huge).zeros(64).b, `key "k"`, "needs 18446744073709551615 bytes"},
		{"scalar cut", newFile(3, 0, 1).kv("kkkkkkkk", 10).u32(1).b, `key "kkkkkkkk"`, "needs 8 bytes, 4 are left"},
		{"bool 2", newFile(3, 0, 1).kv("k", 7).u8(2).b, `key "k"`, "bool is 2"},
		{"bool 2 in array", newFile(3, 0, 1).kv("k", 9).u32(7).u64(2).u8(1).u8(2).b, `key "k"`, "bool is 2"},

		{"array of unknown type", newFile(3, 0, 1).kv("k", 9).u32(99).u64(1).zeros(64).b, `key "k"`, "unknown array element type 99"},
		{"array of arrays", newFile(3, 0, 1).kv("k", 9).u32(9).u64(1).u32(9).u64(1).zeros(64).b, `key "k"`, "array of arrays"},
		{"array count 2^63", newFile(3, 0, 1).kv("k", 9).u32(0).u64(1 << 63).zeros(64).b, `key "k"`, "entries"},
		{"array count overflows times size", newFile(3, 0, 1).kv("k", 9).u32(12).u64(1<<61 + 1).zeros(64).b, `key "k"`, "entries"},
		{"array of strings 2^40", newFile(3, 0, 1).kv("k", 9).u32(8).u64(1 << 40).zeros(64).b, `key "k"`, "entries"},
		{"array of strings cut", newFile(3, 0, 1).kv("k", 9).u32(8).u64(2).str("abc").u64(99).zeros(8).b, `key "k"`, "needs 99 bytes"},

		{"alignment 0", align(0), `key "general.alignment"`, "alignment 0"},
		{"alignment 48", align(48), `key "general.alignment"`, "alignment 48"},
		{"alignment 2^31", align(1 << 31), `key "general.alignment"`, "alignment 2147483648"},
		{"alignment a string", newFile(3, 0, 1).kv("general.alignment", 8).str("32").b, `key "general.alignment"`, "is string"},
		{"alignment past the file", align(1 << 16), `tensor "w"`, "beyond the file size"},

		{"5 dimensions", one(0, 0, 1, 1, 1, 1, 1), `tensor "w"`, "5 dimensions"},
		{"dimension count -1", newFile(3, 1, 0).str("w").u32(1<<32 - 1).zeros(256).b, `tensor "w"`, "4294967295 dimensions"},
		{"dimension 0", one(0, 0, 4, 0), `tensor "w"`, "dimension 1 is 0"},
		{"first dimension 0", one(8, 0, 0), `tensor "w"`, "dimension 0 is 0"},
		{"dimension -1", one(0, 0, huge), `tensor "w"`, "dimension 0 is"},
		{"size overflows", one(0, 0, 1<<40, 1<<40), `tensor "w"`, "overflows"},
		{"size wraps to 0", one(0, 0, 1<<62, 4), `tensor "w"`, "overflows"},
		{"size of blocks wraps", one(8, 0, 1<<62, 8), `tensor "w"`, "overflows"},
		{"weights wrap", one(41, 0, 1<<33, 1<<31), `tensor "w"`, "overflows"},
		{"row no multiple of the block", one(8, 0, 33), `tensor "w"`, "no multiple of the Q8_0 block of 32"},
		{"unknown tensor type", one(99, 0, 4), `tensor "w"`, "unknown tensor type 99"},
		{"removed tensor type", one(4, 0, 32), `tensor "w"`, "unknown tensor type 4"},
		{"offset past the end", one(0, 1<<20, 4), `tensor "w"`, "beyond the file size"},
		{"offset -32", one(0, huge-31, 4), `tensor "w"`, "beyond the file size"},
		{"offset + size wraps", one(0, huge-63, 32), `tensor "w"`, "beyond the file size"},
		{"misaligned", one(0, 4, 4), `tensor "w"`, "offset 4 is no multiple of the alignment 32"},
		{"data cut", tiny(3)[:len(tiny(3))-1], `tensor "b.weight"`, "beyond the file size"},
		{"padding cut", newFile(3, 1, 1).kv("general.alignment", 4).u32(64).tensor("w", 0, 0, 8).pad(64).zeros(63).b, `tensor "w"`, "beyond the file size"},
		{"overlap", two(32), `tensor "b"`, `overlaps tensor "a"`},
		{"same offset", two(0), `tensor "b"`, `overlaps tensor "a"`},
		{"duplicate tensor", newFile(3, 2, 0).tensor("w", 0, 0, 8).tensor("w", 0, 32, 8).pad(32).zeros(64).b, `tensor "w"`, "duplicate tensor"},
		{"tensor name of no length", newFile(3, 1, 0).tensor("", 0, 0, 8).pad(32).zeros(64).b, "tensor 0 of 1", "name of 0 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := gguf.Parse(c.data)
			var fe *gguf.FormatError
			if !errors.As(err, &fe) {
				t.Fatalf("got %v, %v, want a FormatError", f, err)
			}
			if fe.Field != c.field || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want field %q and %q", err, c.field, c.says)
			}
			if fe.Offset < 0 || fe.Offset > int64(len(c.data)) {
				t.Errorf("offset %d of %d bytes", fe.Offset, len(c.data))
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
		})
	}
}

// TestTruncated cuts a valid file everywhere: an error until the last byte that
// counts, never a panic.
func TestTruncated(t *testing.T) {
	whole := tiny(3)
	for n := range whole {
		if _, err := gguf.Parse(whole[:n]); err == nil {
			t.Errorf("%d of %d bytes parse", n, len(whole))
		}
	}
	if _, err := gguf.Parse(whole); err != nil {
		t.Error(err)
	}
}

// TestAllocation: lying counts must not cost memory.
func TestAllocation(t *testing.T) {
	const size = 4 << 20
	for name, data := range map[string][]byte{
		"keys":    newFile(3, 0, size/16).zeros(size).b,
		"tensors": newFile(3, size/32, 0).zeros(size).b,
		"strings": newFile(3, 0, 1).kv("k", 9).u32(8).u64(size / 16).zeros(size / 32).u64(huge).zeros(size).b,
	} {
		var a, b runtime.MemStats
		runtime.ReadMemStats(&a)
		_, err := gguf.Parse(data)
		runtime.ReadMemStats(&b)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		// A misaligned input is copied once.
		if got := b.TotalAlloc - a.TotalAlloc; got > 2*uint64(len(data)) {
			t.Errorf("%s: %d bytes allocated for %d of input", name, got, len(data))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range [][]byte{tiny(2), tiny(3), newFile(3, 0, 0).b, container(f)} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := gguf.Parse(b)
		if err != nil {
			var fe *gguf.FormatError
			if !errors.As(err, &fe) {
				t.Fatalf("%v is no FormatError", err)
			}
			return
		}
		var bytes uint64
		for _, x := range file.Tensors() {
			data, err := x.Data()
			if err != nil || uint64(len(data)) != x.Size || cap(data) != len(data) {
				t.Fatalf("tensor %q: %d bytes, capacity %d, want %d (%v)", x.Name, len(data), cap(data), x.Size, err)
			}
			bytes += x.Size
			if _, err := x.Matrix(); err != nil {
				t.Fatalf("tensor %q %v: %v", x.Name, x.Dims, err)
			}
		}
		if bytes > uint64(len(b)) {
			t.Fatalf("tensors of %d bytes in a file of %d", bytes, len(b))
		}
		for _, kv := range file.KVs() {
			kv.Value.Strs()
			kv.Value.Ints()
			kv.Value.Floats()
			_ = fmt.Sprint(kv.Value)
			if got, ok := file.Get(kv.Key); !ok || !got.Equal(kv.Value) {
				t.Fatalf("key %q is lost", kv.Key)
			}
		}
	})
}
