package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/cmd/internal/repl"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/engine/session"
	"github.com/qwq-edge/qwq/runtime/sample"
)

func chatCommand() *cli.Command {
	recommended := func(x string) string { return "what the model file recommends, else " + x }
	return &cli.Command{
		Name:    "chat",
		Aliases: []string{"run"},
		Usage:   "talk to a model",
		Description: "On a terminal answers come as styled text, Ctrl-C stops one, /help lists what else\n" +
			"there is. On a pipe every line of stdin is a message and the answers go to stdout.\n" +
			"The model file's chat template is applied; without one texts are continued.\n" +
			"When the context is full the oldest turns leave the prompt, the system prompt stays.\n\n" +
			"Example:\n  qwq chat -m qwen-int8.gguf --system 'Answer in one sentence.'\n" +
			"  echo 'Why is the sky blue?' | qwq chat -m qwen-int8.gguf",
		Flags: append([]cli.Flag{
			modelFlag(),
			prog.ModelsFlag(),
			&cli.StringFlag{Name: "prompt", Aliases: []string{"p"}, Usage: "one `MESSAGE`: print the answer and end; - reads it from stdin"},
			&cli.StringFlag{Name: "system", Usage: "system prompt `TEXT`"},
			&cli.StringFlag{Name: "tools", Usage: "JSON `FILE` with an array of tool definitions"},
			&cli.StringFlag{Name: "think", Usage: "`HOW` reasoning is shown: show, dim, fold or hide", DefaultText: "dim on a terminal, else fold"},
			&cli.BoolFlag{Name: "no-think", Usage: "ask for an answer without reasoning (enable_thinking=false)"},
			&cli.StringSliceFlag{Name: "set", Usage: "`NAME=JSON`: a variable of the template; repeatable"},
			&cli.IntFlag{Name: "max-tokens", Aliases: []string{"n"}, Usage: "most `N` tokens of an answer (0: until the context is full)"},
			&cli.Float64Flag{Name: "temp", Value: 0.8, Usage: "temperature `T`; 0 takes the likeliest token", DefaultText: recommended("0.8")},
			&cli.IntFlag{Name: "top-k", Value: 40, Usage: "keep the `K` likeliest tokens; 0: all", DefaultText: recommended("40")},
			&cli.Float64Flag{Name: "top-p", Value: 0.95, Usage: "keep the likeliest tokens of total probability `P`; 1: all", DefaultText: recommended("0.95")},
			&cli.Float64Flag{Name: "min-p", Value: 0.05, Usage: "keep tokens of at least `P` times the best one's probability; 0: all", DefaultText: recommended("0.05")},
			&cli.Float64Flag{Name: "repeat-penalty", Value: 1, Usage: "divide the logits of tokens already there by `X`; 1: off", DefaultText: recommended("1")},
			&cli.StringFlag{Name: "seed", Value: "random", Usage: "`SEED` of the random numbers, or random"},
			&cli.StringSliceFlag{Name: "stop", Usage: "end an answer at this `TEXT`, which is not printed; repeatable"},
			&cli.IntFlag{Name: "ctx", Usage: "context of `N` tokens (0: what the model was trained with, less where memory is short)"},
			&cli.StringFlag{Name: "kv", Value: "auto", Usage: "KV cache `TYPE`: auto, f32, f16 or q8_0"},
			&cli.StringFlag{Name: "tracker", Usage: "dialog tracker, a qwq-seed GGUF `FILE`: when the context is full, turns of other topics leave the prompt instead of the oldest, and come back with their topic; needs --encoder"},
			&cli.StringFlag{Name: "encoder", Usage: "sentence encoder, a GGUF `FILE`, whose vectors --tracker was trained on"},
			prog.SafetyFlag(),
			&cli.BoolFlag{Name: "precise", Usage: "float32 activations and KV cache, for comparisons"},
			&cli.BoolFlag{Name: "plain", Usage: "no terminal features: read lines, print answers"},
		}, append(append(threadFlags(), draftFlag()), daemonFlags()...)...),
		Action: chatAction,
	}
}

