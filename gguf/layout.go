package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/qwq-edge/qwq/quant"
)

// TensorInfo describes a tensor to be written.
type TensorInfo struct {
	Name string // at most 63 bytes, as llama.cpp demands
	Type quant.Type
	Dims []uint64 // 1 to 4; Dims[0] is contiguous in memory and a multiple of the type's block
}

// Layout is everything about a file but its tensors' bytes. The same layout
// always gives the same header.
type Layout struct {
	KVs       []KV
	Tensors   []TensorInfo // in the order of their data
	Alignment uint32       // of tensor data: a power of two; 0 = 64
}

// maxTensorName is what llama.cpp accepts.
const maxTensorName = 63

// plan is a checked layout: the header's bytes and where data goes.
type plan struct {
	header []byte   // padded to the alignment
	offs   []uint64 // of each tensor, absolute
	sizes  []uint64
	size   uint64 // of the file, padded to the alignment
}

// plan checks the layout and encodes its header. general.alignment is added
// when the metadata does not have it and the alignment is not the default 32.
func (l Layout) plan() (*plan, error) {
	align := uint64(l.Alignment)
	if align == 0 {
		align = dataAlign
	}
	if align&(align-1) != 0 || align > maxAlignment {
		return nil, fmt.Errorf("alignment %d is no power of two up to %d", align, maxAlignment)
	}
	kvs, err := checkKVs(l.KVs, align)
	if err != nil {
		return nil, err
	}
	p := &plan{}
	le := binary.LittleEndian
	h := append([]byte(magic), 3, 0, 0, 0)
	h = le.AppendUint64(h, uint64(len(l.Tensors)))
	h = le.AppendUint64(h, uint64(len(kvs)))
	for _, kv := range kvs {
		h = appendString(h, kv.Key)
		h = kv.Value.append(h)
	}
	names := map[string]bool{}
	var end uint64
	for _, t := range l.Tensors {
		size, err := t.check()
		if err != nil {
			return nil, fmt.Errorf("tensor %.80q: %w", t.Name, err)
		}
		if names[t.Name] {
			return nil, fmt.Errorf("tensor %.80q: duplicate", t.Name)
		}
		names[t.Name] = true
		h = appendString(h, t.Name)
		h = le.AppendUint32(h, uint32(len(t.Dims)))
		for _, d := range t.Dims {
			h = le.AppendUint64(h, d)
		}
		h = le.AppendUint32(h, uint32(t.Type))
		h = le.AppendUint64(h, end)
		p.offs, p.sizes = append(p.offs, end), append(p.sizes, size)
		if end = alignUp(end+size, align); end > 1<<62 {
			return nil, fmt.Errorf("tensor %.80q: ends at %d", t.Name, end)
		}
	}
	p.header = append(h, make([]byte, alignUp(uint64(len(h)), align)-uint64(len(h)))...)
	for i := range p.offs {
		p.offs[i] += uint64(len(p.header))
	}
	p.size = uint64(len(p.header)) + end
	return p, nil
}

// checkKVs returns the metadata with general.alignment in it where needed.
func checkKVs(kvs []KV, align uint64) ([]KV, error) {
	seen := map[string]bool{}
	for _, kv := range kvs {
		switch {
		case kv.Key == "" || len(kv.Key) > maxName:
			return nil, fmt.Errorf("key of %d bytes, want 1 to %d", len(kv.Key), maxName)
		case seen[kv.Key]:
			return nil, fmt.Errorf("key %.80q: duplicate", kv.Key)
		case !kv.Value.Valid():
			return nil, fmt.Errorf("key %.80q: no value", kv.Key)
		}
		seen[kv.Key] = true
		if a, _ := kv.Value.Uint(); kv.Key == keyAlignment && (kv.Value.Type() != TypeUint32 || a != align) {
			return nil, fmt.Errorf("key %.80q: is %v %v, the alignment is %d", kv.Key, kv.Value.Type(), kv.Value, align)
		}
	}
	if align != defaultAlign && !seen[keyAlignment] {
		kvs = append(slices.Clip(kvs), KV{keyAlignment, Uint32(uint32(align))})
	}
	return kvs, nil
}

// check returns the tensor's size in bytes.
func (t TensorInfo) check() (uint64, error) {
	if t.Name == "" || len(t.Name) > maxTensorName {
		return 0, fmt.Errorf("name of %d bytes, want 1 to %d", len(t.Name), maxTensorName)
	}
	if len(t.Dims) == 0 || len(t.Dims) > maxDims {
		return 0, fmt.Errorf("%d dimensions, want 1 to %d", len(t.Dims), maxDims)
	}
	if slices.Contains(t.Dims, 0) {
		return 0, errors.New("dimension of 0")
	}
	return tensorSize(t.Type, t.Dims)
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// append encodes type and value.
func (v Value) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(v.typ))
	switch v.typ {
	case TypeString:
		b = binary.LittleEndian.AppendUint64(b, uint64(len(v.raw)))
	case TypeArray:
		b = binary.LittleEndian.AppendUint32(b, uint32(v.elem))
		b = binary.LittleEndian.AppendUint64(b, uint64(v.n))
	}
	return append(b, v.raw...)
}
