package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/runtime/engine"
)

func threadFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "threads", Usage: "`N` threads (0: as many as were measured to be best, see qwq info; one per core until then)"},
		&cli.IntFlag{Name: "threads-prefill", Usage: "`N` threads to read the prompt with (0: as --threads)"},
		&cli.IntFlag{Name: "threads-decode", Usage: "`N` threads to write with (0: as --threads)"},
		prog.ExpertFlag(),
	}
}

// setThreads takes over the flags of threadFlags, and the file of measurements.
func setThreads(c *cli.Context, o *engine.Options) error {
	for _, name := range []string{"threads", "threads-prefill", "threads-decode"} {
		if n := c.Int(name); n < 0 || n > 1024 {
			return prog.Usagef("--%s %d is not 0 to 1024", name, n)
		}
	}
	var err error
	if o.Experts, err = prog.Experts(c); err != nil {
		return err
	}
	o.Threads, o.PrefillThreads, o.DecodeThreads = c.Int("threads"), c.Int("threads-prefill"), c.Int("threads-decode")
	o.ThreadTable = threadTable()
	return nil
}

// threadTable is the file that keeps measured thread counts; "" where the user
// has no cache folder.
func threadTable() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "qwq", "threads.json")
}

// measuredThreads is what info shows: the table's entries of this machine, and
// with -m that model's, measured now. talk gets what is wrong with the table.
func measuredThreads(c *cli.Context, talk io.Writer) ([]engine.ThreadCounts, error) {
	list := []engine.ThreadCounts{}
	if c.String("model") != "" {
		m, err := openModel(c, engine.Options{ThreadTable: threadTable(), Sequences: 1})
		if err != nil {
			return nil, err
		}
		defer m.Close()
		t, err := m.MeasureThreads()
		if errors.Is(err, engine.ErrNotKept) {
			fmt.Fprintf(talk, "%s: warning: %s\n", c.App.Name, err)
		} else if err != nil {
			return nil, err
		}
		return append(list, t), nil
	}
	path := threadTable()
	if path == "" {
		return list, nil
	}
	all, err := engine.ReadThreadTable(path)
	if err != nil {
		fmt.Fprintf(talk, "%s: warning: %s\n", c.App.Name, err)
	}
	return append(list, slices.DeleteFunc(all, func(t engine.ThreadCounts) bool { return t.Machine != cpu.Model() })...), nil
}

// printThreads writes a line for each entry, and what each count reached.
func printThreads(line func(name, format string, args ...any), list []engine.ThreadCounts) {
	if len(list) == 0 {
		line("threads", "not measured yet: the first long text does it, or -m MODEL")
	}
	for _, t := range list {
		var tried []string
		for _, r := range t.Trials {
			tried = append(tried, fmt.Sprintf("%d: %.0f, %s/s", r.Threads, r.Prefill/1e9, prog.Size(int64(r.Decode))))
		}
		line("threads", "prefill %d, decode %d for %s up to %s with %s (threads: 10^9 products/s, weights read: %s)",
			t.Prefill, t.Decode, t.Type, t.Class, t.Kernel, strings.Join(tried, "; "))
	}
}
