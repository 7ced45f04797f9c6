package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/qwq-edge/qwq/runtime/sched"
)

// Bounds of bodies. A small text can stand for much memory: an empty object of two
// bytes is a message of a hundred.
const (
	maxBody     = 8 << 20   // bytes, images apart
	chunkedBody = 1 << 20   // bytes, where the length is not said before
	mostObjects = 64 << 10  // objects and arrays in a body
	mostValues  = 512 << 10 // commas, so much as values
	bigBody     = 256 << 10 // bytes: of bodies that are larger …
	mostBig     = 2         // … so many at a time
	waitBig     = 2 * time.Second
)

// bigTurn waits for the turn of a request with a big body; done ends it.
func (s *Server) bigTurn(ctx context.Context, r *http.Request) (done func(), err error) {
	if r.ContentLength <= bigBody {
		return func() {}, nil
	}
	t := time.NewTimer(waitBig)
	defer t.Stop()
	select {
	case s.big <- struct{}{}:
		return func() { <-s.big }, nil
	case <-t.C:
		return nil, &sched.BusyError{Reason: "too many large requests at a time", After: 5 * time.Second}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// linger reads what is left of a large body that was refused, for as long as the server lets
// a body take: a connection that is closed with unread bytes is reset, and its client, which
// is still writing, may never see the answer. Strangers are not waited for, nor is who has
// asked before it sends.
func linger(r *http.Request, status int) {
	if r.ContentLength <= bigBody || status == http.StatusUnauthorized || status == http.StatusForbidden || r.Header.Get("Expect") != "" {
		return
	}
	io.CopyN(io.Discard, r.Body, 2*maxBody) //nolint:errcheck // the client has gone, or has more
}

// decode reads a JSON body. Unknown fields are passed over, wrong types refused. The
// type that the client says it has does not matter: curl -d says it is a form.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	if c := r.Header.Get("Content-Encoding"); c != "" && !strings.EqualFold(c, "identity") {
		e := bad("", "the body is encoded as %.40q, it must be plain JSON", c)
		e.Status = http.StatusUnsupportedMediaType
		return e
	}
	limit := int64(maxBody)
	if r.ContentLength < 0 {
		limit = chunkedBody
	}
	if r.ContentLength > limit {
		return &http.MaxBytesError{Limit: limit}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return err
	case err != nil:
		return bad("", "the body was cut off: %v", err)
	case len(body) == 0:
		return bad("", "the body is empty, it must be a JSON object")
	}
	if err := countValues(body); err != nil {
		return err
	}
	err = json.Unmarshal(body, v)
	var typ *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &typ):
		field := fieldPath(typ.Field)
		return bad(field, "%s must be %s, not %s", cmp.Or(field, "the body"), jsonType(typ.Type), typ.Value)
	}
	return bad("", "the body is not valid: %v", err)
}

// countValues refuses a body with more values than a request needs.
func countValues(body []byte) error {
	objects, values := 0, 0
	quoted := false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			objects++
		case c == ',':
			values++
		}
	}
	if objects > mostObjects || values > mostValues {
		e := bad("", "the body has %d objects and arrays and %d commas, at most %d and %d", objects, values, mostObjects, mostValues)
		e.Status = http.StatusRequestEntityTooLarge
		return e
	}
	return nil
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
