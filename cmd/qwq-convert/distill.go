package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/distill/cache"
	"github.com/qwq-edge/qwq/distill/pipeline"
	"github.com/qwq-edge/qwq/distill/recipe"
	"github.com/qwq-edge/qwq/distill/student"
	"github.com/qwq-edge/qwq/distill/train"
)

func distillCommand() *cli.Command {
	return &cli.Command{
		Name:      "distill",
		Usage:     "train a small model on what a large one says, as a recipe describes",
		ArgsUsage: "[cache | generate] RECIPE.yaml",
		Description: "The recipe names a teacher (a model file, a Hugging Face folder, or a served model),\n" +
			"the student, the text, the loss and the training; docs/recipe.md explains every key.\n" +
			"A mistake is refused with file:line:column before any work.\n\n" +
			"Stages: " + stageLines() + ".\n" +
			"Each is left out when its inputs and files are unchanged, and goes on where it was\n" +
			"killed. report.html in the recipe's folder shows the result.\n\n" +
			"distill generate makes this process's parts of the text that the recipe samples from\n" +
			"the teacher, distill cache its parts of what the teacher says of the text (--shard,\n" +
			"or the array variables of Slurm and Kubernetes). They run on as many machines as\n" +
			"share the folder, go on after kill -9, and the last one joins the parts.\n\n" +
			"Started by mpirun or srun, the processes train together, with the bits of one\n" +
			"(bin/qwq-convert-mpi; docs/distributed.md).\n\n" +
			"Example:\n  qwq-convert distill recipe.yaml --dry-run\n  qwq-convert distill recipe.yaml\n" +
			"  qwq-convert distill recipe.yaml --student 30M --target-device pi-4\n" +
			"  qwq-convert distill cache recipe.yaml --shard 0/4",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "student", Usage: "parameters of the student, `30M`, in place of all sizes that the recipe gives"},
			&cli.StringFlag{Name: "student-layers", Usage: "layers of the student, `N`, in place of the recipe's"},
			&cli.StringFlag{Name: "student-config", Usage: "Hugging Face `config.json` of the student, which then starts at random; in place of the recipe's sizes"},
			&cli.StringFlag{Name: "target-device", Usage: "`NAME` of the device that the student must fit: " + strings.Join(deviceNames(), ", ")},
			&cli.StringFlag{Name: "only", Usage: "do `STAGE` alone, done or not"},
			&cli.StringFlag{Name: "from", Usage: "do `STAGE` anew, and what changes after it"},
			&cli.StringFlag{Name: "shard", Usage: "`I/N`: part I of N, counted from 0, of cache or generate; /N: I is the index of the array job"},
			&cli.BoolFlag{Name: "dry-run", Usage: "check and plan, and print what time and memory it would take"},
			&cli.BoolFlag{Name: "allow-rung-change", Usage: "resume training that other kernels began; its bits will differ"},
			&cli.BoolFlag{Name: "json", Usage: "print the result as one JSON object"},
		}, ranksFlags()...),
		Action: distillAction,
	}
}

// stageLines is the stages on lines for a description.
func stageLines() string {
	names := pipeline.Stages()
	return strings.Join(names[:5], ", ") + ",\n" + strings.Join(names[5:], ", ")
}

func deviceNames() (names []string) {
	for _, d := range student.Devices {
		names = append(names, d.Name)
	}
	return names
}

// studentFlags are the flags that take the place of the recipe's keys. A path is
// relative to where the command runs.
func studentFlags(c *cli.Context) (out []recipe.Flag, err error) {
	if c.IsSet("student") && c.IsSet("student-config") {
		return nil, prog.Usagef("distill takes --student or --student-config, not both")
	}
	for _, f := range []struct{ name, key string }{
		{"student", "student.size"}, {"student-config", "student.config"}, {"student-layers", "student.layers"}, {"target-device", "student.device"},
	} {
		v := c.String(f.name)
		if v == "" {
			continue
		}
		if f.name == "student-config" {
			if v, err = filepath.Abs(v); err != nil {
				return nil, err
			}
		}
		out = append(out, recipe.Flag{Name: "--" + f.name, Key: f.key, Value: v})
	}
	return out, nil
}

