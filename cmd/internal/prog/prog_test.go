package prog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
)

// sample is a program whose one command prints what it was given.
func sample(out, talk io.Writer) *cli.App {
	return &cli.App{Name: "sample", Writer: out, ErrWriter: talk, Commands: []*cli.Command{
		{
			Name: "show",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "out", Aliases: []string{"o"}},
				&cli.StringSliceFlag{Name: "rule"},
				&cli.IntFlag{Name: "count", Aliases: []string{"n"}, Value: 7},
				&cli.BoolFlag{Name: "force"},
			},
			Action: func(c *cli.Context) error {
				fmt.Fprintf(c.App.Writer, "out=%s rule=%q n=%d force=%v args=%q", c.String("out"), c.StringSlice("rule"), c.Int("count"), c.Bool("force"), c.Args().Slice())
				if c.Args().First() == "fail" {
					return Hint(errors.New("it failed\nbadly"), "try %d", 2)
				}
				return nil
			},
		},
		{Name: "other", Action: func(*cli.Context) error { return Usagef("no").Hintf("yes") }},
	}}
}

func TestRun(t *testing.T) {
	const plain = `out=x rule=[] n=7 force=true args=["a" "b"]`
	for _, c := range []struct {
		line, out, talk string
		code            int
	}{
		{"show -o x --force a b", plain, "", 0},
		{"show a b -o x --force", plain, "", 0},
		{"show a -o=x b --force", plain, "", 0},
		{"show --out x a --force=true b", plain, "", 0},
		{"--out x show a b --force", plain, "", 0},
		{"--force show a b -o x", plain, "", 0},
		{"show -n 3 -- -o x", `out= rule=[] n=3 force=false args=["-o" "x"]`, "", 0},
		{"show - -n -3", `out= rule=[] n=-3 force=false args=["-"]`, "", 0},
		{"show -o --force", `out=--force rule=[] n=7 force=false args=[]`, "", 0},
		{"show --rule a,b=c x --rule d", `out= rule=["a,b=c" "d"] n=7 force=false args=["x"]`, "", 0},
		{"show help", `out= rule=[] n=7 force=false args=["help"]`, "", 0},
		{"show count", `out= rule=[] n=7 force=false args=["count"]`, "", 0},
		{"show a -- b -- c", `out= rule=[] n=7 force=false args=["a" "b" "--" "c"]`, "", 0},
		{"--version", "sample version dev\n", "", 0},
		{"show fail", `out= rule=[] n=7 force=false args=["fail"]`, "sample: error: it failed badly\nsample: hint: try 2\n", 1},
		{"other", "", "sample: error: no\nsample: hint: yes\n", 2},
		{"shwo", "", "sample: error: unknown command \"shwo\"\nsample: hint: did you mean \"sample show\"?\n", 2},
		{"zzzzzz --force", "", "sample: error: unknown command \"zzzzzz\"\nsample: hint: the commands are show, other\n", 2},
		{"", "", "sample: error: no command given\nsample: hint: sample --help lists the commands\n", 2},
		{"show --fource a", "", "sample: error: unknown flag \"--fource\"\nsample: hint: did you mean --force?\n", 2},
		{"show --zzzzz a", "", "sample: error: unknown flag \"--zzzzz\"\nsample: hint: sample show --help lists the flags\n", 2},
		{"show a -o", "", "sample: error: flag -o needs a value\nsample: hint: sample show --help shows what it takes\n", 2},
	} {
		var out, talk bytes.Buffer
		code := Run(context.Background(), sample(&out, &talk), append([]string{"sample"}, strings.Fields(c.line)...))
		if code != c.code || out.String() != c.out || talk.String() != c.talk {
			t.Errorf("%q: got %d\n%s\n%s\nwant %d\n%s\n%s", c.line, code, &out, &talk, c.code, c.out, c.talk)
		}
	}
}

func TestBadNumber(t *testing.T) {
	var out, talk bytes.Buffer
	if code := Run(context.Background(), sample(&out, &talk), []string{"sample", "show", "-n", "many"}); code != 2 {
		t.Errorf("exit %d, want 2", code)
	}
	if n := strings.Count(talk.String(), "\n"); n != 2 || !strings.Contains(talk.String(), "many") || out.Len() > 0 {
		t.Errorf("got %q and %q, want an error naming the value and a hint", &talk, &out)
	}
}

