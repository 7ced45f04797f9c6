// Package prog is the frame around every command of the module: it parses the
// command line in any order, turns errors into one line and a hint, gives each
// flag its environment variable and its key in the configuration files, and ends with exit code 0, 1 (failure) or 2
// (usage). It knows nothing of models; the commands bring the wiring.
//
//	func main() { prog.Main(&cli.App{Name: "qwq", Commands: []*cli.Command{info()}}) }
//
// Data goes to stdout (app.Writer), talk to stderr (app.ErrWriter).
package prog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// version is set by the linker (make build); empty means a plain go build.
var version string

// Version is the version of this build: the linker's, the module's, or "dev".
func Version() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return "dev"
}

// Main runs the program with the process's arguments and streams and exits.
// SIGINT, SIGTERM and SIGHUP (a lost ssh connection) cancel the context of the
// running command; a second one kills the process in the usual way.
func Main(app *cli.App) { main(app, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) }

// MainDaemon is Main for a program that takes SIGHUP in its own way.
func MainDaemon(app *cli.App) { main(app, os.Interrupt, syscall.SIGTERM) }

func main(app *cli.App, end ...os.Signal) {
	ctx, stop := signal.NotifyContext(context.Background(), end...)
	context.AfterFunc(ctx, stop)
	code := Run(ctx, app, os.Args)
	stop()
	os.Exit(code)
}

// Run runs the program once and returns its exit code. args[0] is the program.
func Run(ctx context.Context, app *cli.App, args []string) int {
	f := &frame{app: app, command: app.Name}
	f.prepare()
	err := f.run(ctx, args)
	if err == nil {
		err = f.out.err
	}
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	var u *usageError
	if errors.As(err, &u) && hintOf(err) == "" {
		err = u.Hintf("%s --help shows what it takes", f.command)
	}
	report(app.ErrWriter, app.Name, err)
	if u != nil || !f.started {
		return 2
	}
	return 1
}

// frame is one run of an app.
type frame struct {
	app      *cli.App
	command  string // the program and the command that runs, for hints
	out      sink   // what the commands print on
	started  bool   // an action was entered: what fails now is no usage error
	notFound error  // set by CommandNotFound, which cannot return one
}

// prepare sets what every command has in common.
func (f *frame) prepare() {
	a := f.app
	a.Version = Version()
	a.HideHelpCommand = true
	a.DisableSliceFlagSeparator = true
	a.ExitErrHandler = func(*cli.Context, error) {}
	a.OnUsageError = f.usage
	a.CommandNotFound = func(_ *cli.Context, name string) { f.notFound = unknownCommand(a, name) }
	if a.Reader == nil {
		a.Reader = os.Stdin
	}
	if a.Writer == nil {
		a.Writer = os.Stdout
	}
	if a.ErrWriter == nil {
		a.ErrWriter = os.Stderr
	}
	if o, ok := a.Writer.(*os.File); !ok || !term.IsTerminal(int(o.Fd())) {
		f.out.w, a.Writer = a.Writer, &f.out
	}
	a.Action = func(c *cli.Context) error {
		if name := c.Args().First(); name != "" {
			return unknownCommand(a, name)
		}
		return Usagef("no command given").Hintf("%s --help lists the commands", a.Name)
	}
	for _, c := range a.Commands {
		c.HideHelpCommand = true
		c.OnUsageError = f.usage
		bindEnv(c.Flags)
		c.Description = strings.ReplaceAll(c.Description, "{{prog}}", a.Name)
		action := c.Action
		c.Action = func(ctx *cli.Context) error {
			f.started, f.command = true, a.Name+" "+c.Name
			if err := configure(ctx); err != nil {
				return err
			}
			return action(ctx)
		}
	}
}

// configure sets the flags that only a configuration file sets.
func configure(c *cli.Context) error {
	if len(c.Command.Flags) == 0 {
		return nil
	}
	cfg, err := LoadConfig(ConfigFiles())
	if err != nil {
		return err
	}
	return cfg.apply(c)
}

func (f *frame) run(ctx context.Context, args []string) (err error) {
	// A mapped file that shrinks or a disk that fails faults on access: say so
	// instead of dying with a dump.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if _, fault := r.(interface{ Addr() uintptr }); !fault {
			panic(r)
		}
		f.started = true
		err = fmt.Errorf("reading a mapped file failed: it was truncated or its disk has an error (%v)", r)
	}()
	args, err = permute(f.app, args)
	if err != nil {
		return err
	}
	if err = f.app.RunContext(ctx, args); err == nil {
		err = f.notFound
	}
	return err
}

// usage rewrites the flag package's messages.
func (f *frame) usage(c *cli.Context, err error, _ bool) error {
	const undefined = "flag provided but not defined: -"
	u := Usagef("%s", err)
	if name, ok := strings.CutPrefix(err.Error(), undefined); ok {
		name = strings.TrimLeft(name, "-")
		u = Usagef("unknown flag %q", dashed(name))
		if near := Nearest(name, flagNames(c.Command.Flags)); near != "" {
			return u.Hintf("did you mean %s?", dashed(near))
		}
	}
	where := f.app.Name
	if c.Command != nil && c.Command.Name != f.app.Name && c.Command.Name != "" {
		where += " " + c.Command.Name
	}
	return u.Hintf("%s --help lists the flags", where)
}

// sink keeps the first error of writing, so that a command whose output went
// nowhere (a full disk) fails even where it printed line by line.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("writing the output: %w", err)
	}
	return n, err
}

// report prints the one error line and its hint.
func report(w io.Writer, prog string, err error) {
	fmt.Fprintf(w, "%s: error: %s\n", prog, oneLine(err.Error()))
	if h := hintOf(err); h != "" {
		fmt.Fprintf(w, "%s: hint: %s\n", prog, oneLine(h))
	}
}

// Line is a text from elsewhere for a terminal: its control characters are blanks.
func Line(s string) string { return oneLine(s) }

// oneLine keeps an error that quotes a file's bytes from breaking the line or
// the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
