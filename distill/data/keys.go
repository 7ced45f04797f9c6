package data

import (
	"encoding/json"
	"fmt"
	"strings"
)

// maxNesting bounds the objects and lists of a row that are open at once.
const maxNesting = 64

// columnError is a mistake at a byte of a line.
type columnError struct {
	column int // from 1
	err    error
}

// Error is the cause; whoever knows the file and line puts the column behind them.
func (e *columnError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *columnError) Unwrap() error { return e.err }

// checkKeys refuses an object with the same key twice, of which the JSON reader
// would silently take the last, and nesting deeper than maxNesting. s is valid
// JSON. names are the keys that the reader finds in the outermost object whatever
// their case.
func checkKeys(s string, names ...string) error {
	var open []map[string]bool // the keys of each open object; nil of a list
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{', '[':
			if len(open) == maxNesting {
				return &columnError{i + 1, fmt.Errorf("nested deeper than %d", maxNesting)}
			}
			var keys map[string]bool
			if s[i] == '{' {
				keys = map[string]bool{}
			}
			open = append(open, keys)
		case '}', ']':
			open = open[:len(open)-1]
		case '"':
			end := i + 1
			for s[end] != '"' {
				if s[end] == '\\' {
					end++
				}
				end++
			}
			if after := strings.TrimLeft(s[end+1:], " \t\r\n"); strings.HasPrefix(after, ":") {
				var key string
				if err := json.Unmarshal([]byte(s[i:end+1]), &key); err != nil {
					return &columnError{i + 1, err}
				}
				if len(open) == 1 {
					key = folded(key, names)
				}
				keys := open[len(open)-1]
				if keys[key] {
					return &columnError{i + 1, fmt.Errorf("the key %.40q stands there twice", key)}
				}
				keys[key] = true
			}
			i = end
		}
	}
	return nil
}

// folded is the name that a key is taken for.
func folded(key string, names []string) string {
	for _, n := range names {
		if strings.EqualFold(key, n) {
			return n
		}
	}
	return key
}
