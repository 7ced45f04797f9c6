package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
)

// maxBody bounds a body, images apart.
const maxBody = 8 << 20

// decode reads a JSON body. Unknown fields are passed over, wrong types refused. The
// type that the client says it has does not matter: curl -d says it is a form.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	if c := r.Header.Get("Content-Encoding"); c != "" && !strings.EqualFold(c, "identity") {
		e := bad("", "the body is encoded as %.40q, it must be plain JSON", c)
		e.Status = http.StatusUnsupportedMediaType
		return e
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	err := d.Decode(v)
	var typ *json.UnmarshalTypeError
	var large *http.MaxBytesError
	switch {
	case err == nil:
		if _, err := d.Token(); errors.As(err, &large) {
			return err
		} else if !errors.Is(err, io.EOF) {
			return bad("", "the body holds more than one JSON value")
		}
		return nil
	case errors.As(err, &large):
		return err
	case errors.As(err, &typ):
		field := fieldPath(typ.Field)
		return bad(field, "%s must be %s, not %s", cmp.Or(field, "the body"), jsonType(typ.Type), typ.Value)
	case errors.Is(err, io.EOF):
		return bad("", "the body is empty, it must be a JSON object")
	}
	return bad("", "the body is not valid: %v", err)
}

// fieldPath is a path of fields without the names of embedded Go structures, which
// begin with a capital as no field of an API does.
func fieldPath(path string) string {
	var out []string
	for part := range strings.SplitSeq(path, ".") {
		if part != "" && (part[0] < 'A' || part[0] > 'Z') {
			out = append(out, part)
		}
	}
	return strings.Join(out, ".")
}

// jsonType is what JSON calls a Go type.
func jsonType(t reflect.Type) string {
	if v, ok := reflect.New(t).Interface().(interface{ JSONType() string }); ok {
		return v.JSONType()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return jsonType(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	}
	return "a number"
}
