package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/cmd/internal/top"
)

func topCommand() *cli.Command {
	return &cli.Command{
		Name:  "top",
		Usage: "watch the daemon: speed, queue, memory, temperature",
		Description: "Drawn anew every --interval until q or Ctrl-C. Without a terminal one view is printed, of\n" +
			"the time between two looks.\n\n" +
			"Example:\n  qwq top --socket /tmp/q.sock",
		Flags: append(watchFlags(),
			&cli.DurationFlag{Name: "interval", Value: time.Second, Usage: "`TIME` between two looks, 100ms to 1h"},
			&cli.BoolFlag{Name: "once", Usage: "print one view and end"},
		),
		Action: topAction,
	}
}

func topAction(c *cli.Context) error {
	if _, err := prog.Args(c, 0, 0, "flags only"); err != nil {
		return err
	}
	every := c.Duration("interval")
	if every < 100*time.Millisecond || every > time.Hour {
		return prog.Usagef("--interval %v is not 100ms to 1h", every)
	}
	d, err := dial(c)
	if err != nil {
		return err
	}
	defer d.Close()
	s, err := d.Status(c.Context) // says at once that nobody answers
	if err != nil {
		return d.explain(c.Context, err)
	}
	v := top.New(d.Status, every)
	v.Take(s, time.Now())
	if !c.Bool("once") && isTerminal(c.App.Reader) && isTerminal(c.App.Writer) {
		return v.Run(c.Context)
	}
	select {
	case <-time.After(every):
	case <-c.Context.Done():
		return c.Context.Err()
	}
	if s, err = d.Status(c.Context); err != nil {
		return d.explain(c.Context, err)
	}
	v.Take(s, time.Now())
	_, err = fmt.Fprint(c.App.Writer, v.Text())
	return err
}
