package prog

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// bindEnv gives every flag its environment variable: --max-memory is
// QWQ_MAX_MEMORY. A flag on the command line wins.
func bindEnv(flags []cli.Flag) {
	for _, f := range flags {
		env := []string{EnvName(f.Names()[0])}
		switch f := f.(type) {
		case *cli.StringFlag:
			f.EnvVars = env
		case *cli.BoolFlag:
			f.EnvVars = env
		case *cli.IntFlag:
			f.EnvVars = env
		case *cli.Float64Flag:
			f.EnvVars = env
		case *cli.DurationFlag:
			f.EnvVars = env
		case *cli.StringSliceFlag:
			f.EnvVars = env
		case *cli.GenericFlag:
			f.EnvVars = env
		default:
			panic("prog: flag kind without an environment variable: --" + f.Names()[0])
		}
	}
}

// EnvName is the environment variable of a flag.
func EnvName(flag string) string {
	return "QWQ_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
