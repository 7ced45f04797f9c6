package gguf_test

import (
	"encoding/binary"
	"math"
)

// builder makes GGUF bytes, right or wrong, field by field.
type builder struct{ b []byte }

func newFile(version uint32, tensors, kvs uint64) *builder {
	f := &builder{[]byte("GGUF")}
	return f.u32(version).u64(tensors).u64(kvs)
}

func (f *builder) u8(v byte) *builder    { f.b = append(f.b, v); return f }
func (f *builder) u32(v uint32) *builder { f.b = binary.LittleEndian.AppendUint32(f.b, v); return f }
func (f *builder) u16(v uint16) *builder { f.b = binary.LittleEndian.AppendUint16(f.b, v); return f }
func (f *builder) u64(v uint64) *builder { f.b = binary.LittleEndian.AppendUint64(f.b, v); return f }
func (f *builder) str(s string) *builder { f.u64(uint64(len(s))); f.b = append(f.b, s...); return f }

// kv writes a key, its type and then whatever value the caller appends.
func (f *builder) kv(key string, typ uint32) *builder { return f.str(key).u32(typ) }

func (f *builder) tensor(name string, typ uint32, offset uint64, dims ...uint64) *builder {
	f.str(name).u32(uint32(len(dims)))
	for _, d := range dims {
		f.u64(d)
	}
	return f.u32(typ).u64(offset)
}

// pad aligns to n bytes.
func (f *builder) pad(n int) *builder {
	for len(f.b)%n != 0 {
		f.b = append(f.b, 0)
	}
	return f
}

func (f *builder) zeros(n int) *builder { f.b = append(f.b, make([]byte, n)...); return f }

// tiny is a valid file of two tensors.
func tiny(version uint32) []byte {
	return newFile(version, 2, 3).
		kv("general.architecture", 8).str("llama").
		kv("n", 4).u32(7).
		kv("list", 9).u32(8).u64(2).str("a").str("").
		tensor("a.weight", 0, 0, 4, 2).
		tensor("b.weight", 8, 32, 32).
		pad(32).zeros(32 + 34).b
}

const huge = math.MaxUint64
