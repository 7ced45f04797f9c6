package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/gguf"
)

func listCommand() *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list the models that -m finds by name",
		Description: "The folders are those of --models, ~/.local/share/qwq/models and\n" +
			"/var/lib/qwq/models: NAME.gguf, NAME/TAG.gguf or NAME-TAG.gguf. A name in an earlier\n" +
			"folder hides the same one in a later folder.\n\n" +
			"Example:\n  qwq list --models /media/card/models",
		Flags: []cli.Flag{
			prog.ModelsFlag(),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print names only"},
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object per model"},
		},
		Action: list,
	}
}

// entry is the --json record of a model.
type entry struct {
	Name         string `json:"name"`
	Path         string `json:"path"`
	Bytes        uint64 `json:"bytes"`
	Type         string `json:"type"` // of most of the bytes
	Architecture string `json:"architecture"`
	Error        string `json:"error,omitempty"` // why the file cannot be used
}

func list(c *cli.Context) error {
	if _, err := prog.Args(c, 0, 0, "flags only"); err != nil {
		return err
	}
	dirs := prog.ModelDirs(c.String("models"))
	found := prog.Models(dirs)
	if c.Bool("quiet") {
		for _, m := range found {
			fmt.Fprintln(c.App.Writer, m.Name)
		}
		return nil
	}
	entries := make([]entry, len(found))
	for i, m := range found {
		entries[i] = look(m)
	}
	if c.Bool("json") {
		for _, e := range entries {
			if err := prog.JSON(c.App.Writer, e); err != nil {
				return err
			}
		}
		return nil
	}
	if len(entries) == 0 {
		fmt.Fprintf(c.App.ErrWriter, "%s: no models in %s\n", c.App.Name, prog.Dirs(dirs))
		return nil
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSIZE\tTYPE\tARCHITECTURE\tPATH")
	for _, e := range entries {
		if e.Error != "" {
			fmt.Fprintf(c.App.ErrWriter, "%s: warning: %s: %s\n", c.App.Name, e.Name, e.Error)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.Name, prog.Size(int64(e.Bytes)), e.Type, e.Architecture, e.Path)
	}
	return w.Flush()
}

// look reads a model's header.
func look(m prog.Model) entry {
	e := entry{Name: m.Name, Path: m.Path}
	f, err := gguf.Open(m.Path)
	if err != nil {
		e.Error = err.Error()
		return e
	}
	defer f.Close()
	e.Bytes, e.Architecture = f.FileSize(), f.Arch()
	bytes, most := map[string]uint64{}, uint64(0)
	for _, t := range f.Tensors() {
		name := t.Type.String()
		if bytes[name] += t.Size; bytes[name] > most {
			e.Type, most = name, bytes[name]
		}
	}
	return e
}
