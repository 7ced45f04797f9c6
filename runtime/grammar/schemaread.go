package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// readSchema reads JSON with all that a hostile document could overdo bounded,
// and returns besides the value the order of the keys in every object under a
// key "properties", by JSON pointer.
func readSchema(doc []byte, l Limits) (any, map[string][]string, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	r := &schemaReader{d: d, limits: l, order: map[string][]string{}}
	v, err := r.value("", 0, false)
	if err == nil {
		if _, e := d.Token(); !errors.Is(e, io.EOF) {
			err = errors.New("there is something after the value")
		}
	}
	if err != nil {
		var le *LimitError
		var se *SchemaError
		if errors.As(err, &le) || errors.As(err, &se) {
			return nil, nil, err
		}
		return nil, nil, fmt.Errorf("grammar: schema, byte %d: %w", d.InputOffset(), err)
	}
	return v, r.order, nil
}

type schemaReader struct {
	d       *json.Decoder
	limits  Limits
	order   map[string][]string
	objects int
}

func (r *schemaReader) value(at string, depth int, ordered bool) (any, error) {
	if depth > r.limits.Depth {
		return nil, &LimitError{"nested values in a schema", r.limits.Depth}
	}
	t, err := r.token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		return t, checkNumber(t.String(), at)
	case json.Delim:
		if r.objects++; r.objects > r.limits.Rules {
			return nil, &LimitError{"objects and arrays in a schema", r.limits.Rules}
		}
		if t == '{' {
			return r.object(at, depth, ordered)
		}
		out := []any{}
		for i := 0; r.d.More(); i++ {
			v, err := r.value(at+"/"+strconv.Itoa(i), depth+1, false)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		_, err := r.token()
		return out, err
	}
	return t, nil
}

func (r *schemaReader) object(at string, depth int, ordered bool) (any, error) {
	out := map[string]any{}
	for r.d.More() {
		t, err := r.token()
		if err != nil {
			return nil, err
		}
		k := t.(string) // the decoder lets nothing else pass
		p := at + "/" + strings.ReplaceAll(strings.ReplaceAll(k, "~", "~0"), "/", "~1")
		if _, ok := out[k]; ok {
			return nil, &SchemaError{p, "the key comes twice"}
		}
		if out[k], err = r.value(p, depth+1, k == "properties"); err != nil {
			return nil, err
		}
		if ordered {
			r.order[at] = append(r.order[at], k)
		}
	}
	_, err := r.token()
	return out, err
}

func (r *schemaReader) token() (json.Token, error) {
	t, err := r.d.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return t, err
}

// checkNumber refuses numbers whose exact value would be large to hold.
func checkNumber(s, at string) error {
	_, exp, _ := strings.Cut(strings.ToLower(s), "e")
	if n, err := strconv.Atoi(exp); len(s) > 400 || exp != "" && (err != nil || n < -400 || n > 400) {
		return &SchemaError{at, fmt.Sprintf("the number %.40s is too long", s)}
	}
	return nil
}
