package main

import (
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/vision"
)

const (
	maxImageFile = 64 << 20 // bytes
	imageBatch   = 16       // images that are decoded at a time
)

// readImage decodes a file; - is stdin.
func readImage(c *cli.Context, name string) (*vision.RGB, error) {
	in := c.App.Reader
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxImageFile+1))
	if err == nil && len(b) > maxImageFile {
		err = fmt.Errorf("more than %d bytes", maxImageFile)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
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

func embedImages(c *cli.Context) error {
	if c.Bool("stdin") {
		return prog.Usagef("--image and --stdin exclude each other; the file - is an image from stdin")
	}
	if c.Args().Len() == 0 {
		return prog.Usagef("embed --image needs a FILE")
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
