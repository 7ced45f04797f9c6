package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
)

func psCommand() *cli.Command {
	return &cli.Command{
		Name:  "ps",
		Usage: "list the models that the daemon holds",
		Description: "KV is the KV cache that holds something, of what there can be; kept prefixes are part of it.\n\n" +
			"Example:\n  qwq ps --socket /tmp/q.sock",
		Flags:  append(watchFlags(), &cli.BoolFlag{Name: "json", Usage: "print one JSON object per model"}),
		Action: ps,
	}
}

func ps(c *cli.Context) error {
	if _, err := prog.Args(c, 0, 0, "flags only"); err != nil {
		return err
	}
	d, err := dial(c)
	if err != nil {
		return err
	}
	defer d.Close()
	s, err := d.Status(c.Context)
	if err != nil {
		return d.explain(c.Context, err)
	}
	if c.Bool("json") {
		for _, m := range s.Models {
			if err := prog.JSON(c.App.Writer, m); err != nil {
				return err
			}
		}
		return nil
	}
	if len(s.Models) == 0 {
		fmt.Fprintf(c.App.ErrWriter, "%s: no model is loaded: the first request loads one\n", c.App.Name)
		return nil
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSIZE\tTYPE\tCONTEXT\tKV\tRUNNING\tWAITING\tANSWERS\tLOADED")
	for _, m := range s.Models {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s of %s\t%d\t%d\t%d\t%s\n", prog.Line(m.Name), prog.Size(int64(m.Bytes)), m.Quantization, m.Context,
			prog.Size(m.KVBytes), prog.Size(m.KVBytesTotal), m.Running, m.Waiting, m.Finished, m.Since.Local().Format(time.DateTime))
	}
	return w.Flush()
}
