package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/engine"
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
	case errors.Is(err, sched.ErrClosed), errors.Is(err, engine.ErrClosed):
		return &api.Error{Message: "the daemon is shutting down", Type: "overloaded_error", Status: http.StatusServiceUnavailable, After: 5}
	case errors.Is(err, context.DeadlineExceeded):
		return &api.Error{Message: "the request took too long", Type: "timeout_error", Status: http.StatusGatewayTimeout}
	case errors.Is(err, context.Canceled):
		return &api.Error{Message: "the client has gone", Type: "cancelled", Status: statusClientGone}
	}
	return &api.Error{Message: err.Error(), Type: "server_error", Status: http.StatusInternalServerError}
}

// form is whose API a request speaks.
type form uint8

const (
	formOpenAI form = iota
	formOllama
	formAnthropic
)

// formOf goes by the path; what both OpenAI and Anthropic have there, by a header that
// only Anthropic's clients send.
func formOf(r *http.Request) form {
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/"):
		return formOllama
	case strings.HasPrefix(r.URL.Path, "/v1/messages"), r.Header.Get("Anthropic-Version") != "":
		return formAnthropic
	}
	return formOpenAI
}

// body is an error as an API writes it.
func (f form) body(e *api.Error) any {
	switch f {
	case formOllama:
		return api.OllamaError{Error: e.Message}
	case formAnthropic:
		return api.AnthropicErrorBody{Type: "error", Error: api.AnthropicError{Type: anthropicType(e), Message: e.Message}}
	}
	return api.ErrorBody{Error: *e}
}

// refuse answers with an error in the form of the request's API.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := failure(err)
	if e.After > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.After))
	}
	reply(w, e.Status, formOf(r).body(e))
}

// endpoint adapts a handler that returns an error.
func endpoint(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			rec, ok := w.(*recorder)
			if ok {
				rec.err = err
			}
			if ok && rec.wrote {
				rec.status = failure(err).Status // the stream has told the client
				return
			}
			refuse(w, r, err)
		}
	}
}
