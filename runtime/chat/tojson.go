package chat

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"unicode/utf8"
)

// jsonWriter prints as Python's json.dumps does.
type jsonWriter struct {
	m        *machine
	ascii    bool
	indent   string
	indented bool
	comma    string
	colon    string
	sortKeys bool
}

// filterToJSON is tojson(ensure_ascii=False, indent=None, separators=None,
// sort_keys=False), the filter as transformers defines it: key order kept,
// nothing escaped for HTML.
func filterToJSON(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(0, "ensure_ascii", "indent", "separators", "sort_keys")
	if err != nil {
		return nil, err
	}
	w := jsonWriter{m: m, comma: ", ", colon: ": "}
	w.ascii = p[0] != unset && truth(p[0])
	w.sortKeys = p[3] != unset && truth(p[3])
	if err := w.setIndent(p[1]); err != nil {
		return nil, err
	}
	if p[2] != unset && p[2] != nil {
		sep, err := m.iterate(p[2])
		if err != nil {
			return nil, err
		}
		if len(sep) != 2 {
			return nil, fmt.Errorf("separators must be a pair, got %d values", len(sep))
		}
		w.comma, w.colon = str0(sep[0]), str0(sep[1])
	}
	out, err := w.value(nil, v, 0)
	if err != nil {
		return nil, err
	}
	return string(out), m.grow(int64(2 * len(out)))
}

func (w *jsonWriter) setIndent(v any) error {
	switch x := v.(type) {
	case unsetType, nil:
		return nil
	case string:
		w.indent = x
	default:
		n, ok := integer(v)
		if !ok {
			return fmt.Errorf("indent must be an integer or a string, not %s", typeName(v))
		}
		if n > 1000 {
			return fmt.Errorf("indent %d: %w", n, ErrLimit)
		}
		w.indent = strings.Repeat(" ", int(max(0, n)))
	}
	w.indented, w.comma = true, ","
	return nil
}

func (w *jsonWriter) value(b []byte, v any, level int) ([]byte, error) {
	if err := w.m.step(1); err != nil {
		return b, err
	}
	if int64(len(b)) > w.m.lim.Output {
		return b, fmt.Errorf("json longer than %d bytes: %w", w.m.lim.Output, ErrLimit)
	}
	switch x := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		if x {
			return append(b, "true"...), nil
		}
		return append(b, "false"...), nil
	case int64, bigInt:
		return w.m.appendRepr(b, x)
	case float64:
		return append(b, jsonFloat(x)...), nil
	case string:
		return w.str(b, x), w.m.scan(len(x))
	case markup:
		return w.str(b, string(x)), w.m.scan(len(x))
	case *List:
		return w.list(b, x, level) // a generator too, which Python refuses
	case *Dict:
		return w.dict(b, x, level)
	case *undefined:
		if w.m.t.dialect == HuggingFaceJS {
			return append(b, "null"...), nil
		}
	}
	return b, fmt.Errorf("object of type %s is not JSON serializable", typeName(v))
}

func (w *jsonWriter) newline(b []byte, level int) []byte {
	if !w.indented {
		return b
	}
	b = append(b, '\n')
	for range level {
		b = append(b, w.indent...)
	}
	return b
}

func (w *jsonWriter) list(b []byte, l *List, level int) ([]byte, error) {
	if len(l.items) == 0 {
		return append(b, "[]"...), nil
	}
	if err := w.m.enter(); err != nil {
		return b, err
	}
	defer w.m.leave()
	b = append(b, '[')
	var err error
	for i, v := range l.items {
		if i > 0 {
			b = append(b, w.comma...)
		}
		b = w.newline(b, level+1)
		if b, err = w.value(b, v, level+1); err != nil {
			return b, err
		}
	}
	return append(w.newline(b, level), ']'), nil
}

func (w *jsonWriter) dict(b []byte, d *Dict, level int) ([]byte, error) {
	if d.Len() == 0 {
		return append(b, "{}"...), nil
	}
	if err := w.m.enter(); err != nil {
		return b, err
	}
	defer w.m.leave()
	entries := d.entries
	var err error
	if w.sortKeys {
		if entries, err = w.sorted(entries); err != nil {
			return b, err
		}
	}
	b = append(b, '{')
	for i, e := range entries {
		if i > 0 {
			b = append(b, w.comma...)
		}
		b = w.newline(b, level+1)
		if b, err = w.key(b, e.key); err != nil {
			return b, err
		}
		b = append(b, w.colon...)
		if b, err = w.value(b, e.val, level+1); err != nil {
			return b, err
		}
	}
	return append(w.newline(b, level), '}'), nil
}

func (w *jsonWriter) sorted(entries []entry) ([]entry, error) {
	entries = append([]entry{}, entries...)
	var failed error
	sort.SliceStable(entries, func(i, j int) bool {
		c, err := w.m.order(entries[i].key, entries[j].key)
		if err != nil {
			failed = err
		}
		return c < 0
	})
	return entries, failed
}

func (w *jsonWriter) key(b []byte, k any) ([]byte, error) {
	switch x := k.(type) {
	case string:
		return w.str(b, x), nil
	case markup:
		return w.str(b, string(x)), nil
	case nil, bool, int64, bigInt, float64:
		b = append(b, '"')
		b, err := w.value(b, x, 0)
		return append(b, '"'), err
	}
	return b, fmt.Errorf("keys must be str, int, float, bool or None, not %s", typeName(k))
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return floatRepr(f)
}

func (w *jsonWriter) str(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && (c < utf8.RuneSelf || !w.ascii) {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		n := 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		default:
			var r rune
			r, n = utf8.DecodeRuneInString(s[i:])
			if r >= 0x10000 {
				r -= 0x10000
				b = fmt.Appendf(b, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3ff)
			} else {
				b = fmt.Appendf(b, `\u%04x`, r)
			}
		}
		i += n
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
