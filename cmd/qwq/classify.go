package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/vision"
)

// photo is the template that CLIP's authors use.
const photo = "a photo of a {}"

func classifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "classify",
		Usage:     "say which of some labels an image shows",
		ArgsUsage: "IMAGE ...",
		Description: "Zero-shot classification with a model that sees (CLIP): the label whose text is nearest to\n" +
			"the image wins, whatever the labels are. Prints the labels of an image, likeliest first, with\n" +
			"their probabilities. An image is a PNG, JPEG or GIF file; - is stdin.\n\n" +
			"Example:\n  qwq classify -m clip.gguf --labels cat,dog,horse animal.jpg",
		Flags: append([]cli.Flag{
			modelFlag(), prog.ModelsFlag(),
			&cli.StringFlag{Name: "labels", Usage: "`A,B,C`: the labels, at least one"},
			&cli.StringSliceFlag{Name: "template", Usage: "`TEXT` with {} where the label goes, repeatable: the vectors are averaged (default: " + photo + ")"},
			&cli.BoolFlag{Name: "precise", Usage: "float32 activations, for comparisons; slow"},
			&cli.BoolFlag{Name: "json", Usage: "print {\"file\", \"label\", \"labels\"} per image"},
		}, threadFlags()...),
		Action: classify,
	}
}

// verdict is a label with its probability.
type verdict struct {
	Label       string  `json:"label"`
	Probability float32 `json:"probability"`
}

func classify(c *cli.Context) error {
	var names []string
	for _, s := range strings.Split(c.String("labels"), ",") {
		if s = strings.TrimSpace(s); s != "" {
			names = append(names, s)
		}
	}
	switch {
	case len(names) == 0:
		return prog.Usagef("classify needs --labels")
	case c.Args().Len() == 0:
		return prog.Usagef("classify needs an IMAGE")
	}
	templates := c.StringSlice("template")
	if len(templates) == 0 {
		templates = []string{photo}
	}
	for _, t := range templates {
		if !strings.Contains(t, "{}") {
			return prog.Usagef("--template %q has no {} for the label", t)
		}
	}
	m, err := openEyes(c)
	if err != nil {
		return err
	}
	defer m.Close()
	labels, err := m.Labels(c.Context, names, templates)
	if err != nil {
		return err
	}
	return eachImages(c, c.Args().Slice(), func(files []string, images []*vision.RGB) error {
		p, err := labels.Classify(c.Context, images)
		for i := 0; i < len(p) && err == nil; i++ {
			err = writeVerdicts(c, files[i], names, p[i])
		}
		return err
	})
}

// writeVerdicts prints the labels of an image, likeliest first.
func writeVerdicts(c *cli.Context, file string, names []string, p []float32) error {
	all := make([]verdict, len(p))
	for i := range p {
		all[i] = verdict{names[i], p[i]}
	}
	slices.SortStableFunc(all, func(a, b verdict) int {
		switch {
		case a.Probability > b.Probability:
			return -1
		case a.Probability < b.Probability:
			return 1
		}
		return 0
	})
	if c.Bool("json") {
		return prog.JSON(c.App.Writer, struct {
			File   string    `json:"file"`
			Label  string    `json:"label"`
			Labels []verdict `json:"labels"`
		}{file, all[0].Label, all})
	}
	if c.Args().Len() > 1 {
		if _, err := fmt.Fprintf(c.App.Writer, "%s:\n", file); err != nil {
			return err
		}
	}
	for _, v := range all {
		if _, err := fmt.Fprintf(c.App.Writer, "%.4f  %s\n", v.Probability, v.Label); err != nil {
			return err
		}
	}
	return nil
}
