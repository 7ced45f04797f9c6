package recipe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a file: the YAML reader needs memory with the square of the nesting.
const (
	maxBytes   = 256 << 10
	maxNesting = 32 // brackets that are open at once
	maxIndent  = 256
)

// Error is a mistake and where it stands.
type Error struct {
	File         string
	Line, Column int // from 1; 0: File is a flag of the command
	Msg          string
	Err          error // the cause, if there is one
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Error is file:line:column: message, or flag: message.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// Open reads and checks the recipe at path, changed by flags.
func Open(path string, flags ...Flag) (*Recipe, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, err
	}
	r, err := Parse(path, b, flags...)
	if err != nil {
		return nil, err
	}
	r.Path = path
	return r, nil
}

// Parse reads and checks a recipe, changed by flags; name is the file's in errors.
func Parse(name string, b []byte, flags ...Flag) (*Recipe, error) {
	if err := bounded(name, b); err != nil {
		return nil, err
	}
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, located(name, err)
	}
	p := &place{name: name, keys: map[string]*token.Token{}, flags: map[string]string{}}
	docs := 0
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if docs++; docs > 1 {
			return nil, p.tokenError(d.Body.GetToken(), "a second document")
		}
		if err := p.walk("", d.Body, reflect.TypeFor[Recipe]()); err != nil {
			return nil, err
		}
	}
	if docs == 0 {
		return nil, &Error{File: name, Line: 1, Column: 1, Msg: "no recipe: want lines of the form key: value"}
	}
	r := &Recipe{at: p}
	if err := yaml.UnmarshalWithOptions(b, r, yaml.Strict()); err != nil {
		return nil, located(name, err)
	}
	for _, f := range flags {
		if err := r.set(p, f); err != nil {
			return nil, err
		}
	}
	r.defaults(p)
	if err := r.check(p); err != nil {
		return nil, err
	}
	return r, nil
}

// place remembers where each key stands, by its path: "loss.soft".
type place struct {
	name  string
	keys  map[string]*token.Token
	flags map[string]string // that set a key in the file's place
}

func (p *place) has(key string) bool { return p.keys[key] != nil || p.flags[key] != "" }

// walk refuses anchors and merges (a file means what it shows) and null values,
// and notes the keys' places.
func (p *place) walk(path string, n ast.Node, t reflect.Type) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			if err := p.pair(path, v, t); err != nil {
				return err
			}
		}
	case *ast.MappingValueNode:
		return p.pair(path, n, t)
	case *ast.SequenceNode:
		for i, v := range n.Values {
			p.keys[fmt.Sprintf("%s.%d", path, i)] = v.GetToken()
			if err := p.walk(path, v, nil); err != nil {
				return err
			}
		}
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		return p.tokenError(n.GetToken(), "anchors, aliases and tags are not for recipes")
	case *ast.NullNode:
		return p.tokenError(n.GetToken(), "no value")
	default:
		if path == "" {
			return p.tokenError(n.GetToken(), "want lines of the form key: value")
		}
	}
	return nil
}

func (p *place) pair(path string, v *ast.MappingValueNode, t reflect.Type) error {
	k := v.Key.GetToken()
	full := strings.TrimPrefix(path+"."+k.Value, ".")
	if t != nil && t.Kind() == reflect.Struct {
		field, names := find(t, k.Value)
		if field == nil {
			return p.tokenError(k, "unknown key %q, want one of %s", k.Value, strings.Join(names, ", "))
		}
		t = field
	}
	if p.keys[full] != nil {
		return p.tokenError(k, "key %q stands there twice", full)
	}
	p.keys[full] = k
	return p.walk(full, v.Value, t)
}

// find is the type of the field with a key, nil when there is none, and all keys.
func find(t reflect.Type, key string) (found reflect.Type, names []string) {
	for f := range t.Fields() {
		name := f.Tag.Get("yaml")
		if name == "-" {
			continue
		}
		names = append(names, name)
		if name == key {
			found = f.Type
		}
	}
	return found, names
}

// errorf is an error at a key or at the nearest one above it that is there.
func (p *place) errorf(path, format string, a ...any) error {
	for at := path; at != ""; at = at[:max(strings.LastIndexByte(at, '.'), 0)] {
		if f := p.flags[at]; f != "" {
			err := fmt.Errorf(path+": "+format, a...)
			return &Error{File: f, Msg: err.Error(), Err: errors.Unwrap(err)}
		}
		if t := p.keys[at]; t != nil {
			return p.tokenError(t, path+": "+format, a...)
		}
	}
	return p.tokenError(nil, path+": "+format, a...)
}

func (p *place) tokenError(t *token.Token, format string, a ...any) error {
	err := fmt.Errorf(format, a...)
	e := &Error{p.name, 1, 1, err.Error(), errors.Unwrap(err)}
	if t != nil && t.Position != nil {
		e.Line, e.Column = t.Position.Line, t.Position.Column
	}
	return e
}

// located is the YAML reader's error without its picture of the source.
func located(name string, err error) error {
	var e interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if errors.As(err, &e) {
		return (&place{name: name}).tokenError(e.GetToken(), "%s", e.GetMessage())
	}
	return fmt.Errorf("%s: %s", name, strings.TrimSpace(err.Error()))
}

// bounded refuses what would cost the YAML reader much.
func bounded(name string, b []byte) error {
	if len(b) > maxBytes {
		return &Error{File: name, Line: 1, Column: 1, Msg: fmt.Sprintf("longer than %d bytes", maxBytes)}
	}
	line, start, depth, indent := 1, 0, 0, true
	for i, c := range b {
		switch c {
		case '\n':
			line, start, indent = line+1, i+1, true
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		}
		indent = indent && (c == ' ' || c == '-' || c == '?' || c == '\t')
		if depth > maxNesting || indent && i-start > maxIndent {
			return &Error{File: name, Line: line, Column: i - start + 1, Msg: fmt.Sprintf("nested deeper than %d", maxNesting)}
		}
	}
	return nil
}
