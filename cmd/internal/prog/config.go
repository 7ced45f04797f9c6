package prog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
	"github.com/urfave/cli/v2"
)

// Setting is one key of a configuration file: the long name of a flag and what
// it is set to, several values for a flag that can be repeated.
type Setting struct {
	Key    string
	Values []string
	List   bool // written as a list
	File   string
	Line   int // from 1
	Column int // from 1

	section ast.Node // of the key that may be one; its Values then turn the flag on
}

// Place is where the setting stands: file:line:column.
func (s Setting) Place() string { return fmt.Sprintf("%s:%d:%d", s.File, s.Line, s.Column) }

// Config is what the configuration files say, by key.
type Config map[string]Setting

// ConfigFiles are the files that are read where they exist; a later one wins.
func ConfigFiles() []string {
	files := []string{"/etc/qwq/qwq.yaml"}
	dir := os.Getenv("XDG_CONFIG_HOME")
	if home, err := os.UserHomeDir(); dir == "" && err == nil {
		dir = filepath.Join(home, ".config")
	}
	if filepath.IsAbs(dir) { // the XDG specification: a relative path is to be ignored
		files = append(files, filepath.Join(dir, "qwq", "qwq.yaml"))
	}
	return files
}

// Bounds of a configuration file: the YAML reader needs memory with the square
// of the nesting, which these keep small.
const (
	maxConfig  = 64 << 10 // bytes
	maxLine    = 8 << 10  // bytes of a line
	maxNesting = 64       // brackets that are open at once
)

// LoadConfig reads the files that exist; a key in a later file wins.
func LoadConfig(files []string) (Config, error) {
	all := Config{}
	for _, name := range files {
		st, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		if !st.Mode().IsRegular() {
			return nil, fmt.Errorf("%s: not a regular file", name) // a pipe would wait for ever
		}
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
		f.Close()
		if err != nil {
			return nil, err
		}
		settings, err := ParseConfig(name, b)
		if err != nil {
			return nil, err
		}
		for _, s := range settings {
			all[s.Key] = s
		}
	}
	return all, nil
}

// ParseConfig reads one configuration file: a YAML mapping of flag names to
// values, or to lists of values. Keys that no flag of either program has, keys
// that stand there twice and values of another kind are errors with their place.
func ParseConfig(name string, b []byte) ([]Setting, error) {
	if err := bounded(name, b); err != nil {
		return nil, err
	}
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, syntaxError(name, err)
	}
	var out []Setting
	for i, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if i > 0 {
			return nil, at(name, doc.Body.GetToken(), "a second document")
		}
		var pairs []*ast.MappingValueNode
		switch n := doc.Body.(type) {
		case *ast.MappingNode:
			pairs = n.Values
		case *ast.MappingValueNode:
			pairs = []*ast.MappingValueNode{n}
		case *ast.CommentGroupNode, *ast.NullNode:
		default:
			return nil, at(name, n.GetToken(), "want lines of the form key: value")
		}
		for _, p := range pairs {
			s, err := setting(name, p)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(out, func(o Setting) bool { return o.Key == s.Key }) {
				return nil, at(name, p.Key.GetToken(), "key %q stands there twice", s.Key)
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// bounded refuses what would cost the YAML reader much: see maxConfig.
func bounded(name string, b []byte) error {
	if len(b) > maxConfig {
		return fmt.Errorf("%s: longer than %d bytes", name, maxConfig)
	}
	line, start, depth := 1, 0, 0
	for i, c := range b {
		switch c {
		case '\n':
			line, start = line+1, i+1
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		}
		if i-start > maxLine || depth > maxNesting {
			return fmt.Errorf("%s:%d:%d: longer than %d bytes or nested deeper than %d", name, line, i-start+1, maxLine, maxNesting)
		}
	}
	return nil
}

// setting reads one key and its value.
func setting(name string, p *ast.MappingValueNode) (Setting, error) {
	t := p.Key.GetToken()
	s := Setting{Key: t.Value, File: name, Line: t.Position.Line, Column: t.Position.Column}
	if _, ok := keys[s.Key]; !ok {
		err := at(name, t, "unknown key %q", s.Key)
		var names []string
		for k := range keys {
			names = append(names, k)
		}
		slices.Sort(names)
		if near := Nearest(s.Key, names); near != "" {
			return s, Hint(err, "did you mean %s?", near)
		}
		return s, Hint(err, "qwq config lists the keys")
	}
	switch p.Value.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		if s.Key == keySafety {
			s.section, s.Values = p.Value, []string{"true"}
			_, err := parseSafety(name, p.Value)
			return s, err
		}
	}
	nodes := []ast.Node{p.Value}
	if list, ok := p.Value.(*ast.SequenceNode); ok {
		nodes, s.List = list.Values, true
	}
	for _, n := range nodes {
		v, ok := scalar(n)
		if !ok {
			return s, at(name, n.GetToken(), "key %q: want a text, a number or true or false", s.Key)
		}
		s.Values = append(s.Values, v)
	}
	return s, nil
}

// scalar is the text of a value as it would be typed on the command line.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.BoolNode:
		return strconv.FormatBool(n.Value), true
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func at(name string, t *token.Token, format string, args ...any) error {
	line, column := 1, 1
	if t != nil && t.Position != nil {
		line, column = t.Position.Line, t.Position.Column
	}
	return fmt.Errorf("%s:%d:%d: %s", name, line, column, fmt.Sprintf(format, args...))
}

// syntaxError is the parser's error without its picture of the source.
func syntaxError(name string, err error) error {
	var e interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if errors.As(err, &e) {
		return at(name, e.GetToken(), "%s", e.GetMessage())
	}
	return fmt.Errorf("%s: %s", name, strings.TrimSpace(err.Error()))
}

// apply sets the flags of a command that neither the command line nor the
// environment has set.
func (cfg Config) apply(c *cli.Context) error {
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		s, ok := cfg[name]
		if !ok || c.IsSet(name) {
			continue
		}
		if _, many := f.(*cli.StringSliceFlag); !many && (s.List || len(s.Values) != 1) {
			return fmt.Errorf("%s: key %q takes one value, not a list", s.Place(), name)
		}
		for _, v := range s.Values {
			if err := c.Set(name, v); err != nil {
				return fmt.Errorf("%s: key %q: %q: %w", s.Place(), name, v, err)
			}
		}
	}
	return nil
}
