package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/sched"
)

// bad is an error of the request; param names the field.
func bad(param, format string, a ...any) *api.Error {
	e := &api.Error{Message: fmt.Sprintf(format, a...), Type: "invalid_request_error", Status: http.StatusBadRequest}
	if param != "" {
		e.Param = &param
	}
	return e
}

func code(e *api.Error, c string) *api.Error {
	e.Code = &c
	return e
}

// statusClientGone is nginx's status for a client that closed the connection; it only
// stands in logs and metrics.
const statusClientGone = 499

// failure turns an error into what the client is told.
func failure(err error) *api.Error {
	var known *api.Error
	var unknown *UnknownModelError
	var prompt *PromptError
	var busy *sched.BusyError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &unknown):
		e := code(bad("model", "%v", err), "model_not_found")
		e.Status = http.StatusNotFound
		return e
	case errors.As(err, &prompt):
		return bad("messages", "%v", err)
	case errors.As(err, &large):
		e := bad("", "the body is larger than %d bytes", large.Limit)
		e.Status = http.StatusRequestEntityTooLarge
		return e
	case errors.As(err, &busy):
		return &api.Error{Message: busy.Reason, Type: "overloaded_error", Status: http.StatusServiceUnavailable, After: int(math.Ceil(busy.After.Seconds()))}
	case errors.Is(err, sched.ErrClosed):
		return &api.Error{Message: "the daemon is shutting down", Type: "overloaded_error", Status: http.StatusServiceUnavailable, After: 5}
	case errors.Is(err, context.DeadlineExceeded):
		return &api.Error{Message: "the request took too long", Type: "timeout_error", Status: http.StatusGatewayTimeout}
	case errors.Is(err, context.Canceled):
		return &api.Error{Message: "the client has gone", Type: "cancelled", Status: statusClientGone}
	}
	return &api.Error{Message: err.Error(), Type: "server_error", Status: http.StatusInternalServerError}
}

// maxBody bounds a body, images apart.
const maxBody = 8 << 20

// decode reads a JSON body. Unknown fields are passed over, wrong types refused.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	err := d.Decode(v)
	var typ *json.UnmarshalTypeError
	var large *http.MaxBytesError
	switch {
	case err == nil:
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return bad("", "the body holds more than one JSON value")
		}
		return nil
	case errors.As(err, &large):
		return err
	case errors.As(err, &typ):
		return bad(typ.Field, "%s must be %s, not %s", cmp.Or(typ.Field, "the body"), jsonType(typ.Type), typ.Value)
	case errors.Is(err, io.EOF):
		return bad("", "the body is empty, it must be a JSON object")
	}
	return bad("", "the body is not valid: %v", err)
}

// jsonType is what JSON calls a Go type.
func jsonType(t reflect.Type) string {
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
