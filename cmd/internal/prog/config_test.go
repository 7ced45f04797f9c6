package prog

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// configured is a program whose flags are keys of the configuration.
func configured(out, talk *bytes.Buffer) *cli.App {
	return &cli.App{Name: "qwq", Writer: out, ErrWriter: talk, Commands: []*cli.Command{
		{Name: "generate", Flags: []cli.Flag{
			&cli.Float64Flag{Name: "temp", Value: 0.8}, &cli.IntFlag{Name: "threads"}, &cli.StringFlag{Name: "kv", Value: "auto"},
			&cli.BoolFlag{Name: "echo"}, &cli.StringSliceFlag{Name: "stop"}, &cli.IntFlag{Name: "max-tokens", Aliases: []string{"n"}, Value: 256},
		}, Action: func(c *cli.Context) error {
			fmt.Fprintf(c.App.Writer, "temp=%g threads=%d kv=%s echo=%v stop=%q n=%d args=%q", c.Float64("temp"), c.Int("threads"), c.String("kv"),
				c.Bool("echo"), c.StringSlice("stop"), c.Int("max-tokens"), c.Args().Slice())
			return nil
		}},
		ConfigCommand(),
	}}
}

// TestPrecedence: flag > environment > file > default, for both orders of
// flags and arguments.
func TestPrecedence(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	if err := os.Mkdir(filepath.Join(dir, "qwq"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "qwq", "qwq.yaml")
	for _, c := range []struct {
		name, yaml, env, line, want string
	}{
		{"default", "", "", "generate x", `temp=0.8 threads=0 kv=auto echo=false stop=[] n=256 args=["x"]`},
		{"file", "temp: 0.5\nthreads: 3\nkv: f16\necho: true\nstop: [a, \"b,c\"]\nmax-tokens: 7\n", "", "generate x", `temp=0.5 threads=3 kv=f16 echo=true stop=["a" "b,c"] n=7 args=["x"]`},
		{"env over file", "temp: 0.5\nmax-tokens: 7\n", "QWQ_TEMP=0.25", "generate x", `temp=0.25 threads=0 kv=auto echo=false stop=[] n=7 args=["x"]`},
		{"flag first over env and file", "temp: 0.5\n", "QWQ_TEMP=0.25", "generate --temp 0.125 x", `temp=0.125 threads=0 kv=auto echo=false stop=[] n=256 args=["x"]`},
		{"flag last over env and file", "temp: 0.5\n", "QWQ_TEMP=0.25", "generate x --temp 0.125", `temp=0.125 threads=0 kv=auto echo=false stop=[] n=256 args=["x"]`},
		{"flag before the command", "temp: 0.5\n", "", "--temp=0.125 generate x", `temp=0.125 threads=0 kv=auto echo=false stop=[] n=256 args=["x"]`},
		{"short flag over file", "max-tokens: 7\n", "", "generate x -n 9", `temp=0.8 threads=0 kv=auto echo=false stop=[] n=9 args=["x"]`},
		{"switch off over file", "echo: true\n", "", "generate x --echo=false", `temp=0.8 threads=0 kv=auto echo=false stop=[] n=256 args=["x"]`},
		{"list over file", "stop: [a]\n", "", "generate --stop z x", `temp=0.8 threads=0 kv=auto echo=false stop=["z"] n=256 args=["x"]`},
		{"other program's key", "max-memory: 1GiB\n# a comment\n", "", "generate x", `temp=0.8 threads=0 kv=auto echo=false stop=[] n=256 args=["x"]`},
		{"unknown key", "threads: 2\ntmep: 0.5\n", "", "generate x", "qwq.yaml:2:1: unknown key \"tmep\"\nqwq: hint: did you mean temp?"},
		{"key twice", "temp: 1\nthreads: 1\ntemp: 2\n", "", "generate x", "qwq.yaml:3:1: "},
		{"wrong type", "temp: warm\n", "", "generate x", `qwq.yaml:1:1: key "temp": "warm"`},
		{"list for one", "temp: [1, 2]\n", "", "generate x", `qwq.yaml:1:1: key "temp" takes one value`},
		{"mapping for one", "temp:\n  a: 1\n", "", "generate x", `key "temp": want a text`},
		{"no mapping", "- temp\n", "", "generate x", "qwq.yaml:1:1: want lines of the form key: value"},
		{"broken", "temp: \"x\n", "", "generate x", "qwq.yaml:1:"},
		{"second document", "temp: 1\n---\ntemp: 2\n", "", "generate x", "a second document"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(c.yaml), 0o644); err != nil {
				t.Fatal(err)
			}
			if k, v, ok := strings.Cut(c.env, "="); ok {
				t.Setenv(k, v)
			}
			var out, talk bytes.Buffer
			code := Run(context.Background(), configured(&out, &talk), append([]string{"qwq"}, strings.Fields(c.line)...))
			if fails := !strings.HasPrefix(c.want, "temp="); fails {
				if code != 1 || !strings.Contains(talk.String(), c.want) || out.Len() > 0 {
					t.Errorf("exit %d, stderr %q, want 1 and %q", code, talk.String(), c.want)
				}
			} else if code != 0 || out.String() != c.want {
				t.Errorf("exit %d, got %s%s, want %s", code, out.String(), talk.String(), c.want)
			}
		})
	}
}

func TestLaterFileWins(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")
	for name, text := range map[string]string{a: "temp: 1\nkv: f16\n", b: "temp: 2\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := LoadConfig([]string{a, b, filepath.Join(dir, "none.yaml")})
	if err != nil || len(cfg) != 2 || cfg["temp"].Place() != b+":1:1" || cfg["kv"].Place() != a+":2:1" {
		t.Errorf("%+v, %v", cfg, err)
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, s := range []string{"temp: 0.5\nstop: [a, b]\n", "a: &x 1\nb: *x\n", "- 1\n", "? {a: b}\n: c\n", "temp: |\n  x\n", "temp: !!float 1\n", "<<: {temp: 1}\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		settings, err := ParseConfig("f", b)
		for _, s := range settings {
			if _, ok := keys[s.Key]; !ok || err != nil || s.Line < 1 {
				t.Errorf("setting %+v with error %v", s, err)
			}
		}
	})
}

// TestConfigBounds: nesting must be refused before the YAML reader sees it.
func TestConfigBounds(t *testing.T) {
	for label, text := range map[string]string{
		"brackets": "stop: " + strings.Repeat("[", 50000), "braces": "stop: " + strings.Repeat("{a: \n", 500),
		"dashes": strings.Repeat("- ", 9000), "long": "system: " + strings.Repeat("a\n\n  ", maxConfig),
	} {
		if _, err := ParseConfig("f.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%s: got %.100v", label, err)
		}
	}
	if _, err := LoadConfig([]string{t.TempDir()}); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("a folder: got %v", err)
	}
}
