package torch

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Legacy files are five pickles in a row: magic number, protocol version,
// system info, the object, the list of storage keys; then for each key an int64
// number of elements and the elements (torch/serialization.py, _legacy_save).
const (
	legacyMagic   = "119547037146038801333356"
	legacyVersion = 1001
)

var errNotTorch = errors.New("a pickle that torch did not write")

func (f *File) readLegacy(r io.ReaderAt, size int64) error {
	sec := io.NewSectionReader(r, 0, size)
	br := bufio.NewReader(sec)
	at := int64(0)
	next := func(field string) (value, error) {
		v, n, err := unpickle(br)
		if at += n; err != nil {
			return nil, f.bad(at, field, err)
		}
		return v, nil
	}
	if v, err := next("magic"); err != nil {
		return err
	} else if v != value(other(legacyMagic)) {
		return f.bad(0, "magic", errNotTorch)
	}
	if v, err := next("protocol version"); err != nil {
		return err
	} else if v != value(int64(legacyVersion)) {
		return f.bad(at, "protocol version", errNotTorch)
	}
	v, err := next("system info")
	if err != nil {
		return err
	}
	if d, ok := v.(*dict); ok {
		if i, ok := d.byName["little_endian"]; ok && d.vals[i] == value(false) {
			return f.bad(at, "system info", errors.New("only little-endian storages are read"))
		}
	}
	if f.root, err = next("pickle"); err != nil {
		return err
	}
	keys, err := next("storage keys")
	if err != nil {
		return err
	}
	l, ok := keys.(*list)
	if !ok {
		return f.bad(at, "storage keys", fmt.Errorf("%s where a list should be", kind(keys)))
	}
	return f.placeLegacy(r, size, at, l)
}

// placeLegacy walks the storages that follow the pickles at offset at.
func (f *File) placeLegacy(r io.ReaderAt, size, at int64, keys *list) error {
	stores, err := f.storages()
	if err != nil {
		return err
	}
	byKey := make(map[string]*storage, len(stores))
	for _, s := range stores {
		byKey[s.key] = s
	}
	for i, k := range keys.items {
		key, ok := k.(string)
		if !ok {
			return f.bad(at, "storage keys", fmt.Errorf("%s where a string should be", kind(k)))
		}
		s := byKey[key]
		if s == nil { // no tensor uses it, so its element size is not known
			if i == len(keys.items)-1 {
				break
			}
			return f.bad(at, "storage keys", fmt.Errorf("storage %.40q belongs to no tensor", key))
		}
		if _, dup := f.at[key]; dup {
			return f.bad(at, "storage keys", fmt.Errorf("storage %.40q appears twice", key))
		}
		var b [8]byte
		if at > size-8 {
			return f.bad(at, "storage", fmt.Errorf("%.40q begins past the end of the file, %d", key, size))
		}
		if _, err := r.ReadAt(b[:], at); err != nil {
			return f.bad(at, "storage", err)
		}
		n := int64(binary.LittleEndian.Uint64(b[:]))
		if n != s.numel {
			return f.bad(at, "storage", fmt.Errorf("%.40q has %d elements, its tensors say %d", key, n, s.numel))
		}
		at += 8
		if s.bytes() > size-at {
			return f.bad(at, "storage", fmt.Errorf("%.40q needs %d bytes, %d are left", key, s.bytes(), size-at))
		}
		f.at[key] = place{r, at, s.bytes()}
		at += s.bytes()
	}
	for _, s := range stores {
		if _, ok := f.at[s.key]; !ok {
			return f.bad(at, "storage", fmt.Errorf("%.40q is missing", s.key))
		}
	}
	return nil
}
