package safetensors

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/qwq-edge/qwq/convert/checkpoint"
)

// MaxHeader is the largest header that is read, as in the reference reader.
const MaxHeader = 100 << 20

// Entry is one tensor of a header. Begin and End are bytes from the start of
// the data, which begins after the header.
type Entry struct {
	Name       string
	DType      checkpoint.DType
	Shape      []int64
	Begin, End int64
}

// Parse reads the JSON of a header (without its length) of a file whose data
// is dataLen bytes long. It returns the tensors in the order of their data and
// the free-form metadata. The tensors must cover the data exactly.
func Parse(header []byte, dataLen int64) ([]Entry, map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(header))
	d.UseNumber()
	p := parser{d: d, meta: map[string]string{}}
	if err := p.header(); err != nil {
		return nil, nil, &FormatError{Offset: 8 + d.InputOffset(), Field: p.field, Err: err}
	}
	slices.SortFunc(p.entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Begin, b.Begin), cmp.Compare(a.End, b.End), cmp.Compare(a.Name, b.Name))
	})
	if err := cover(p.entries, dataLen, int64(len(header))+8); err != nil {
		return nil, nil, err
	}
	return p.entries, p.meta, nil
}

// cover checks that sorted entries fill the data without holes and overlaps.
func cover(es []Entry, dataLen, start int64) error {
	for _, e := range es {
		if e.End > dataLen {
			return &FormatError{Offset: start + min(e.Begin, dataLen), Field: fmt.Sprintf("tensor %.80q", e.Name), Err: fmt.Errorf("data ends at %d, %d bytes are there", e.End, dataLen)}
		}
	}
	at := int64(0)
	for _, e := range es {
		field := fmt.Sprintf("tensor %.80q", e.Name)
		switch {
		case e.Begin < at:
			return &FormatError{Offset: start + e.Begin, Field: field, Err: fmt.Errorf("data begins at %d, inside the tensor before, which ends at %d", e.Begin, at)}
		case e.Begin > at:
			return &FormatError{Offset: start + at, Field: field, Err: fmt.Errorf("data begins at %d, %d bytes after the tensor before", e.Begin, e.Begin-at)}
		}
		at = e.End
	}
	if at != dataLen {
		return &FormatError{Offset: start + at, Field: "data", Err: fmt.Errorf("%d bytes belong to no tensor", dataLen-at)}
	}
	return nil
}

// parser walks the header's JSON tokens; field is where it is, for messages.
type parser struct {
	d       *json.Decoder
	field   string
	entries []Entry
	meta    map[string]string
}

func (p *parser) header() error {
	p.field = "header"
	seen := map[string]bool{}
	err := p.object(func(name string) error {
		if seen[name] {
			p.field = fmt.Sprintf("tensor %.80q", name)
			return errors.New("appears twice")
		}
		seen[name] = true
		if name == "__metadata__" {
			return p.metadata()
		}
		return p.tensor(name)
	})
	if err != nil {
		return err
	}
	if t, err := p.d.Token(); err != io.EOF { // padding is white space
		return fmt.Errorf("%.80v after the header's object", t)
	}
	return nil
}

func (p *parser) metadata() error {
	p.field = "__metadata__"
	return p.object(func(key string) error {
		t, err := p.d.Token()
		s, ok := t.(string)
		if err != nil || !ok {
			return orBad(err, "value of %.80q is no string", key)
		}
		p.meta[key] = s
		return nil
	})
}

func (p *parser) tensor(name string) error {
	p.field = fmt.Sprintf("tensor %.80q", name)
	e := Entry{Name: name}
	var got [3]bool
	once := func(i int, key string) error {
		if got[i] {
			return fmt.Errorf("%s appears twice", key)
		}
		got[i] = true
		return nil
	}
	err := p.object(func(key string) error {
		switch key {
		case "dtype":
			return cmp.Or(once(0, key), p.dtype(&e))
		case "shape":
			return cmp.Or(once(1, key), p.shape(&e))
		case "data_offsets":
			return cmp.Or(once(2, key), p.offsets(&e))
		}
		return fmt.Errorf("unknown field %.80q", key)
	})
	if err != nil {
		return err
	}
	if got != [3]bool{true, true, true} {
		return errors.New("dtype, shape or data_offsets is missing")
	}
	p.entries = append(p.entries, e)
	return e.check()
}

// check compares the shape with the byte range.
func (e *Entry) check() error {
	n, ok := checkpoint.Count(e.Shape)
	if !ok {
		return fmt.Errorf("shape %v is too large", e.Shape)
	}
	bits := n * int64(e.DType.Bits())
	if bits%8 != 0 {
		return fmt.Errorf("shape %v of %v is no whole number of bytes", e.Shape, e.DType)
	}
	if e.Begin > e.End || e.End-e.Begin != bits/8 {
		return fmt.Errorf("shape %v of %v needs %d bytes, data_offsets are %d to %d", e.Shape, e.DType, bits/8, e.Begin, e.End)
	}
	return nil
}

func (p *parser) dtype(e *Entry) error {
	t, err := p.d.Token()
	s, ok := t.(string)
	if err != nil || !ok {
		return orBad(err, "dtype is no string")
	}
	if e.DType, ok = checkpoint.ParseDType(s); !ok {
		return fmt.Errorf("unknown dtype %.80q", s)
	}
	return nil
}

func (p *parser) shape(e *Entry) error {
	e.Shape = []int64{}
	return p.array("shape", func(v int64) error {
		if len(e.Shape) == checkpoint.MaxDims {
			return fmt.Errorf("more than %d dimensions", checkpoint.MaxDims)
		}
		e.Shape = append(e.Shape, v)
		return nil
	})
}

func (p *parser) offsets(e *Entry) error {
	var o []int64
	err := p.array("data_offsets", func(v int64) error {
		if len(o) == 2 {
			return errors.New("data_offsets has more than two values")
		}
		o = append(o, v)
		return nil
	})
	if err != nil {
		return err
	}
	if len(o) != 2 {
		return errors.New("data_offsets has not two values")
	}
	e.Begin, e.End = o[0], o[1]
	return nil
}

// object calls f for each key of the object that comes next.
func (p *parser) object(f func(key string) error) error {
	if err := p.delim('{'); err != nil {
		return err
	}
	for p.d.More() {
		t, err := p.d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return orBad(err, "a key is no string")
		}
		if err := f(key); err != nil {
			return err
		}
	}
	return p.delim('}')
}

// array calls f for each non-negative integer of the array that comes next.
func (p *parser) array(name string, f func(int64) error) error {
	if err := p.delim('['); err != nil {
		return err
	}
	for p.d.More() {
		t, err := p.d.Token()
		n, ok := t.(json.Number)
		if err != nil || !ok {
			return orBad(err, "%s holds something that is no number", name)
		}
		v, err := strconv.ParseInt(n.String(), 10, 64)
		if err != nil || v < 0 {
			return fmt.Errorf("%s holds %.80s", name, n)
		}
		if err := f(v); err != nil {
			return err
		}
	}
	return p.delim(']')
}

func (p *parser) delim(want json.Delim) error {
	t, err := p.d.Token()
	if err != nil {
		return orBad(err, "")
	}
	if t != want {
		return fmt.Errorf("%.80v where %v should be", t, want)
	}
	return nil
}

// orBad is err, made fit for one line, or a new error from the format.
func orBad(err error, format string, a ...any) error {
	switch {
	case err == nil:
		return fmt.Errorf(format, a...)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the header's JSON ends early")
	}
	return err
}
