package prog

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// unknownCommand is the usage error for a command that does not exist; it
// names the nearest one that does.
func unknownCommand(app *cli.App, name string) error {
	var names []string
	for _, c := range app.Commands {
		names = append(names, c.Names()...)
	}
	u := Usagef("unknown command %q", name)
	if near := Nearest(name, names); near != "" {
		return u.Hintf("did you mean %q?", app.Name+" "+near)
	}
	return u.Hintf("the commands are %s", strings.Join(names, ", "))
}

func flagNames(flags []cli.Flag) []string {
	var out []string
	for _, f := range flags {
		out = append(out, f.Names()...)
	}
	return out
}

// dashed writes a flag's name as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// Nearest is the name with the smallest edit distance, "" when even that one
// differs in more than half of its letters.
func Nearest(name string, names []string) string {
	best, at := "", 0
	for _, n := range names {
		if len(n) < 2 {
			continue
		}
		if d := distance(name, n); best == "" || d < at {
			best, at = n, d
		}
	}
	if best == "" || at > max(1, len(best)/2) {
		return ""
	}
	return best
}

// distance is the Levenshtein distance with neighbours swapped counted once,
// in bytes.
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		cur[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			cur[j+1] = min(prev[j]+cost, prev[j+1]+1, cur[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				cur[j+1] = min(cur[j+1], prev2[j-1]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
