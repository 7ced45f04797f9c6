package torch

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/qwq-edge/qwq/convert/checkpoint"
)

// GlobalError is a pickle that names something outside the allow-list: code
// that a Python reader would import and perhaps run.
type GlobalError struct{ Name string }

func (e *GlobalError) Error() string {
	return fmt.Sprintf("global %q is not allowed in a checkpoint (nothing was executed)", e.Name)
}

// callable lists the names that may appear and be called; each is imitated by
// call. Storage classes and element types are in tables of their own.
var callable = map[string]bool{
	"collections OrderedDict":                    true,
	"collections defaultdict":                    true,
	"collections Counter":                        true,
	"builtins set":                               true,
	"__builtin__ set":                            true,
	"builtins frozenset":                         true,
	"builtins dict":                              true,
	"builtins list":                              true,
	"builtins int":                               true,
	"builtins float":                             true,
	"builtins str":                               true,
	"_codecs encode":                             true,
	"torch Size":                                 true,
	"torch device":                               true,
	"torch Tensor":                               true,
	"torch.nn.parameter Parameter":               true,
	"torch.storage TypedStorage":                 true,
	"torch._utils _rebuild_tensor":               true,
	"torch._utils _rebuild_tensor_v2":            true,
	"torch._utils _rebuild_tensor_v3":            true,
	"torch._utils _rebuild_parameter":            true,
	"torch._utils _rebuild_parameter_with_state": true,
	"torch._tensor _rebuild_from_type_v2":        true,
}

// find resolves a global, or refuses it by name.
func find(module, name string) (value, error) {
	full := module + "." + name
	if len(full) > 200 {
		full = full[:200]
	}
	if callable[module+" "+name] {
		return global(module + " " + name), nil
	}
	if _, ok := storageTypes[name]; ok && (module == "torch" || module == "torch.storage" || module == "torch.cuda") {
		return global("storage " + name), nil
	}
	if d, ok := dtypes[name]; ok && module == "torch" {
		return dtype(d), nil
	}
	return nil, &GlobalError{full}
}

// object runs the opcodes that name, make and change objects.
func (u *unpickler) object(op byte) error {
	switch op {
	case opGlobal:
		module, err := u.in.line()
		if err != nil {
			return err
		}
		name, err := u.in.line()
		if err != nil {
			return err
		}
		return u.global(module, name)
	case opStackGlobal:
		name, err := u.popText()
		if err != nil {
			return err
		}
		module, err := u.popText()
		if err != nil {
			return err
		}
		return u.global(module, name)
	case opBinPersID:
		id, err := u.pop()
		if err != nil {
			return err
		}
		s, err := persistent(id)
		if err != nil {
			return err
		}
		return u.push(s)
	}
	arg, err := u.pop()
	if err != nil {
		return err
	}
	if op == opBuild { // attributes (_metadata of a state dict, defaults of a parameter): not needed
		_, err := u.top()
		return err
	}
	f, err := u.pop()
	if err != nil {
		return err
	}
	g, ok := f.(global)
	args, ok2 := arg.(tuple)
	if !ok || !ok2 {
		return fmt.Errorf("call of %s with %s", kind(f), kind(arg))
	}
	v, err := call(g, args)
	if err != nil {
		return fmt.Errorf("%s: %w", g, err)
	}
	return u.push(v)
}

func (u *unpickler) global(module, name string) error {
	v, err := find(module, name)
	if err != nil {
		return err
	}
	return u.push(v)
}

func (u *unpickler) popText() (string, error) {
	v, err := u.pop()
	if err != nil {
		return "", err
	}
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%s where a name should be", kind(v))
	}
	return s, nil
}

// call imitates the constructor g.
func call(g global, args tuple) (value, error) {
	switch g {
	case "collections OrderedDict", "collections Counter", "builtins dict":
		return orderedDict(args)
	case "collections defaultdict":
		return newDict(), nil
	case "builtins set", "__builtin__ set", "builtins frozenset", "builtins list":
		return &set{}, nil
	case "torch Size":
		if len(args) == 1 {
			return args[0], nil
		}
	case "torch device":
		return other("a device"), nil
	case "_codecs encode":
		if len(args) == 2 {
			return latin1(args[0])
		}
	case "torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2":
		if len(args) >= 4 {
			return rebuild(args, 0)
		}
	case "torch._utils _rebuild_tensor_v3":
		if len(args) >= 7 {
			d, ok := args[6].(dtype)
			if !ok {
				return nil, errors.New("no element type")
			}
			return rebuild(args, checkpoint.DType(d))
		}
	case "torch._utils _rebuild_parameter", "torch._utils _rebuild_parameter_with_state":
		if len(args) >= 1 {
			if t, ok := args[0].(*tensor); ok {
				return t, nil
			}
		}
	case "torch._tensor _rebuild_from_type_v2":
		if len(args) >= 3 {
			f, ok := args[0].(global)
			inner, ok2 := args[2].(tuple)
			if ok && ok2 && strings.HasPrefix(string(f), "torch._utils _rebuild_") {
				return call(f, inner)
			}
		}
	}
	return nil, fmt.Errorf("call with %d arguments is not understood", len(args))
}