func distillAction(c *cli.Context) error {
	args, err := prog.Args(c, 1, 2, "[cache | generate] RECIPE.yaml")
	if err != nil {
		return err
	}
	what := ""
	if len(args) == 2 {
		if what = args[0]; what != "cache" && what != "generate" {
			return prog.Usagef("distill %q: want cache or generate, or a recipe alone", what)
		}
	}
	o := pipeline.Options{Only: c.String("only"), From: c.String("from"), AllowRungChange: c.Bool("allow-rung-change")}
	switch {
	case what == "" && c.String("shard") != "":
		return prog.Usagef("--shard is for distill cache and distill generate")
	case (what != "" || c.Bool("dry-run")) && (c.IsSet("mpi-lib") || c.IsSet("shard-optimizer")):
		return prog.Usagef("--mpi-lib and --shard-optimizer are for training")
	case what != "" && (o.Only != "" || o.From != "" || c.Bool("dry-run")):
		return prog.Usagef("distill %s takes no --only, --from or --dry-run", what)
	case o.Only != "" && o.From != "":
		return prog.Usagef("--only or --from, not both")
	}
	for _, s := range []string{o.Only, o.From} {
		if s != "" && !slices.Contains(pipeline.Stages(), s) {
			return prog.Usagef("no stage %q", s).Hintf("one of %s", strings.Join(pipeline.Stages(), " "))
		}
	}
	if what != "" {
		if o.Shard, err = part(c.String("shard")); err != nil {
			return err
		}
	}
	flags, err := studentFlags(c)
	if err != nil {
		return err
	}
	r, err := recipe.Open(args[len(args)-1], flags...)
	if err != nil {
		return err
	}
	if what == "" && !c.Bool("dry-run") {
		j, err := ranks(c, &o)
		if err != nil {
			return err
		}
		return distillHint(j.end(distillRun(c, r, o)))
	}
	v := newDistillView(c)
	p, err := pipeline.New(r, v.options(o))
	if err != nil {
		return err
	}
	if what != "" {
		err := p.Parts(c.Context, what)
		v.clear()
		return err
	}
	e, err := p.Estimate(c.Context)
	if err != nil {
		return err
	}
	return printEstimate(c, e)
}

// distillRun runs a recipe, in the process that leads with a view and a result.
func distillRun(c *cli.Context, r *recipe.Recipe, o pipeline.Options) error {
	if o.Ranks != nil && o.Ranks.Rank() != 0 {
		p, err := pipeline.New(r, o)
		if err != nil {
			return err
		}
		return p.Run(c.Context)
	}
	v := newDistillView(c)
	p, err := pipeline.New(r, v.options(o))
	if err != nil {
		return err
	}
	err = p.Run(c.Context)
	v.clear()
	if e, errE := p.Evaluation(); errE == nil && e != nil {
		if c.Bool("json") {
			errE = prog.JSON(c.App.Writer, e)
		} else {
			errE = printEvaluation(c.App.Writer, e)
		}
		err = errors.Join(err, errE)
	}
	return err
}

// distillHint adds what the reader can do.
func distillHint(err error) error {
	var weak *pipeline.WeakError
	switch {
	case errors.As(err, &weak):
		return prog.Hint(err, "a larger teacher, or a smaller student; baseline.margin is what is asked for")
	case errors.Is(err, train.ErrRung):
		return prog.Hint(err, "--allow-rung-change goes on with other bits")
	}
	return err
}

// printEvaluation is the table of all models and their samples side by side.
func printEvaluation(w io.Writer, e *pipeline.Evaluation) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "model\tnats/token\tperplexity\tKL\ttop-1\tsize\tless than before\t")
	for i, s := range e.Scores {
		diff := ""
		for _, d := range e.Differences {
			if i > 0 && d.B == s.Name && d.A == e.Scores[i-1].Name {
				diff = fmt.Sprintf("%+.4f ± %.4f", -d.Nats, d.StdErr)
			}
		}
		fmt.Fprintf(t, "%s\t%.4f\t%.3f\t%.4f\t%.1f %%\t%s\t%s\t\n", s.Name, s.Nats, s.Perplexity(), s.KL, 100*s.Top1, prog.Size(s.Bytes), diff)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(e.Scores) > 0 {
		fmt.Fprintf(w, "%d held-out tokens each; differences are paired by row of text, ± their standard error\n", e.Scores[0].Tokens)
	}
	for _, s := range e.Samples {
		fmt.Fprintf(w, "\n%s: %s%s\n", s.Model, s.Prompt, s.Text)
	}
	if len(e.Samples) > 0 {
		fmt.Fprintf(w, "\n%.1f %% of the words that the students wrote are in the training text\n", 100*e.Words)
	}
	return nil
}

func printEstimate(c *cli.Context, e *pipeline.Estimate) error {
	if c.Bool("json") {
		return prog.JSON(c.App.Writer, e)
	}
	t := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	of := ""
	if e.TeacherParams > 0 {
		of = fmt.Sprintf(" of the teacher's %d (%.0f %%)", e.TeacherParams, 100*float64(e.Params)/float64(e.TeacherParams))
	}
	fmt.Fprintf(t, "student\t%v\nparameters\t%d%s\n", e.Student, e.Params, of)
	fmt.Fprintf(t, "training\t%d students, %d tokens each, about %s a student\n", e.Students, e.Tokens, seconds(e.TrainSeconds))
	for _, m := range e.Captured {
		warn := ""
		if m.Mass < cache.LowMass {
			warn = fmt.Sprintf(": below %g, raise cache.k, lower the temperature, or set cache.live", cache.LowMass)
		}
		fmt.Fprintf(t, "captured\t%.3f of the teacher's mass at T %g%s\n", m.Mass, m.Temperature, warn)
	}
	fmt.Fprintf(t, "time\tabout %s for what is to do\nmemory\t%s at most, %s available\n\n", seconds(e.Seconds), prog.Size(e.Memory), prog.Size(e.Available))
	fmt.Fprintln(t, "stage\t\ttime\tmemory")
	for _, s := range e.Stages {
		state := "to do"
		if s.Done {
			state = "unchanged"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.Name, state, seconds(s.Seconds), prog.Size(s.Memory))
	}
	return t.Flush()
}