func TestEnv(t *testing.T) {
	t.Setenv("QWQ_COUNT", "5")
	t.Setenv("QWQ_FORCE", "1")
	for line, want := range map[string]string{
		"show":      `out= rule=[] n=5 force=true args=[]`,
		"show -n 6": `out= rule=[] n=6 force=true args=[]`,
	} {
		var out bytes.Buffer
		if code := Run(context.Background(), sample(&out, io.Discard), append([]string{"sample"}, strings.Fields(line)...)); code != 0 || out.String() != want {
			t.Errorf("%s: got %d %s, want %s", line, code, &out, want)
		}
	}
	t.Setenv("QWQ_COUNT", "many")
	var talk bytes.Buffer
	if code := Run(context.Background(), sample(io.Discard, &talk), []string{"sample", "show"}); code != 2 || !strings.Contains(talk.String(), "QWQ_COUNT") {
		t.Errorf("a bad variable: exit %d, %q", code, &talk)
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var talk bytes.Buffer
	app := sample(io.Discard, &talk)
	app.Commands[1].Action = func(c *cli.Context) error { return fmt.Errorf("quantize: %w", c.Context.Err()) }
	if code := Run(ctx, app, []string{"sample", "other"}); code != 1 || !strings.Contains(talk.String(), "interrupted") {
		t.Errorf("exit %d, %q", code, &talk)
	}
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	if code := Run(context.Background(), sample(&out, io.Discard), []string{"sample", "show", "a", "--help"}); code != 0 {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{"sample show", "--count", "default: 7", "QWQ_COUNT"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help lacks %q:\n%s", want, &out)
		}
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, map[string]string{"a": "é<&>\u2028 \U0001F600 \x7f\n"}); err != nil {
		t.Fatal(err)
	}
	if want := `{"a":"\u00e9<&>\u2028 \ud83d\ude00 \u007f\n"}` + "\n"; b.String() != want {
		t.Errorf("got %s, want %s", &b, want)
	}
}

func TestSize(t *testing.T) {
	for in, want := range map[string]int64{"512MiB": 512 << 20, "1.5GB": 15e8, "64m": 64 << 20, " 10 kB ": 10e3, "4096": 4096, "0": 0, "3B": 3} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "MiB", "-1", "nan", "1e30", "12 apples", "inf"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", in, got)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1234567: "1.2 MB", 523e6: "523 MB", 99.97e9: "100 GB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestIDs(t *testing.T) {
	for in, want := range map[string][]int32{"1,2,3": {1, 2, 3}, "[1, 2]": {1, 2}, " 7\n8 ": {7, 8}, "": {}, "[]": {}} {
		if got, err := IDs(in); err != nil || !slices.Equal(got, want) {
			t.Errorf("IDs(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"1,x", "-1", "[1,2", "99999999999"} {
		if got, err := IDs(in); err == nil {
			t.Errorf("IDs(%q) = %v, want an error", in, got)
		}
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	put := func(s string, err error) error {
		return WriteFile(path, func(w io.Writer) error {
			if _, e := io.WriteString(w, s); e != nil {
				return e
			}
			return err
		})
	}
	if err := put("old", nil); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := put("new", broken); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v: want only the finished file", files, err)
	}
	if b, _ := os.ReadFile(path); string(b) != "old" {
		t.Errorf("the file holds %q, want the old content", b)
	}
}

func TestNPY(t *testing.T) {
	var b bytes.Buffer
	n, err := NewNPY(&b, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	if b.Len()%64 != 0 || b.Bytes()[b.Len()-1] != '\n' {
		t.Errorf("the header has %d bytes, want a multiple of 64 ending in a newline", b.Len())
	}
	if err := n.Row([]float32{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	if err := n.Row([]float32{1}); err == nil {
		t.Error("a short row was taken")
	}
}

func TestFindModel(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{"story.gguf", "big-q4.gguf", "qwen/q8.gguf", "two/a.gguf", "two/b.gguf", "long-00001-of-00002.gguf", "long-00002-of-00002.gguf"} {
		p := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", t.TempDir())
	dirs := ModelDirs(dir)
	for name, want := range map[string]string{
		"story": "story.gguf", "big:q4": "big-q4.gguf", "qwen:q8": "qwen/q8.gguf", "qwen": "qwen/q8.gguf",
		"long": "long-00001-of-00002.gguf", "two:b": "two/b.gguf", filepath.Join(dir, "story.gguf"): "story.gguf",
	} {
		if got, err := FindModel(name, dirs); err != nil || got != filepath.Join(dir, want) {
			t.Errorf("FindModel(%q) = %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{"two": "take one of two:a, two:b", "none": "there are: big-q4, long, story", "x/none.gguf": ""} {
		if got, err := FindModel(name, dirs); err == nil || !strings.Contains(hintOf(err), want) {
			t.Errorf("FindModel(%q) = %q, %v, hint %q, want %q", name, got, err, hintOf(err), want)
		}
	}
}

func TestProgressLines(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b, "sample")
	at := time.Unix(0, 0)
	p.now = func() time.Time { return at }
	p.Bytes(0, 1e9, "first")
	at = at.Add(time.Second)
	p.Bytes(1e8, 1e9, "first")
	at = at.Add(time.Second)
	p.Bytes(2e8, 1e9, "second")
	p.Bytes(1e9, 1e9, "last")
	at = at.Add(2 * time.Second)
	p.Items(1, 9, "windows", "nll 2.1")
	p.Done()
	const want = "sample: 20 % of 1.0 GB, 100 MB/s, 8s left, second\n" + "sample: 11 % of 9 windows, 0.25 windows/s, 32s left, nll 2.1\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
}