// orderedDict accepts no argument, or a list of pairs as old torch writes it.
func orderedDict(args tuple) (value, error) {
	d := newDict()
	if len(args) == 0 {
		return d, nil
	}
	l, ok := args[0].(*list)
	if !ok || len(args) > 1 {
		if old, ok := args[0].(*dict); ok && len(args) == 1 {
			return old, nil
		}
		return nil, fmt.Errorf("argument is %s", kind(args[0]))
	}
	for _, it := range l.items {
		var pair []value
		switch p := it.(type) {
		case tuple:
			pair = p
		case *list:
			pair = p.items
		}
		if len(pair) != 2 {
			return nil, errors.New("item is no pair")
		}
		d.set(pair[0], pair[1])
	}
	return d, nil
}

func latin1(v value) (value, error) {
	s, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("%s where a string should be", kind(v))
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 255 {
			return nil, errors.New("character above 255")
		}
		b = append(b, byte(r))
	}
	return b, nil
}

// rebuild makes a tensor of (storage, offset, size, stride, …). d is 0 when the
// storage gives the element type.
func rebuild(args tuple, d checkpoint.DType) (*tensor, error) {
	s, ok := args[0].(*storage)
	if !ok {
		return nil, fmt.Errorf("%s where a storage should be", kind(args[0]))
	}
	t := &tensor{store: s, dtype: d}
	if d == 0 {
		if t.dtype = s.dtype; s.dtype == 0 {
			return nil, errors.New("untyped storage without an element type")
		}
	}
	var err error
	if t.off, ok = args[1].(int64); !ok || t.off < 0 {
		return nil, errors.New("storage offset is no integer >= 0")
	}
	if t.shape, err = ints(args[2]); err != nil {
		return nil, fmt.Errorf("size: %w", err)
	}
	if t.strides, err = ints(args[3]); err != nil {
		return nil, fmt.Errorf("stride: %w", err)
	}
	if t.off > math.MaxInt64-s.viewOff {
		return nil, errors.New("storage offset is too large")
	}
	t.off += s.viewOff
	return t, t.check()
}

// check compares the view with its storage.
func (t *tensor) check() error {
	n, ok := checkpoint.Extent(t.shape, t.strides)
	if !ok {
		return fmt.Errorf("size %v with stride %v is not possible", t.shape, t.strides)
	}
	es := int64(t.dtype.Bytes())
	have := t.store.bytes() / es
	if n > 0 && (t.off > have || n > have-t.off) {
		return fmt.Errorf("size %v with stride %v at %d reaches past the storage's %d elements", t.shape, t.strides, t.off, have)
	}
	return nil
}

// persistent reads a persistent id: ("storage", class, key, location, numel)
// and, in legacy files, (view key, offset, numel) of a view of that storage.
func persistent(id value) (*storage, error) {
	t, ok := id.(tuple)
	if !ok || len(t) < 5 {
		return nil, errors.New("persistent id is no storage")
	}
	if t[0] == value("module") {
		return nil, errors.New("the file holds a whole module, not a state dict")
	}
	g, ok := t[1].(global)
	name, found := strings.CutPrefix(string(g), "storage ")
	key, ok2 := t[2].(string)
	n, ok3 := t[4].(int64)
	if t[0] != value("storage") || !ok || !found || !ok2 || !ok3 {
		return nil, errors.New("persistent id is no storage")
	}
	s := &storage{key: key, dtype: storageTypes[name], numel: n}
	if n < 0 || n > math.MaxInt64/16 {
		return nil, fmt.Errorf("storage %.40q: %d elements", key, n)
	}
	if len(t) > 5 && t[5] != nil {
		v, ok := t[5].(tuple)
		if !ok || len(v) != 3 {
			return nil, fmt.Errorf("storage %.40q: view is no triple", key)
		}
		off, ok1 := v[1].(int64)
		size, ok2 := v[2].(int64)
		if !ok1 || !ok2 || off < 0 || size < 0 || off > n || size > n-off {
			return nil, fmt.Errorf("storage %.40q: view is outside its %d elements", key, n)
		}
		s.viewOff = off
	}
	return s, nil
}
