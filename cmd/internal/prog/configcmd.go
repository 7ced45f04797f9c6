package prog

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
)

// ConfigCommand is `config`, which prints what every flag stands at and why.
func ConfigCommand() *cli.Command {
	return &cli.Command{
		Name:      "config",
		Usage:     "print every setting and where it comes from",
		ArgsUsage: "[COMMAND]",
		Description: "A flag on the command line wins over its environment variable, that over the\n" +
			"configuration files, those over the default. The files are /etc/qwq/qwq.yaml and\n" +
			"~/.config/qwq/qwq.yaml (the second wins); their keys are the long names of the flags:\n\n" +
			"  model: qwen-int8\n  threads: 2\n  temp: 0.6\n\n" +
			"Example:\n  QWQ_TEMP=0.2 {{prog}} config",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print one JSON object per line"}},
		Action: func(c *cli.Context) error {
			args, err := Args(c, 0, 1, "[COMMAND]")
			if err != nil {
				return err
			}
			commands := c.App.Commands
			if len(args) == 1 {
				one := c.App.Command(args[0])
				if one == nil {
					return unknownCommand(c.App, args[0])
				}
				commands = []*cli.Command{one}
			}
			cfg, err := LoadConfig(ConfigFiles())
			if err != nil {
				return err
			}
			return printConfig(c, origins(commands, cfg))
		},
	}
}

// origin is one line of `config`: a flag that stands at the same value for all
// the commands named.
type origin struct {
	Key      string   `json:"key"`
	Value    string   `json:"value"`
	Origin   string   `json:"origin"` // default, env or file
	Source   string   `json:"source"` // the variable, or file:line:column; empty for a default
	Commands []string `json:"commands"`
}

// origins finds the value of every flag of the commands, sorted by key. Flags
// whose defaults differ between commands give several lines.
func origins(commands []*cli.Command, cfg Config) []origin {
	var out []origin
	for _, cmd := range commands {
		for _, f := range cmd.Flags {
			d, ok := f.(cli.DocGenerationFlag)
			if !ok || f.Names()[0] == "help" {
				continue
			}
			o := origin{Key: f.Names()[0], Value: d.GetValue(), Origin: "default"}
			switch f := f.(type) {
			case *cli.StringSliceFlag:
				o.Value = ""
			case *cli.BoolFlag:
				o.Value = strconv.FormatBool(f.Value)
			case *cli.StringFlag: // a default that depends on more than the flag is told in words
				o.Value = cmp.Or(f.DefaultText, f.Value)
			case *cli.IntFlag:
				o.Value = cmp.Or(f.DefaultText, o.Value)
			case *cli.Float64Flag:
				o.Value = cmp.Or(f.DefaultText, o.Value)
			}
			if env, ok := os.LookupEnv(EnvName(o.Key)); ok && env != "" {
				o.Value, o.Origin, o.Source = env, "env", EnvName(o.Key)
			} else if s, ok := cfg[o.Key]; ok {
				o.Value, o.Origin, o.Source = strings.Join(s.Values, ", "), "file", s.Place()
			}
			i := slices.IndexFunc(out, func(p origin) bool { return p.Key == o.Key && p.Value == o.Value })
			if i < 0 {
				out, i = append(out, o), len(out)
			}
			out[i].Commands = append(out[i].Commands, cmd.Name)
		}
	}
	slices.SortStableFunc(out, func(a, b origin) int { return strings.Compare(a.Key, b.Key) })
	return out
}

func printConfig(c *cli.Context, all []origin) error {
	if c.Bool("json") {
		for _, o := range all {
			if err := JSON(c.App.Writer, o); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tVALUE\tORIGIN\tCOMMANDS")
	for _, o := range all {
		if o.Value == "" {
			o.Value = "-"
		}
		if o.Source == "" {
			o.Source = o.Origin
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", o.Key, oneLine(o.Value), o.Source, strings.Join(o.Commands, ", "))
	}
	return w.Flush()
}
