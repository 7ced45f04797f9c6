package prog

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// ManCommand is `man`, which prints the manual page of the program.
func ManCommand() *cli.Command {
	return &cli.Command{
		Name:        "man",
		Usage:       "print the manual page",
		Description: "The page is made from the same texts as --help, for the man program.\n\nExample:\n  {{prog}} man | man -l -",
		Action: func(c *cli.Context) error {
			if _, err := Args(c, 0, 0, "no arguments"); err != nil {
				return err
			}
			w := bufio.NewWriter(c.App.Writer)
			manPage(w, c.App)
			return w.Flush()
		},
	}
}

// roff escapes a text for the man macros: backslashes, dashes that can be
// copied, and a first character that would be a request.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// word is a text as one argument of a macro.
func word(s string) string { return `"` + strings.ReplaceAll(roff(s), `"`, `\(dq`) + `"` }

func manPage(w io.Writer, app *cli.App) {
	fmt.Fprintf(w, ".TH %s 1 \"\" %s\n", word(strings.ToUpper(app.Name)), word(app.Name+" "+app.Version))
	fmt.Fprintf(w, ".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n", roff(app.Name), roff(app.Usage))
	for _, c := range visible(app) {
		fmt.Fprintf(w, ".B %s\n%s\n.br\n", roff(app.Name+" "+c.Name), roff(strings.TrimSpace("[flags] "+c.ArgsUsage)))
	}
	fmt.Fprintln(w, ".SH COMMANDS")
	for _, c := range visible(app) {
		manCommand(w, c)
	}
	fmt.Fprintf(w, ".SH ENVIRONMENT\nEvery flag has a variable: its name in capitals behind QWQ_, with _ for \\-, so \\-\\-max\\-memory is\n.BR QWQ_MAX_MEMORY .\n"+
		"A flag on the command line wins over its variable, that over the configuration files, those over the default.\n.TP\n.B NO_COLOR\nno colours and no styles on a terminal\n.TP\n.B QWQ_KERNEL\nforces a kernel variant\n")
	fmt.Fprintf(w, ".SH FILES\n.TP\n.I /etc/qwq/qwq.yaml\n.TQ\n.I ~/.config/qwq/qwq.yaml\nsettings, one \"flag: value\" per line; the second file wins\n"+
		".TP\n.I ~/.local/share/qwq/models\n.TQ\n.I /var/lib/qwq/models\nmodels that can be named without a path\n")
	fmt.Fprintln(w, ".SH EXIT STATUS\n0 success, 1 failure, 2 a mistake on the command line")
}

func manCommand(w io.Writer, c *cli.Command) {
	fmt.Fprintf(w, ".SS %s\n%s.\n", word(strings.TrimSpace(strings.Join(c.Names(), ", ")+" "+c.ArgsUsage)), roff(c.Usage))
	text, example, _ := strings.Cut(c.Description, "Example:\n")
	if text = strings.TrimSpace(text); text != "" {
		fmt.Fprintf(w, ".PP\n.nf\n%s\n.fi\n", roff(text))
	}
	if example != "" {
		fmt.Fprintf(w, ".PP\nExample:\n.PP\n.nf\n%s\n.fi\n", roff(strings.TrimRight(example, "\n")))
	}
	for i, f := range flagsOf(c) {
		var names []string
		for _, n := range f.names {
			names = append(names, dashed(n))
		}
		fmt.Fprintf(w, ".TP\n.B %s\n%s", word(strings.TrimSpace(strings.Join(names, ", ")+" "+f.value)), roff(f.usage))
		if i < len(c.Flags) {
			if d, ok := c.Flags[i].(cli.DocGenerationFlag); ok && f.value != "" && d.GetDefaultText() != "" {
				fmt.Fprintf(w, " (default: %s)", roff(d.GetDefaultText()))
			}
		}
		fmt.Fprintln(w)
	}
}
