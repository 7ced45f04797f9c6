package data

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// readParquet reads a column text, or prompt and completion, or messages (a list
// of structures with role and content, or a string of JSON), page by page. The
// library checks less than we do: what it panics on is an error here.
func readParquet(ctx context.Context, path string, o reading, v visit) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return fmt.Errorf("data: %s: not a regular file", path)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("data: %s: malformed parquet: %v", path, p)
		}
	}()
	if err := checkFooter(f, st.Size()); err != nil {
		return fmt.Errorf("data: %s: %w", path, err)
	}
	pf, err := parquet.OpenFile(f, st.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("data: %s: %w", path, err)
	}
	if err := checkPages(f, st.Size(), pf.Metadata()); err != nil {
		return fmt.Errorf("data: %s: %w", path, err)
	}
	cols, err := findColumns(pf.Schema())
	if err != nil {
		return fmt.Errorf("data: %s: %w", path, err)
	}
	row := 0
	if all := float64(max(pf.NumRows(), 1)); v.part != nil {
		take := v.take
		v.take = func(line int, r *Record) error {
			v.part(float64(row+1) / all)
			return take(line, r)
		}
	}
	for _, g := range pf.RowGroups() {
		if err := cols.group(ctx, path, g, &row, o, v); err != nil {
			return err
		}
	}
	return nil
}

// columns are the leaves to read, by field.
type columns struct {
	names []string // "text", "prompt", "completion", "role", "content", "messages"
	index []int
}

func findColumns(s *parquet.Schema) (*columns, error) {
	c := &columns{}
	for i, path := range s.Columns() {
		name := ""
		switch {
		case len(path) == 1 && (path[0] == "text" || path[0] == "prompt" || path[0] == "completion" || path[0] == "messages"):
			name = path[0]
		case len(path) > 2 && path[0] == "messages" && (path[len(path)-1] == "role" || path[len(path)-1] == "content"):
			name = path[len(path)-1]
		default:
			continue
		}
		leaf, ok := s.Lookup(path...)
		if !ok || leaf.Node.Type().Kind() != parquet.ByteArray {
			return nil, fmt.Errorf("column %s is no string", strings.Join(path, "."))
		}
		c.names, c.index = append(c.names, name), append(c.index, i)
	}
	if len(c.names) == 0 {
		return nil, errors.New("no column text, prompt and completion, or messages")
	}
	return c, nil
}

// group reads the rows of a row group.
func (c *columns) group(ctx context.Context, path string, g parquet.RowGroup, row *int, o reading, v visit) error {
	leaves := make([]*leaf, len(c.index))
	chunks := g.ColumnChunks()
	for i, at := range c.index {
		leaves[i] = &leaf{pages: chunks[at].Pages(), max: o.maxLine}
		defer leaves[i].close()
	}
	fields := make(map[string][]*string, len(leaves))
	for range g.NumRows() {
		if err := ctx.Err(); err != nil {
			return err
		}
		wrong := func(err error) error { return &Error{File: path, Unit: "row", Line: *row, Err: err} }
		for i, l := range leaves {
			vs, err := l.row()
			if err != nil {
				return wrong(fmt.Errorf("column %s: %w", c.names[i], noEOF(err)))
			}
			fields[c.names[i]] = vs
		}
		if v.want() {
			r, err := parquetRecord(fields, o.replace)
			if err == nil {
				err = v.take(*row, r)
			}
			if err != nil {
				return wrong(err)
			}
		}
		*row++
	}
	return nil
}

// parquetRecord makes a record of the values of one row.
func parquetRecord(fields map[string][]*string, replace bool) (*Record, error) {
	for _, vs := range fields {
		for _, s := range vs {
			if s == nil {
				continue
			}
			t, err := text([]byte(*s), replace)
			if err != nil {
				return nil, err
			}
			*s = t
		}
	}
	one := func(name string) *string {
		if vs := fields[name]; len(vs) > 0 {
			return vs[0]
		}
		return nil
	}
	var messages []byte
	if s := one("messages"); s != nil {
		messages = []byte(*s)
		if json.Valid(messages) { // else the encoder says what is wrong
			if err := checkKeys(*s); err != nil {
				return nil, err
			}
		}
	} else if roles := fields["role"]; roles != nil {
		contents := fields["content"]
		if len(contents) != len(roles) {
			return nil, fmt.Errorf("%d roles and %d contents", len(roles), len(contents))
		}
		type message struct {
			Role    *string `json:"role"`
			Content *string `json:"content"`
		}
		list := []message{}
		for i := range roles {
			if roles[i] != nil {
				list = append(list, message{roles[i], contents[i]})
			}
		}
		var err error
		if messages, err = json.Marshal(list); err != nil {
			return nil, err
		}
	}
	return record(one("text"), one("prompt"), one("completion"), messages, nil)
}

// leaf reads the values of one column, row by row.
type leaf struct {
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buf    [64]parquet.Value
	n, at  int
	max    int
	done   bool
}

// fill makes buf[at] the next value; io.EOF after the last.
func (l *leaf) fill() error {
	for l.at == l.n {
		if l.done {
			return io.EOF
		}
		if l.values == nil {
			p, err := l.pages.ReadPage()
			if err != nil {
				l.done = true
				return err
			}
			l.page, l.values = p, p.Values()
		}
		n, err := l.values.ReadValues(l.buf[:])
		l.at, l.n = 0, n
		if errors.Is(err, io.EOF) {
			if n == 0 {
				parquet.Release(l.page)
				l.page, l.values = nil, nil
			}
		} else if err != nil {
			return err
		} else if n == 0 {
			return io.ErrNoProgress
		}
	}
	return nil
}

// row returns the strings of the next row, nil for null.
func (l *leaf) row() ([]*string, error) {
	var out []*string
	bytes := 0
	for {
		err := l.fill()
		if errors.Is(err, io.EOF) && out != nil {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		v := l.buf[l.at]
		if v.RepetitionLevel() == 0 && out != nil {
			return out, nil
		}
		l.at++
		if v.IsNull() {
			out = append(out, nil)
			continue
		}
		if bytes += len(v.ByteArray()) + 16; bytes > l.max {
			return nil, fmt.Errorf("more than %d bytes in a row", l.max)
		}
		s := string(v.ByteArray())
		out = append(out, &s)
	}
}

func (l *leaf) close() {
	if l.page != nil {
		parquet.Release(l.page)
	}
	l.pages.Close()
}
