package prog

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// CompletionCommand is `completion`, which prints a script for a shell.
func CompletionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a completion script for bash, zsh or fish",
		ArgsUsage: "bash|zsh|fish",
		Description: "Example:\n  {{prog}} completion bash > ~/.local/share/bash-completion/completions/{{prog}}\n" +
			"  {{prog}} completion zsh > \"${fpath[1]}/_{{prog}}\"\n" +
			"  {{prog}} completion fish > ~/.config/fish/completions/{{prog}}.fish",
		Action: func(c *cli.Context) error {
			args, err := Args(c, 1, 1, "bash, zsh or fish")
			if err != nil {
				return err
			}
			write := map[string]func(io.Writer, *cli.App){"bash": bashScript, "zsh": zshScript, "fish": fishScript}[args[0]]
			if write == nil {
				return Usagef("completion %q is none of bash, zsh, fish", args[0])
			}
			w := bufio.NewWriter(c.App.Writer)
			write(w, c.App)
			return w.Flush()
		},
	}
}

// visible are the commands that help lists.
func visible(app *cli.App) []*cli.Command {
	var out []*cli.Command
	for _, c := range app.Commands {
		if !c.Hidden {
			out = append(out, c)
		}
	}
	return out
}

// flag is a flag as scripts and manual pages show it.
type flag struct {
	names []string // the long one first
	usage string   // without the marks around the value's name
	value string   // name of the value, "" for a switch
}

// flagsOf lists a command's flags, --help included.
func flagsOf(c *cli.Command) []flag {
	var out []flag
	for _, f := range c.Flags {
		d, ok := f.(cli.DocGenerationFlag)
		if !ok || f.Names()[0] == "help" {
			continue
		}
		x := flag{names: f.Names(), usage: d.GetUsage()}
		if d.TakesValue() {
			x.value = "VALUE"
			if parts := strings.SplitN(x.usage, "`", 3); len(parts) == 3 {
				x.value, x.usage = parts[1], parts[0]+parts[1]+parts[2]
			}
		}
		out = append(out, x)
	}
	return append(out, flag{names: []string{"help", "h"}, usage: "show help"})
}

// quote puts a text in single quotes for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func ident(name string) string { return "_" + strings.ReplaceAll(name, "-", "_") }

// lister is the command that prints the names of models, "" when there is none.
func lister(app *cli.App) string {
	if app.Command("list") == nil {
		return ""
	}
	return app.Name + " list --quiet 2>/dev/null"
}

func bashScript(w io.Writer, app *cli.App) {
	var names []string
	for _, c := range visible(app) {
		names = append(names, c.Names()...)
	}
	fmt.Fprintf(w, "# bash completion for %s\n%s() {\n", app.Name, ident(app.Name))
	fmt.Fprintln(w, `    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd= word words values`)
	fmt.Fprintf(w, "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n        case $word in %s) cmd=$word; break ;; esac\n    done\n", strings.Join(names, "|"))
	fmt.Fprintf(w, "    case $cmd in\n    '') words=%s ;;\n", quote(strings.Join(names, " ")+" --help --version"))
	for _, c := range visible(app) {
		var words, values []string
		for _, f := range flagsOf(c) {
			for _, n := range f.names {
				words = append(words, dashed(n))
				if f.value != "" {
					values = append(values, dashed(n))
				}
			}
		}
		fmt.Fprintf(w, "    %s) words=%s values=%s ;;\n", strings.Join(c.Names(), "|"), quote(strings.Join(words, " ")), quote(" "+strings.Join(values, " ")+" "))
	}
	fmt.Fprintln(w, "    esac\n    COMPREPLY=()")
	if l := lister(app); l != "" {
		fmt.Fprintf(w, "    if [[ $prev == -m || $prev == --model ]]; then\n        COMPREPLY=($(compgen -W \"$(%s)\" -- \"$cur\"; compgen -f -- \"$cur\"))\n        return\n    fi\n", l)
	}
	fmt.Fprintln(w, `    if [[ $values != *" $prev "* && ( -z $cmd || $cur == -* ) ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    else
        COMPREPLY=($(compgen -f -- "$cur"))
    fi
}`)
	fmt.Fprintf(w, "complete -o filenames -F %s %s\n", ident(app.Name), app.Name)
}

// zshText is a text within [] of an _arguments specification.
func zshText(s string) string {
	return strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`, "\n", " ").Replace(s)
}

func zshScript(w io.Writer, app *cli.App) {
	fn := ident(app.Name)
	fmt.Fprintf(w, "#compdef %s\n%s() {\n    local -a commands\n    commands=(\n", app.Name, fn)
	for _, c := range visible(app) {
		for _, n := range c.Names() {
			fmt.Fprintf(w, "        %s\n", quote(n+":"+c.Usage))
		}
	}
	fmt.Fprintln(w, "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n    local command=$words[2]\n    (( CURRENT-- ))\n    shift words\n    case $command in")
	for _, c := range visible(app) {
		fmt.Fprintf(w, "    %s)\n        _arguments \\\n", strings.Join(c.Names(), "|"))
		for _, f := range flagsOf(c) {
			for _, n := range f.names {
				spec := dashed(n) + "[" + zshText(f.usage) + "]"
				if f.value != "" {
					action := "_files"
					if l := lister(app); l != "" && f.names[0] == "model" {
						action = `{_files; compadd -- ${(f)"$(` + l + `)"}}`
					}
					spec += ":" + zshText(f.value) + ":" + action
				}
				fmt.Fprintf(w, "            %s \\\n", quote("*"+spec))
			}
		}
		fmt.Fprintln(w, "            '*:file:_files' ;;")
	}
	fmt.Fprintf(w, "    esac\n}\nif [ \"$funcstack[1]\" = %s ]; then %s \"$@\"; else compdef %s %s; fi\n", fn, fn, fn, app.Name)
}

func fishScript(w io.Writer, app *cli.App) {
	for _, c := range visible(app) {
		fmt.Fprintf(w, "complete -c %s -n __fish_use_subcommand -f -a %s -d %s\n", app.Name, quote(strings.Join(c.Names(), " ")), quote(c.Usage))
		for _, f := range flagsOf(c) {
			fmt.Fprintf(w, "complete -c %s -n '__fish_seen_subcommand_from %s'", app.Name, strings.Join(c.Names(), " "))
			for _, n := range f.names {
				if len(n) == 1 {
					fmt.Fprintf(w, " -s %s", n)
				} else {
					fmt.Fprintf(w, " -l %s", n)
				}
			}
			if f.value != "" {
				fmt.Fprint(w, " -r")
			}
			if l := lister(app); l != "" && f.names[0] == "model" {
				fmt.Fprintf(w, " -a %s", quote("("+l+")"))
			}
			fmt.Fprintf(w, " -d %s\n", quote(f.usage))
		}
	}
}
