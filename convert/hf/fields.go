package hf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

// FieldError names the field of a configuration file that is wrong.
type FieldError struct {
	File  string // "config.json"
	Field string // "rope_scaling.factor"
	Err   error
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("hf: %s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("hf: %s: field %.80q: %v", e.File, e.Field, e.Err)
}

// Unwrap returns the cause.
func (e *FieldError) Unwrap() error { return e.Err }

// fields is one JSON object whose members are read by name and checked. The
// first error is kept and every later read returns zero.
type fields struct {
	file, path string
	m          map[string]json.RawMessage
	err        *error // shared with nested objects
}

func parseFields(file string, b []byte) (*fields, error) {
	f := &fields{file: file, err: new(error)}
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))))
	if err := d.Decode(&f.m); err != nil {
		return nil, &FieldError{File: file, Err: fmt.Errorf("no JSON object: %w", err)}
	}
	if f.m == nil {
		return nil, &FieldError{File: file, Err: errors.New("no JSON object")}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, &FieldError{File: file, Err: fmt.Errorf("something follows the JSON object, which ends at byte %d", d.InputOffset())}
	}
	return f, nil
}

func (f *fields) fail(key, format string, a ...any) {
	if *f.err == nil {
		*f.err = &FieldError{File: f.file, Field: f.path + key, Err: fmt.Errorf(format, a...)}
	}
}

// has reports whether a member is there and not null.
func (f *fields) has(key string) bool {
	v, ok := f.m[key]
	return ok && string(bytes.TrimSpace(v)) != "null"
}

// null reports whether a member is there and null: for some fields that means
// none, and another default where they are missing.
func (f *fields) null(key string) bool {
	_, ok := f.m[key]
	return ok && !f.has(key)
}

func get[T any](f *fields, key, want string, def T) T {
	if !f.has(key) {
		return def
	}
	var v T
	if err := json.Unmarshal(f.m[key], &v); err != nil {
		f.fail(key, "%.40s is no %s", f.m[key], want)
		return def
	}
	return v
}

// int reads an integer in lo…hi; missing gives def, and an error if def is -1.
func (f *fields) int(key string, lo, hi, def int64) int64 {
	if def == -1 && !f.has(key) {
		f.fail(key, "is missing")
		return lo
	}
	x := get(f, key, "number", float64(def))
	if f.has(key) && (x != math.Trunc(x) || x < float64(lo) || x > float64(hi)) {
		f.fail(key, "%.40s is outside %d to %d", f.m[key], lo, hi)
		return lo
	}
	return int64(x)
}

// float reads a number in lo…hi; missing gives def.
func (f *fields) float(key string, lo, hi, def float64) float64 {
	x := get(f, key, "number", def)
	if f.has(key) && !(x >= lo && x <= hi) {
		f.fail(key, "%.40s is outside %g to %g", f.m[key], lo, hi)
		return def
	}
	return x
}

func (f *fields) bool(key string, def bool) bool { return get(f, key, "boolean", def) }

func (f *fields) str(key, def string) string { return get(f, key, "string", def) }

// object reads a nested object; nil when it is missing or null.
func (f *fields) object(key string) *fields {
	if !f.has(key) {
		return nil
	}
	o := &fields{file: f.file, path: f.path + key + ".", err: f.err}
	if err := json.Unmarshal(f.m[key], &o.m); err != nil {
		f.fail(key, "%.40s is no object", f.m[key])
		return nil
	}
	return o
}

// ids reads an integer or a list of integers in 0…limit-1.
func (f *fields) ids(key string, limit int64) []int32 {
	if !f.has(key) {
		return nil
	}
	var list []float64
	if json.Unmarshal(f.m[key], &list) != nil {
		var one float64
		if json.Unmarshal(f.m[key], &one) != nil {
			f.fail(key, "%.40s is no id and no list of ids", f.m[key])
			return nil
		}
		list = []float64{one}
	}
	if len(list) > 1024 {
		f.fail(key, "%d ids, the limit is 1024", len(list))
		return nil
	}
	var out []int32
	for _, x := range list {
		if x == -1 { // means none in some configs
			continue
		}
		if x != math.Trunc(x) || x < 0 || x >= float64(limit) {
			f.fail(key, "id %v is outside 0 to %d", x, limit-1)
			return nil
		}
		out = append(out, int32(x))
	}
	return out
}
