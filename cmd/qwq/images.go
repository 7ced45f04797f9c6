package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/vision"
)

const (
	maxImageFile = 64 << 20 // bytes
	maxImageSent = 5 << 20  // bytes of a file for the daemon, whose requests have 8 MiB
	imageBatch   = 16       // images that are decoded at a time
)

// readFile reads a file of at most so many bytes; - is stdin.
func readFile(c *cli.Context, name string, most int64) ([]byte, error) {
	in := c.App.Reader
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("more than %d bytes", most)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// readImage decodes a file.
func readImage(c *cli.Context, name string) (*vision.RGB, error) {
	b, err := readFile(c, name, maxImageFile)
	if err != nil {
		return nil, err
	}
	img, err := vision.Decode(b, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return img, nil
}

// eachImages calls f with the files, some at a time.
func eachImages(c *cli.Context, names []string, f func(names []string, images []*vision.RGB) error) error {
	for len(names) > 0 {
		part := names[:min(len(names), imageBatch)]
		var images []*vision.RGB
		for _, name := range part {
			img, err := readImage(c, name)
			if err != nil {
				return err
			}
			images = append(images, img)
		}
		if err := f(part, images); err != nil {
			return err
		}
		names = names[len(part):]
	}
	return nil
}

// openEyes opens the model of a command about images.
func openEyes(c *cli.Context) (*engine.Model, error) {
	o := engine.Options{Precise: c.Bool("precise"), Sequences: 1}
	if err := setThreads(c, &o); err != nil {
		return nil, err
	}
	m, err := openModel(c, o)
	if err != nil {
		return nil, err
	}
	if m.Info().Image == 0 {
		m.Close()
		return nil, engine.ErrBlind
	}
	return m, nil
}

// embedImages embeds the files in this process, or through the daemon d.
func embedImages(c *cli.Context, d *daemon) error {
	if c.Bool("stdin") {
		return prog.Usagef("--image and --stdin exclude each other; the file - is an image from stdin")
	}
	if c.Args().Len() == 0 {
		return prog.Usagef("embed --image needs a FILE")
	}
	if d != nil {
		return d.embedImages(c)
	}
	m, err := openEyes(c)
	if err != nil {
		return err
	}
	defer m.Close()
	return eachImages(c, c.Args().Slice(), func(_ []string, images []*vision.RGB) error {
		v, err := m.EmbedImages(c.Context, images)
		for i := 0; i < len(v) && err == nil; i++ {
			err = writeEmbedding(c, 0, v[i])
		}
		return err
	})
}

// embedImages sends files to the daemon, one by one.
func (d *daemon) embedImages(c *cli.Context) error {
	defer d.Close()
	for _, name := range c.Args().Slice() {
		b, err := readFile(c, name, maxImageSent)
		if err != nil {
			return err
		}
		url := "data:application/octet-stream;base64," + base64.StdEncoding.EncodeToString(b)
		a, err := d.Embed(c.Context, &api.EmbeddingRequest{Model: c.String("model"), Input: api.Inputs{Items: []api.Input{{Image: url}}}})
		if err != nil {
			return d.explain(c.Context, fmt.Errorf("%s: %w", name, err))
		}
		if len(a.Data) != 1 {
			return fmt.Errorf("%s: the daemon sent %d vectors", name, len(a.Data))
		}
		if err := writeEmbedding(c, a.Usage.PromptTokens, a.Data[0].Embedding.Values); err != nil {
			return err
		}
	}
	return nil
}
