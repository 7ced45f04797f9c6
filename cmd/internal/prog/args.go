package prog

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// Args checks the number of positionals and returns them. names describes them
// as the help does: "SRC", "MODEL [TEXT]".
func Args(c *cli.Context, least, most int, names string) ([]string, error) {
	a := c.Args().Slice()
	switch {
	case len(a) < least:
		return nil, Usagef("%s needs %s", c.Command.Name, names).Hintf("%s %s --help has an example", c.App.Name, c.Command.Name)
	case len(a) > most:
		return nil, Usagef("%s: unexpected argument %q", c.Command.Name, a[most]).Hintf("quote a text that has spaces; usage: %s %s %s", c.App.Name, c.Command.Name, names)
	}
	return a, nil
}

// OneOf checks that exactly one of several flags is given and names it.
func OneOf(c *cli.Context, names ...string) (string, error) {
	var set, all []string
	for _, n := range names {
		all = append(all, dashed(n))
		if c.IsSet(n) {
			set = append(set, n)
		}
	}
	if len(set) == 1 {
		return set[0], nil
	}
	what := "one of " + strings.Join(all, ", ")
	if len(set) == 0 {
		return "", Usagef("%s needs %s", c.Command.Name, what)
	}
	return "", Usagef("%s takes only %s", c.Command.Name, what)
}

// IDs parses token ids: numbers between commas or white space, in brackets or
// not.
func IDs(s string) ([]int32, error) {
	s = strings.TrimSpace(s)
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if s, ok = strings.CutSuffix(inner, "]"); !ok {
			return nil, fmt.Errorf("ids %q: the bracket is not closed", clip(s))
		}
	}
	ids := []int32{}
	for f := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' || r == '\r' }) {
		n, err := strconv.ParseInt(f, 10, 32)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is no token id", clip(f))
		}
		ids = append(ids, int32(n))
	}
	return ids, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// Ints parses a list of positive numbers between commas, as -t 1,2 has it.
func Ints(s string) ([]int, error) {
	var out []int
	for f := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(f))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no positive number", f)
		}
		out = append(out, n)
	}
	return out, nil
}

// ReadText returns the text of a file, or of the program's stdin for "-".
func ReadText(c *cli.Context, path string) (string, error) {
	var b []byte
	var err error
	if path == "-" {
		b, err = io.ReadAll(c.App.Reader)
	} else {
		b, err = os.ReadFile(path)
	}
	return string(b), err
}
