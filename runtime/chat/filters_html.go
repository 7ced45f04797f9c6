package chat

import (
	"errors"
	"fmt"
	"html"
	"net/url"
	"strings"
)

func escapeHTML(s string) string {
	return htmlEscaper.Replace(s)
}

var htmlEscaper = strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;")

func filterSafe(m *machine, v any, a *args) (any, error) {
	if err := noArgs(a); err != nil {
		return nil, err
	}
	s, err := m.str(v)
	return markup(s), err
}

func filterEscape(m *machine, v any, a *args) (any, error) {
	if _, done := v.(markup); done {
		return v, noArgs(a)
	}
	return filterForceEscape(m, v, a)
}

func filterForceEscape(m *machine, v any, a *args) (any, error) {
	if err := noArgs(a); err != nil {
		return nil, err
	}
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	return markup(escapeHTML(s)), m.grow(5 * int64(len(s)))
}

func filterStripTags(m *machine, v any, a *args) (any, error) {
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	if err := m.grow(3 * int64(len(s))); err != nil {
		return nil, err
	}
	cut := func(open, end string) {
		var b strings.Builder
		for {
			i := strings.Index(s, open)
			if i < 0 {
				break
			}
			j := strings.Index(s[i:], end)
			if j < 0 {
				break
			}
			b.WriteString(s[:i])
			s = s[i+j+len(end):]
		}
		s = b.String() + s
	}
	cut("<!--", "-->")
	cut("<", ">")
	return html.UnescapeString(strings.Join(strings.FieldsFunc(s, isSpace), " ")), noArgs(a)
}

func filterURLEncode(m *machine, v any, a *args) (any, error) {
	if err := noArgs(a); err != nil {
		return nil, err
	}
	if d, ok := v.(*Dict); ok {
		items, err := m.viewItems(&view{d, 'i'})
		if err != nil {
			return nil, err
		}
		v = NewList(items...)
	}
	l, ok := v.(*List)
	if !ok {
		s, err := m.str(v)
		if err != nil {
			return nil, err
		}
		return quoteURL(s, true), m.grow(3 * int64(len(s)))
	}
	var parts []string
	for _, x := range l.items {
		pair, err := m.iterate(x)
		if err != nil {
			return nil, err
		}
		if len(pair) != 2 {
			return nil, errors.New("expected pairs")
		}
		k, err := m.str(pair[0])
		if err != nil {
			return nil, err
		}
		val, err := m.str(pair[1])
		if err != nil {
			return nil, err
		}
		if err := m.grow(3 * int64(len(k)+len(val)+1)); err != nil {
			return nil, err
		}
		parts = append(parts, url.QueryEscape(k)+"="+url.QueryEscape(val))
	}
	return strings.Join(parts, "&"), nil
}

// quoteURL is urllib.parse.quote.
func quoteURL(s string, slash bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("_.-~", c) >= 0 || slash && c == '/' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func filterXMLAttr(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(0, "autospace")
	if err != nil {
		return nil, err
	}
	d, ok := v.(*Dict)
	if !ok {
		return nil, fmt.Errorf("a mapping is required, not %s", typeName(v))
	}
	var parts []string
	for _, e := range d.entries {
		if _, undef := e.val.(*undefined); undef || e.val == nil {
			continue
		}
		k, err := m.str(e.key)
		if err != nil {
			return nil, err
		}
		if strings.ContainsAny(k, " \t\n\f\r/>=") {
			return nil, fmt.Errorf("invalid character in attribute name %q", k)
		}
		val, err := m.str(e.val)
		if err != nil {
			return nil, err
		}
		if err := m.grow(6 * int64(len(k)+len(val))); err != nil {
			return nil, err
		}
		parts = append(parts, escapeHTML(k)+`="`+escapeHTML(val)+`"`)
	}
	out := strings.Join(parts, " ")
	if out != "" && (p[0] == unset || truth(p[0])) {
		out = " " + out
	}
	return out, nil
}
