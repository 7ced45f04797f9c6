package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
)

func quantizeCommand() *cli.Command {
	return &cli.Command{
		Name:      "quantize",
		Usage:     "write a checkpoint as one GGUF file of the given weight type",
		ArgsUsage: "SRC",
		Description: "SRC is a Hugging Face folder, a .safetensors, .bin or .pt file (also .gz, .zst), or a\n" +
			"GGUF. Every 2-D weight gets the type; norms and biases stay F32. A row that is no\n" +
			"multiple of the type's block falls back to another type, which is printed.\n\n" +
			"Types: " + strings.Join(typeNames(), " ") + "; int8 = q8_0, fp16 = f16.\n\n" +
			"Example:\n  qwq-convert quantize ./Qwen2.5-0.5B -o qwen-int8.gguf --type int8",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "the GGUF `FILE` to write"},
			&cli.StringFlag{Name: "type", Usage: "weight `TYPE`"},
			&cli.StringFlag{Name: "arch", Usage: "`NAME` of the architecture of a bare state_dict: qwq-seed"},
			&cli.StringFlag{Name: "config", Usage: "JSON `FILE` of what a qwq-seed state_dict cannot say: n_heads and top_k"},
			&cli.StringSliceFlag{Name: "tensor-type", Usage: "`REGEX=TYPE`: another type for the tensors whose GGUF name matches; repeatable, the last match wins"},
			&cli.StringFlag{Name: "max-memory", Value: "512MiB", Usage: "`SIZE` of the buffers, whatever the checkpoint's size"},
			&cli.IntFlag{Name: "threads", Usage: "`N` threads that quantize (0: one per core)"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite the output file"},
			&cli.BoolFlag{Name: "allow-nonfinite", Usage: "write NaN and infinite weights instead of refusing them"},
			&cli.BoolFlag{Name: "json", Usage: "print the report as one JSON object"},
		},
		Action: quantize,
	}
}

// typeNames are the types that can be encoded, the float types first.
func typeNames() []string {
	var out []string
	for _, s := range strings.Fields("f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q4_k q5_k q6_k iq4_nl") {
		if t, err := quant.ParseType(s); err == nil && t.CanEncode() {
			out = append(out, s)
		}
	}
	return out
}

func quantize(c *cli.Context) error {
	args, err := prog.Args(c, 1, 1, "SRC")
	if err != nil {
		return err
	}
	o, err := quantizeOptions(c, args[0])
	if err != nil {
		return err
	}
	p := prog.NewProgress(c.App.ErrWriter, c.App.Name)
	o.Progress = p.Bytes
	r, err := convert.Quantize(c.Context, o)
	p.Done()
	if errors.Is(err, fs.ErrExist) {
		return prog.Hint(err, "--force overwrites it")
	}
	if err != nil {
		return err
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(c.App.ErrWriter, "%s: warning: %s\n", c.App.Name, w)
	}
	if c.Bool("json") {
		return prog.JSON(c.App.Writer, r)
	}
	return quantizeReport(c.App.Writer, o.Out, r)
}

func quantizeOptions(c *cli.Context, src string) (convert.Options, error) {
	o := convert.Options{Source: src, Out: c.String("out"), Type: c.String("type"), Arch: c.String("arch"), Config: c.String("config"), Threads: c.Int("threads"),
		Force: c.Bool("force"), AllowNonFinite: c.Bool("allow-nonfinite")}
	if o.Out == "" {
		return o, prog.Usagef("quantize needs -o FILE")
	}
	if o.Type == "" {
		return o, prog.Usagef("quantize needs --type").Hintf("one of %s", strings.Join(typeNames(), " "))
	}
	if err := checkType(o.Type); err != nil {
		return o, err
	}
	if o.Arch != "" && o.Arch != arch.Seed {
		return o, prog.Usagef("--arch %q is not %s", o.Arch, arch.Seed)
	}
	if o.Config != "" && o.Arch == "" {
		return o, prog.Usagef("--config is for --arch %s", arch.Seed)
	}
	if o.Threads < 0 {
		return o, prog.Usagef("--threads %d is negative", o.Threads)
	}
	var err error
	if o.MaxMemory, err = prog.ParseSize(c.String("max-memory")); err != nil {
		return o, prog.Usagef("--max-memory: %s", err)
	}
	if o.MaxMemory != 0 && o.MaxMemory < convert.MinMemory {
		return o, prog.Usagef("--max-memory %s is less than %d MiB", c.String("max-memory"), convert.MinMemory>>20)
	}
	for _, s := range c.StringSlice("tensor-type") {
		i := strings.LastIndexByte(s, '=')
		if i < 1 {
			return o, prog.Usagef("--tensor-type %q is not REGEX=TYPE", s)
		}
		if _, err := regexp.Compile(s[:i]); err != nil {
			return o, prog.Usagef("--tensor-type %q: %s", s, err)
		}
		if err := checkType(s[i+1:]); err != nil {
			return o, err
		}
		o.TensorTypes = append(o.TensorTypes, convert.Rule{Regex: s[:i], Type: s[i+1:]})
	}
	return o, nil
}

// checkType refuses a type that does not exist (a usage error) or that has no
// encoder in this version.
func checkType(name string) error {
	t, err := quant.ParseType(name)
	if err != nil {
		return prog.Usagef("unknown type %q", name).Hintf("one of %s", strings.Join(typeNames(), " "))
	}
	if !t.CanEncode() {
		return prog.Hint(fmt.Errorf("type %s can be read but not written", t), "one of %s", strings.Join(typeNames(), " "))
	}
	return nil
}

// quantizeReport prints sizes, the types used and what fell back.
func quantizeReport(w io.Writer, out string, r *convert.Report) error {
	bytes := map[string]int64{}
	count := map[string]int{}
	var types []string
	for _, t := range r.Tensors {
		if count[t.To]++; count[t.To] == 1 {
			types = append(types, t.To)
		}
		bytes[t.To] += t.Bytes
		if t.Fallback != "" {
			fmt.Fprintf(w, "%s: %s instead: %s\n", t.Name, t.To, t.Fallback)
		}
	}
	slices.Sort(types)
	fmt.Fprintf(w, "%s, %d tensors:", r.Arch, len(r.Tensors))
	for i, t := range types {
		sep := ","
		if i == 0 {
			sep = ""
		}
		fmt.Fprintf(w, "%s %d %s (%s)", sep, count[t], t, prog.Size(bytes[t]))
	}
	rate := float64(r.InBytes) / max(r.Seconds, 1e-3)
	_, err := fmt.Fprintf(w, "\n%s: %s from %s of weights (%.0f %%), %.2f s, %s/s\n", out, prog.Size(r.OutBytes), prog.Size(r.InBytes),
		100*float64(r.OutBytes)/float64(max(r.InBytes, 1)), r.Seconds, prog.Size(int64(rate)))
	return err
}
