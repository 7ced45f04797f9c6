package torch

import (
	"fmt"

	"github.com/qwq-edge/qwq/convert/checkpoint"
)

// value is what the unpickler puts on its stack: nil, bool, int64, float64,
// string, []byte, tuple, *list, *dict, *set, global, *storage, *tensor, dtype
// or other. Nothing here has behaviour: calls are recognised by name.
type value any

type (
	tuple  []value
	list   struct{ items []value }
	set    struct{ items []value }
	global string // "module name", e.g. "collections OrderedDict"
	mark   struct{}
	// other stands for harmless objects whose content is not needed: torch.device, big integers.
	other string
	dtype checkpoint.DType
)

// dict keeps insertion order, as Python does. Keys are strings or integers;
// others are kept as opaque entries.
type dict struct {
	keys   []value
	vals   []value
	byName map[value]int // made with the first key
}

func newDict() *dict { return &dict{} }

func (d *dict) set(k, v value) {
	switch k.(type) {
	case string, int64, bool:
		if i, ok := d.byName[k]; ok {
			d.vals[i] = v
			return
		}
		if d.byName == nil {
			d.byName = map[value]int{}
		}
		d.byName[k] = len(d.keys)
	}
	d.keys, d.vals = append(d.keys, k), append(d.vals, v)
}

// storage is a persistent id: bytes that the file holds elsewhere.
type storage struct {
	key     string
	dtype   checkpoint.DType // 0 for untyped
	numel   int64            // elements; bytes for untyped
	viewOff int64            // legacy view: elements from the root's start
}

func (s *storage) elemBytes() int64 {
	if s.dtype == 0 {
		return 1
	}
	return int64(s.dtype.Bytes())
}

// bytes is the size the pickle gives the storage; both factors are checked.
func (s *storage) bytes() int64 { return s.numel * s.elemBytes() }

// tensor is a view of a storage.
type tensor struct {
	store   *storage
	dtype   checkpoint.DType
	off     int64 // elements
	shape   []int64
	strides []int64
}

// storageTypes are the typed storages of torch.
var storageTypes = map[string]checkpoint.DType{
	"DoubleStorage": checkpoint.F64, "FloatStorage": checkpoint.F32, "HalfStorage": checkpoint.F16,
	"BFloat16Storage": checkpoint.BF16, "LongStorage": checkpoint.I64, "IntStorage": checkpoint.I32,
	"ShortStorage": checkpoint.I16, "CharStorage": checkpoint.I8, "ByteStorage": checkpoint.U8,
	"BoolStorage": checkpoint.BOOL, "ComplexFloatStorage": checkpoint.C64, "ComplexDoubleStorage": checkpoint.C128,
	"UntypedStorage": 0,
}

// dtypes are the element types that pickles name.
var dtypes = map[string]checkpoint.DType{
	"float64": checkpoint.F64, "double": checkpoint.F64, "float32": checkpoint.F32, "float": checkpoint.F32,
	"float16": checkpoint.F16, "half": checkpoint.F16, "bfloat16": checkpoint.BF16,
	"float8_e4m3fn": checkpoint.F8_E4M3, "float8_e5m2": checkpoint.F8_E5M2,
	"float8_e4m3fnuz": checkpoint.F8_E4M3FNUZ, "float8_e5m2fnuz": checkpoint.F8_E5M2FNUZ, "float8_e8m0fnu": checkpoint.F8_E8M0,
	"int64": checkpoint.I64, "long": checkpoint.I64, "int32": checkpoint.I32, "int": checkpoint.I32,
	"int16": checkpoint.I16, "short": checkpoint.I16, "int8": checkpoint.I8, "uint8": checkpoint.U8,
	"uint16": checkpoint.U16, "uint32": checkpoint.U32, "uint64": checkpoint.U64,
	"bool": checkpoint.BOOL, "complex64": checkpoint.C64, "complex128": checkpoint.C128,
}

// ints turns a tuple or list of integers into a slice.
func ints(v value) ([]int64, error) {
	var items []value
	switch v := v.(type) {
	case tuple:
		items = v
	case *list:
		items = v.items
	default:
		return nil, fmt.Errorf("%s where a tuple of integers should be", kind(v))
	}
	if len(items) > checkpoint.MaxDims {
		return nil, fmt.Errorf("%d dimensions, the limit is %d", len(items), checkpoint.MaxDims)
	}
	out := make([]int64, len(items))
	for i, x := range items {
		n, ok := x.(int64)
		if !ok {
			return nil, fmt.Errorf("%s where an integer should be", kind(x))
		}
		out[i] = n
	}
	return out, nil
}

// kind names a value's type in messages; never its content.
func kind(v value) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case global:
		return fmt.Sprintf("global %q", string(v))
	case mark:
		return "a mark"
	case other:
		return string(v)
	case string, []byte:
		return "a string"
	case bool:
		return "a truth value"
	case int64:
		return "an integer"
	case float64:
		return "a number"
	case tuple:
		return "a tuple"
	case *list:
		return "a list"
	case *set:
		return "a set"
	case *dict:
		return "a dictionary"
	case *storage:
		return "a storage"
	case *tensor:
		return "a tensor"
	case dtype:
		return "an element type"
	}
	return "an object"
}
