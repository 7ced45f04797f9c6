package deps

import (
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/qwq-edge/qwq"

// edge is one import statement of a file that is no test.
type edge struct {
	from, to string // from: folder below the root; to: import path
	file     string
	tag      constraint.Expr // nil: untagged
}

// source lists every import of every non-test Go file below root, with all
// build tags, nested modules and testdata folders left out.
func source(t *testing.T, root string) []edge {
	t.Helper()
	var out []edge
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(root, path)
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		var tag constraint.Expr
		for _, g := range f.Comments {
			for _, c := range g.List {
				if x, err := constraint.Parse(c.Text); err == nil && c.Pos() < f.Package {
					tag = x
				}
			}
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for _, s := range f.Imports {
			to, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				return err
			}
			out = append(out, edge{filepath.ToSlash(filepath.Dir(rel)), to, filepath.ToSlash(rel), tag})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func skipDir(root, path string) error {
	base := filepath.Base(path)
	if path == root {
		return nil
	}
	// internal/testdata is a package; every other folder of that name is data.
	if base == "testdata" && filepath.Base(filepath.Dir(path)) != "internal" || base[0] == '.' || base[0] == '_' || base == "dist" {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}

// owner is the row name that covers a folder: the longest name in the table
// that is the folder or a parent of it.
func owner(names []string, dir string) string {
	for d := dir; d != "." && d != "/"; d = filepath.ToSlash(filepath.Dir(d)) {
		if slices.Contains(names, d) {
			return d
		}
	}
	return ""
}

// closure returns the transitive relation: allowed[a][b] means a may import b.
func closure() (names []string, allowed map[string]map[string]bool) {
	allowed = map[string]map[string]bool{}
	add := func(n string) {
		if allowed[n] == nil {
			allowed[n] = map[string]bool{}
		}
	}
	for _, r := range order {
		for a := range strings.FieldsSeq(r.above) {
			add(a)
			for b := range strings.FieldsSeq(r.below) {
				add(b)
				allowed[a][b] = true
			}
		}
	}
	for n := range strings.FieldsSeq(leaves + " " + testOnly) {
		add(n)
	}
	for changed := true; changed; {
		changed = false
		for a := range allowed {
			for b := range allowed[a] {
				for c := range allowed[b] {
					if !allowed[a][c] {
						allowed[a][c], changed = true, true
					}
				}
			}
		}
	}
	for n := range allowed {
		names = append(names, n)
	}
	sort.Strings(names)
	return names, allowed
}

// verdict says why an import is refused, "" when it is allowed.
func verdict(e edge, names []string, allowed map[string]map[string]bool) string {
	inCmd := covers("cmd bench", e.from) // commands and the measuring programs: everything is below them
	if rel, ok := strings.CutPrefix(e.to, module+"/"); ok {
		return ours(e, rel, inCmd, names, allowed)
	}
	if first, _, _ := strings.Cut(e.to, "/"); !strings.Contains(first, ".") {
		if e.to == "C" {
			return "cgo"
		}
		return ""
	}
	for mod, who := range thirdParty {
		if e.to != mod && !strings.HasPrefix(e.to, mod+"/") {
			continue
		}
		if tags := tagged[mod]; tags != nil && !slices.ContainsFunc(tags, func(tag string) bool { return needs(e.tag, tag) }) {
			return mod + " outside a file tagged " + strings.Join(tags, " or ")
		}
		if who == "*" || covers(who, e.from) {
			return ""
		}
		return mod + " is for " + who
	}
	return "a module that no row of the table names"
}

func ours(e edge, rel string, inCmd bool, names []string, allowed map[string]map[string]bool) string {
	to := owner(names, rel)
	if tag := taggedPackages[to]; tag != "" && e.from != rel && !needs(e.tag, tag) {
		return to + " outside a file tagged " + tag
	}
	if covers(testOnly, rel) && !covers(testOnly, e.from) {
		return rel + " is for tests"
	}
	if inCmd {
		return ""
	}
	if strings.HasPrefix(rel, "cmd/") {
		return "nothing imports a command"
	}
	from := owner(names, e.from)
	switch {
	case from == "":
		return e.from + " is in no row of the table"
	case to == "":
		return rel + " is in no row of the table"
	case from == to, allowed[from][to]:
		return ""
	case covers(testOnly, e.from):
		return "" // a test helper may use whatever the tests it serves use
	}
	return from + " may not import " + to
}

// covers reports whether dir is one of the names or below one of them.
func covers(names, dir string) bool {
	for n := range strings.FieldsSeq(names) {
		if dir == n || strings.HasPrefix(dir, n+"/") {
			return true
		}
	}
	return false
}

// needs reports whether a build constraint cannot hold without the tag.
func needs(x constraint.Expr, tag string) bool {
	if x == nil {
		return false
	}
	return !x.Eval(func(t string) bool { return t != tag })
}

func TestImports(t *testing.T) {
	names, allowed := closure()
	for n := range allowed {
		if allowed[n][n] {
			t.Fatalf("the table has a cycle through %s", n)
		}
	}
	edges := source(t, filepath.Join("..", ".."))
	if len(edges) < 50 {
		t.Fatalf("only %d imports found: the walk is broken", len(edges))
	}
	for _, e := range edges {
		if why := verdict(e, names, allowed); why != "" {
			t.Errorf("%s imports %q: %s", e.file, e.to, why)
		}
	}
}

func TestVerdict(t *testing.T) {
	names, allowed := closure()
	cuda, err := constraint.Parse("//go:build cuda && linux")
	if err != nil {
		t.Fatal(err)
	}
	own := func(p string) string { return module + "/" + p }
	for _, c := range []struct {
		from, to string
		tag      constraint.Expr
		ok       bool
	}{
		{"runtime/engine", own("quant"), nil, true},
		{"runtime/engine", own("convert"), nil, false},
		{"runtime/engine", own("runtime/telemetry"), nil, false},
		{"runtime/tokenizer", own("gguf"), nil, true},
		{"runtime/tokenizer", own("gguf/arch"), nil, false},
		{"quant", own("gguf"), nil, false},
		{"quant/eval", own("gguf"), nil, true},
		{"quant/eval", own("runtime/engine"), nil, false},
		{"convert/hf", own("gguf/arch"), nil, true},
		{"convert", own("runtime/engine"), nil, false},
		{"convert", own("convert/hf"), nil, true},
		{"gguf", own("internal/testdata"), nil, false},
		{"internal/kerneltest", own("internal/testdata"), nil, true},
		{"gguf", own("cmd/internal/prog"), nil, false},
		{"cmd/qwq", own("runtime/engine"), nil, true},
		{"gguf", "github.com/urfave/cli/v2", nil, false},
		{"cmd/qwq", "github.com/urfave/cli/v2", nil, true},
		{"runtime/engine", "periph.io/x/host/v3/sysfs", nil, false},
		{"runtime/telemetry", "periph.io/x/host/v3/sysfs", nil, true},
		{"runtime/cuda", "github.com/ebitengine/purego", nil, false},
		{"runtime/cuda", "github.com/ebitengine/purego", cuda, true},
		{"runtime/engine", "github.com/ebitengine/purego", cuda, false},
		{"cmd/qwq", own("runtime/cuda"), nil, false},
		{"cmd/qwq", own("runtime/cuda"), cuda, true},
		{"gguf", "C", nil, false},
		{"gguf", "example.com/unknown", nil, false},
		{"nowhere", own("quant"), nil, false},
	} {
		why := verdict(edge{c.from, c.to, "x.go", c.tag}, names, allowed)
		if (why == "") != c.ok {
			t.Errorf("%s imports %s: allowed %v (%s), want %v", c.from, c.to, why == "", why, c.ok)
		}
	}
}

// TestLinkSets follows the imports of the device's commands to the end.
func TestLinkSets(t *testing.T) {
	next := map[string][]string{}
	for _, e := range source(t, filepath.Join("..", "..")) {
		if rel, ok := strings.CutPrefix(e.to, module+"/"); ok {
			next[e.from] = append(next[e.from], rel)
		}
	}
	for cmd, banned := range linkSets {
		seen := map[string]string{cmd: ""}
		for queue := []string{cmd}; len(queue) > 0; queue = queue[1:] {
			for _, to := range next[queue[0]] {
				if _, ok := seen[to]; ok {
					continue
				}
				seen[to] = queue[0]
				queue = append(queue, to)
				if covers(banned, to) {
					t.Errorf("%s links %s through %s", cmd, to, queue[0])
				}
			}
		}
	}
}

// TestRuntimeFolder: the word runtime in code always means Go's own package.
func TestRuntimeFolder(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "runtime", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) > 0 {
		t.Errorf("runtime/ holds Go files: %v", files)
	}
}
