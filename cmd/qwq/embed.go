package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// maxEmbedLine bounds a text of --stdin.
const maxEmbedLine = 16 << 20

func embedCommand() *cli.Command {
	return &cli.Command{
		Name:      "embed",
		Usage:     "turn texts or images into vectors",
		ArgsUsage: "[TEXT ...]",
		Description: "Prints one JSON array of numbers per text. An encoder (BERT) pools as its file says; a\n" +
			"decoder gives the mean of its last hidden states. What an encoder has no positions for is\n" +
			"left out, with a warning; a daemon (--socket) refuses such texts, and its vectors have\n" +
			"length 1. With --image the arguments are image files (PNG, JPEG, GIF; - is\n" +
			"stdin) for a model that sees (CLIP); its vectors of texts and images have length 1, and their\n" +
			"dot products say what belongs together.\n\n" +
			"Example:\n  qwq embed -m all-minilm-l6-v2.gguf 'a kernel for old cores' 'a cat on a mat'",
		Flags: append([]cli.Flag{
			modelFlag(), prog.ModelsFlag(),
			&cli.BoolFlag{Name: "image", Usage: "the arguments are image files"},
			&cli.BoolFlag{Name: "stdin", Usage: "read one text per line from stdin"},
			&cli.BoolFlag{Name: "precise", Usage: "float32 activations, for comparisons; slow"},
			&cli.BoolFlag{Name: "json", Usage: "print {\"tokens\", \"embedding\"} per text"},
		}, append(threadFlags(), daemonFlags()...)...),
		Action: embed,
	}
}

// embedBatch is how many texts are embedded at a time.
const embedBatch = 64

func embed(c *cli.Context) error {
	d, err := remote(c)
	if err != nil {
		return err
	}
	if c.Bool("image") {
		return embedImages(c, d)
	}
	var next func() (string, bool, error)
	switch texts := c.Args().Slice(); {
	case c.Bool("stdin") && len(texts) > 0:
		return prog.Usagef("texts as arguments and --stdin exclude each other")
	case c.Bool("stdin"):
		next = lines(c.App.Reader)
	case len(texts) == 0:
		return prog.Usagef("embed needs a TEXT, or --stdin")
	default:
		next = func() (string, bool, error) {
			if len(texts) == 0 {
				return "", false, nil
			}
			s := texts[0]
			texts = texts[1:]
			return s, true, nil
		}
	}
	if d != nil {
		return d.embed(c, next)
	}
	o := engine.Options{Precise: c.Bool("precise"), Sequences: 1}
	if err := setThreads(c, &o); err != nil {
		return err
	}
	m, err := openModel(c, o)
	if err != nil {
		return err
	}
	defer m.Close()
	for more, n := true, 0; more; {
		var ids [][]int32
		for more && len(ids) < embedBatch {
			var s string
			if s, more, err = next(); err != nil {
				return err
			}
			if !more {
				break
			}
			n++
			id, cut, err := m.EmbedIDs(s)
			if err != nil {
				return err
			}
			if cut {
				fmt.Fprintf(c.App.ErrWriter, "%s: warning: text %d: only its first %d tokens are embedded\n", c.App.Name, n, len(id))
			}
			ids = append(ids, id)
		}
		v, err := m.EmbedAll(c.Context, ids)
		if err != nil {
			return err
		}
		for i := range v {
			if err := writeEmbedding(c, len(ids[i]), v[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeEmbedding(c *cli.Context, tokens int, v []float32) error {
	if c.Bool("json") {
		return prog.JSON(c.App.Writer, struct {
			Tokens    int       `json:"tokens"`
			Embedding []float32 `json:"embedding"`
		}{tokens, v})
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s\n", b)
	return err
}

// lines reads a text per line.
func lines(r io.Reader) func() (string, bool, error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxEmbedLine)
	n := 0
	return func() (string, bool, error) {
		if s.Scan() {
			n++
			return strings.TrimSuffix(s.Text(), "\r"), true, nil
		}
		if err := s.Err(); err != nil {
			return "", false, fmt.Errorf("stdin: line %d: %w (a line is at most %d bytes)", n+1, err, maxEmbedLine)
		}
		return "", false, nil
	}
}
