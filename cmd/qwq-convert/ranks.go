package main

import (
	"errors"
	"os"
	"runtime"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/distill/launch"
	"github.com/qwq-edge/qwq/distill/pipeline"
	"github.com/qwq-edge/qwq/internal/shard"
)

// ranksFlags are those of a run of many processes.
func ranksFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "mpi-lib", Usage: "MPI `LIBRARY`, where the launcher's variables lead to a wrong one"},
		&cli.BoolFlag{Name: "shard-optimizer", Usage: "each process holds its share of the optimizer's state: less memory, the same bits"},
	}
}

// joined is this process in its job.
type joined struct {
	pipeline.Ranks // nil: alone
	// leave ends it; with an error all processes of the job end.
	leave func(error) error
}

// ranks joins the processes that an MPI launcher started, and fills in the options.
func ranks(c *cli.Context, o *pipeline.Options) (*joined, error) {
	j := &joined{leave: func(err error) error { return err }}
	lib := c.String("mpi-lib")
	l, err := launch.Detect(os.Getenv)
	if alone := errors.Is(err, launch.ErrAlone); alone || err == nil && l.Size == 1 && lib == "" {
		if c.Bool("shard-optimizer") || lib != "" {
			return nil, prog.Usagef("--mpi-lib and --shard-optimizer are for several processes").Hintf("mpirun -n 2 %s distill RECIPE.yaml", c.App.Name)
		}
		return j, nil
	}
	if err == nil {
		err = j.open(l, lib)
	}
	if err != nil {
		return nil, err
	}
	o.Ranks, o.ShardOptimizer = j.Ranks, c.Bool("shard-optimizer")
	o.Threads = l.Threads(os.Getenv, runtime.NumCPU(), launch.CPUs())
	return j, nil
}

// end leaves the job. An error in a training, where the others wait, ends theirs.
func (j *joined) end(err error) error {
	if e := new(pipeline.RankError); errors.As(err, &e) {
		return j.leave(err)
	}
	return errors.Join(err, j.leave(nil))
}

// part is which parts of a map stage are this process's.
func part(spec string) (shard.Selection, error) {
	s, err := shard.Select(spec, 0, os.Getenv)
	if err != nil {
		return s, prog.Usagef("--shard: %s", err)
	}
	if l, err := launch.Detect(os.Getenv); spec == "" && s.Count == 1 && (err == nil && l.Size > 1 || err != nil && !errors.Is(err, launch.ErrAlone)) {
		return s, prog.Usagef("several processes were started, and each would make all parts").Hintf("--shard I/N for each, or an array of jobs")
	}
	return s, nil
}
