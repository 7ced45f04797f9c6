package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/telemetry"
)

func infoCommand() *cli.Command {
	return &cli.Command{
		Name:  "info",
		Usage: "say what this machine can do",
		Description: "With -m the best thread counts for that model are measured, which takes 200 ms, and kept.\n\n" +
			"Example:\n  qwq info --json\n  qwq info -m qwen-int8.gguf",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "model", Aliases: []string{"m"}, Usage: "`MODEL` to measure thread counts for"},
			prog.ModelsFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object"},
		},
		Action: func(c *cli.Context) error {
			if _, err := prog.Args(c, 0, 0, "flags only"); err != nil {
				return err
			}
			threads, err := measuredThreads(c, c.App.ErrWriter)
			if err != nil {
				return err
			}
			in, err := machine(telemetry.Host())
			if err != nil {
				return err
			}
			in.Threads = threads
			if c.Bool("json") {
				return prog.JSON(c.App.Writer, in)
			}
			return in.print(c.App.Writer)
		},
	}
}

// info is the --json record; what is not available is null or absent.
type info struct {
	Version     string      `json:"version"`
	Board       string      `json:"board,omitempty"`
	OS          string      `json:"os"`
	Arch        string      `json:"arch"`
	Cores       int         `json:"cores"`
	Features    []string    `json:"features"`
	Kernel      string      `json:"kernel"`
	Kernels     []string    `json:"kernels"`
	PageSize    int         `json:"page_size"`
	Memory      memory      `json:"memory"`
	Bandwidth   float64     `json:"bandwidth"`   // bytes/s, all cores reading
	Temperature *float64    `json:"temperature"` // °C
	Frequencies []frequency `json:"frequencies"`
	Throttling  *throttling `json:"throttling"`
	// Threads are the measured thread counts of this machine.
	Threads []engine.ThreadCounts `json:"threads"`
}

type memory struct {
	Total     uint64 `json:"total"`
	Available uint64 `json:"available"`
	Limit     uint64 `json:"cgroup_limit"` // 0: none
	Free      uint64 `json:"free"`         // what a new program can have
}

type frequency struct {
	CPU   int     `json:"cpu"`
	Hz    float64 `json:"hz"`
	MaxHz float64 `json:"max_hz"` // 0: unknown
}

type throttling struct {
	Now       string `json:"now"`
	SinceBoot string `json:"since_boot"`
}

// machine gathers everything; only choosing a kernel can fail (QWQ_KERNEL).
func machine(src telemetry.Source) (*info, error) {
	pool, err := kernel.New(kernel.Options{})
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	s := telemetry.Read(src)
	m := s.Memory
	in := &info{Version: prog.Version(), Board: s.Board, OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(),
		Features: cpu.Features(), Kernel: pool.Variant(), Kernels: kernel.Variants(), PageSize: telemetry.PageSize(),
		Memory: memory{m.Total, m.Available, m.Limit, m.Free()}, Frequencies: []frequency{}}
	if in.Features == nil {
		in.Features = []string{}
	}
	for _, f := range s.Frequencies {
		in.Frequencies = append(in.Frequencies, frequency{f.CPU, float64(f.Now) / 1e6, float64(f.Max) / 1e6})
	}
	if t, ok := s.SoC(); ok {
		v := t.Celsius()
		in.Temperature = &v
	}
	if s.Throttle != nil {
		in.Throttling = &throttling{s.Throttle.Now.String(), s.Throttle.SinceBoot.String()}
	}
	in.Bandwidth = pool.ReadRate(readBuffer(m.Free()), 3)
	return in, nil
}

func (in *info) print(w io.Writer) error {
	const none = "not available"
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("version", "%s", in.Version)
	if in.Board != "" {
		line("board", "%s", in.Board)
	}
	line("system", "%s/%s, %d cores", in.OS, in.Arch, in.Cores)
	line("features", "%s", strings.Join(in.Features, " "))
	line("kernel", "%s (of %s)", in.Kernel, strings.Join(in.Kernels, ", "))
	line("memory", "%s, %s available, pages of %d KiB", prog.Size(int64(in.Memory.Total)), prog.Size(int64(in.Memory.Available)), in.PageSize>>10)
	if in.Memory.Limit > 0 {
		line("cgroup limit", "%s, %s free", prog.Size(int64(in.Memory.Limit)), prog.Size(int64(in.Memory.Free)))
	} else {
		line("cgroup limit", "none")
	}
	line("bandwidth", "%s/s reading with all cores", prog.Size(int64(in.Bandwidth)))
	printThreads(line, in.Threads)
	if in.Temperature != nil {
		line("temperature", "%.1f °C", *in.Temperature)
	} else {
		line("temperature", none)
	}
	line("frequency", "%s", clocks(in.Frequencies, none))
	if in.Throttling != nil {
		line("throttling", "now: %s; since boot: %s", in.Throttling.Now, in.Throttling.SinceBoot)
	} else {
		line("throttling", none)
	}
	return nil
}

// clocks writes runs of CPUs with the same clock as one: "4 x 1500 of 1800 MHz".
func clocks(f []frequency, none string) string {
	if len(f) == 0 {
		return none
	}
	var out []string
	for i := 0; i < len(f); {
		j := i
		for j < len(f) && f[j].Hz == f[i].Hz && f[j].MaxHz == f[i].MaxHz {
			j++
		}
		s := fmt.Sprintf("%d x %.0f MHz", j-i, f[i].Hz/1e6)
		if f[i].MaxHz > 0 {
			s = fmt.Sprintf("%d x %.0f of %.0f MHz", j-i, f[i].Hz/1e6, f[i].MaxHz/1e6)
		}
		out = append(out, s)
		i = j
	}
	return strings.Join(out, ", ")
}
