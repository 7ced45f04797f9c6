package prog

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// permute puts a command line in the order that the flag package understands:
// program, flags of the program, command, flags, "--", positionals. Flags may
// stand anywhere, before the command too; "--" ends them; a lone "-" is a
// positional. A flag that takes a value takes the next argument, whatever it
// looks like. Without a command the app's DefaultCommand runs, where it has one.
func permute(app *cli.App, args []string) ([]string, error) {
	var global, flags, pos []string
	var cmd *cli.Command
	rest := args[1:]
	for len(rest) > 0 {
		a := rest[0]
		rest = rest[1:]
		if a == "--" {
			pos = append(pos, rest...)
			break
		}
		if len(a) < 2 || a[0] != '-' {
			if cmd == nil && len(pos) == 0 {
				if cmd = app.Command(a); cmd != nil {
					continue
				}
			}
			pos = append(pos, a)
			continue
		}
		if cmd == nil && isGlobal(a) {
			global = append(global, a)
			continue
		}
		name, _, joined := strings.Cut(strings.TrimLeft(a, "-"), "=")
		flags = append(flags, a)
		if joined || !takesValue(app, cmd, name) {
			continue
		}
		if len(rest) == 0 {
			return nil, Usagef("flag %s needs a value", a).Hintf("%s --help shows what it takes", commandName(app, cmd))
		}
		flags[len(flags)-1] = a + "=" + rest[0]
		rest = rest[1:]
	}
	out := append(args[:1:1], global...)
	if cmd == nil && app.DefaultCommand != "" && !slices.ContainsFunc(global, func(a string) bool { return !isHelp(a) }) {
		cmd, out = app.Command(app.DefaultCommand), args[:1:1]
		flags = append(flags, global...)
	}
	if cmd != nil {
		if slices.ContainsFunc(flags, isHelp) { // positionals would be taken for sub-commands
			return append(out, cmd.Name, "--help"), nil
		}
		return append(append(append(append(out, cmd.Name), flags...), "--"), pos...), nil
	}
	if len(pos) > 0 { // an unknown command: its flags do not matter
		return append(append(out, "--"), pos...), nil
	}
	return append(out, flags...), nil
}

func commandName(app *cli.App, cmd *cli.Command) string {
	if cmd == nil {
		return app.Name
	}
	return app.Name + " " + cmd.Name
}

func isHelp(a string) bool { return slices.Contains([]string{"--help", "-help", "-h"}, a) }

// isGlobal names the flags of the program itself.
func isGlobal(a string) bool {
	return isHelp(a) || slices.Contains([]string{"--version", "-version", "-v"}, a)
}

// takesValue looks a flag up in its command, or in all of them while the
// command is not known yet.
func takesValue(app *cli.App, cmd *cli.Command, name string) bool {
	if cmd != nil {
		return inFlags(cmd.Flags, name)
	}
	return slices.ContainsFunc(app.Commands, func(c *cli.Command) bool { return inFlags(c.Flags, name) })
}

func inFlags(flags []cli.Flag, name string) bool {
	for _, f := range flags {
		if d, ok := f.(cli.DocGenerationFlag); ok && slices.Contains(f.Names(), name) {
			return d.TakesValue()
		}
	}
	return false
}