func chatAction(c *cli.Context) error {
	if _, err := prog.Args(c, 0, 0, "flags only; one message goes to -p"); err != nil {
		return err
	}
	terminal := !c.Bool("plain") && !c.IsSet("prompt") && isTerminal(c.App.Reader) && isTerminal(c.App.Writer) && os.Getenv("TERM") != "dumb"
	so, think, err := chatOptions(c, terminal)
	if err != nil {
		return err
	}
	d, err := remote(c)
	if err != nil {
		return err
	}
	if d != nil {
		if c.String("tracker") != "" {
			return prog.Usagef("--tracker is for a model in this process, not for --socket")
		}
		s, err := d.session(c, so)
		if err != nil {
			return err
		}
		return converse(c, &repl.REPL{Session: s, Think: think, Model: d.name(c)}, terminal)
	}
	rules, err := policy(c)
	if err != nil {
		return err
	}
	if rules != nil {
		so.Filter = chatFilter{rules}
	}
	o := engine.Options{Context: c.Int("ctx"), KV: c.String("kv"), Precise: c.Bool("precise"), Sequences: 1}
	if err := setThreads(c, &o); err != nil {
		return err
	}
	m, err := openModel(c, o)
	if err != nil {
		return err
	}
	defer m.Close()
	a, closeDraft, err := openDraft(c, m, o)
	if err != nil {
		return err
	}
	defer closeDraft()
	so.Draft = a
	recommend(c, &so.Sampling, m.Info().Defaults)
	window, closeWindow, err := topics(c)
	if err != nil {
		return err
	}
	defer closeWindow()
	if window != nil {
		so.Window = window
	}
	s, err := session.New(m, so)
	if err != nil {
		return err
	}
	defer s.Close()
	switch t := s.Template(); {
	case len(so.Tools) > 0 && (t == nil || !t.Caps().Tools):
		return prog.Hint(fmt.Errorf("the model's chat template knows no tools"), "leave --tools out")
	case t == nil:
		fmt.Fprintf(c.App.ErrWriter, "%s: warning: the model has no chat template: texts are continued as they are, --set and --no-think change nothing\n", c.App.Name)
	case c.Bool("no-think") && !t.Caps().ThinkSwitch:
		fmt.Fprintf(c.App.ErrWriter, "%s: warning: the model's chat template has no switch for thinking: --no-think changes nothing\n", c.App.Name)
	}
	return converse(c, &repl.REPL{Session: s, Think: think, Model: modelName(c, m)}, terminal)
}

// converse is the conversation, wherever it is answered.
func converse(c *cli.Context, r *repl.REPL, terminal bool) (err error) {
	if terminal {
		hist, err := repl.OpenHistory(repl.HistoryPath())
		if err != nil {
			fmt.Fprintf(c.App.ErrWriter, "%s: warning: no history: %s\n", c.App.Name, err)
		}
		return repl.NewUI(c.Context, r, hist, repl.Styled()).Run(c.App.Writer)
	}
	streams := repl.Streams{In: c.App.Reader, Out: c.App.Writer, Talk: c.App.ErrWriter, Name: c.App.Name}
	if !c.IsSet("prompt") {
		return r.Plain(c.Context, streams)
	}
	text := c.String("prompt")
	if text == "-" {
		if text, err = prog.ReadText(c, "-"); err != nil {
			return err
		}
	}
	if strings.TrimSpace(text) == "" {
		return prog.Usagef("-p is empty")
	}
	_, err = r.One(c.Context, streams, strings.TrimRight(text, "\n"))
	return err
}

// chatOptions reads the flags that are the conversation's.
func chatOptions(c *cli.Context, terminal bool) (o session.Options, think repl.Think, err error) {
	think = repl.Think(c.String("think"))
	switch {
	case think == "" && terminal:
		think = repl.Dim
	case think == "":
		think = repl.Fold
	case !think.Valid():
		return o, think, prog.Usagef("--think %q is not %s", think, repl.Thinks)
	}
	if o.Sampling, err = samplingOptions(c); err != nil {
		return o, think, err
	}
	for _, name := range []string{"ctx", "max-tokens"} {
		if n := c.Int(name); n < 0 {
			return o, think, prog.Usagef("--%s %d is negative", name, n)
		}
	}
	if err = prog.CheckKV(c); err != nil {
		return o, think, err
	}
	if o.Vars, err = prog.Vars(c.StringSlice("set")); err != nil {
		return o, think, err
	}
	if c.Bool("no-think") {
		o.Vars["enable_thinking"] = false
	}
	o.System, o.MaxTokens, o.Stop = c.String("system"), c.Int("max-tokens"), c.StringSlice("stop")
	o.Tools, err = prog.Tools(c.String("tools"))
	return o, think, err
}

// recommend takes what the model file recommends for the flags that nobody has
// set.
func recommend(c *cli.Context, o *sample.Options, d engine.Defaults) {
	for _, x := range []struct {
		flag string
		to   *float64
		v    *float64
	}{{"temp", &o.Temperature, d.Temperature}, {"top-p", &o.TopP, d.TopP}, {"min-p", &o.MinP, d.MinP}, {"repeat-penalty", &o.RepeatPenalty, d.RepeatPenalty}} {
		if x.v != nil && !c.IsSet(x.flag) {
			*x.to = *x.v
		}
	}
	if d.TopK != nil && !c.IsSet("top-k") {
		o.TopK = *d.TopK
	}
}

// modelName is what the first line calls the model.
func modelName(c *cli.Context, m *engine.Model) string {
	switch name := c.String("model"); {
	case name == "":
		return "the embedded model"
	case m.Info().Name != "":
		return m.Info().Name
	default:
		return name
	}
}

func isTerminal(s any) bool {
	f, ok := s.(interface {
		io.ReadWriter
		Fd() uintptr
	})
	return ok && term.IsTerminal(int(f.Fd()))
}
