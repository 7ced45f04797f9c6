package vision

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
)

// MaxPixels is the default bound of an image's pixels, 4096 x 4096. A progressive
// JPEG of that size takes 250 MB while it is decoded, everything else much less.
const MaxPixels = 1 << 24

// Errors that a caller may want to tell apart.
var (
	ErrFormat   = errors.New("neither PNG nor JPEG nor GIF")
	ErrTooLarge = errors.New("too many pixels")
)

// RGB is an image of 8-bit channels.
type RGB struct {
	W, H int
	Pix  []byte // [H, W, 3]
}

// Decode reads a PNG, a JPEG or the first frame of a GIF. maxPixels bounds width
// times height as the header states them, 0 is MaxPixels. As in Pillow's conversion
// to RGB, an alpha channel is dropped and grey is repeated; the image is then turned
// as its EXIF data says.
func Decode(data []byte, maxPixels int) (*RGB, error) {
	if maxPixels <= 0 {
		maxPixels = MaxPixels
	}
	name, c, err := codecOf(data)
	if err != nil {
		return nil, fmt.Errorf("vision: %w", err)
	}
	cfg, err := c.config(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("vision: %s header: %w", name, err)
	}
	if cfg.Width <= 0 || cfg.Height <= 0 {
		return nil, fmt.Errorf("vision: %s header: %d x %d pixels", name, cfg.Width, cfg.Height)
	}
	if uint64(cfg.Width)*uint64(cfg.Height) > uint64(maxPixels) {
		return nil, fmt.Errorf("vision: %s header: %d x %d pixels, at most %d in all: %w", name, cfg.Width, cfg.Height, maxPixels, ErrTooLarge)
	}
	img, err := c.decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("vision: %s: %w", name, err)
	}
	if name == "GIF" {
		return onScreen(img, cfg.Width, cfg.Height), nil
	}
	return upright(toRGB(img), orientation(data)), nil
}

// onScreen puts a GIF's frame, which lies within the screen, on black.
func onScreen(img image.Image, w, h int) *RGB {
	f, b := toRGB(img), img.Bounds()
	if f.W == w && f.H == h {
		return f
	}
	out := &RGB{W: w, H: h, Pix: make([]byte, 3*w*h)}
	for y := range f.H {
		copy(out.Pix[3*((b.Min.Y+y)*w+b.Min.X):], f.Pix[3*y*f.W:3*(y+1)*f.W])
	}
	return out
}

type codec struct {
	config func(r *bytes.Reader) (image.Config, error)
	decode func(r *bytes.Reader) (image.Image, error)
}

// codecOf chooses by the first bytes; a name or a media type is not asked.
func codecOf(data []byte) (string, codec, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		return "PNG", codec{
			func(r *bytes.Reader) (image.Config, error) { return png.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) },
		}, nil
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		return "JPEG", codec{
			func(r *bytes.Reader) (image.Config, error) { return jpeg.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) },
		}, nil
	case bytes.HasPrefix(data, []byte("GIF87a")), bytes.HasPrefix(data, []byte("GIF89a")):
		return "GIF", codec{
			func(r *bytes.Reader) (image.Config, error) { return gif.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return gif.Decode(r) },
		}, nil
	}
	return "", codec{}, fmt.Errorf("%w: %d bytes that begin with %q", ErrFormat, len(data), data[:min(len(data), 8)])
}

// toRGB copies the colours. Colours under alpha are taken as they are stored,
// not multiplied, so each kind of image is read by its own layout.
func toRGB(img image.Image) *RGB {
	b := img.Bounds()
	out := &RGB{W: b.Dx(), H: b.Dy(), Pix: make([]byte, 3*b.Dx()*b.Dy())}
	at := colourAt(img)
	p := out.Pix
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			p[0], p[1], p[2] = at(x, y)
			p = p[3:]
		}
	}
	return out
}

func colourAt(img image.Image) func(x, y int) (r, g, b byte) {
	switch m := img.(type) {
	case *image.YCbCr:
		return func(x, y int) (r, g, b byte) {
			c := m.COffset(x, y)
			return color.YCbCrToRGB(m.Y[m.YOffset(x, y)], m.Cb[c], m.Cr[c])
		}
	case *image.RGBA: // what image/png makes of RGB without alpha
		return func(x, y int) (r, g, b byte) { i := m.PixOffset(x, y); return m.Pix[i], m.Pix[i+1], m.Pix[i+2] }
	case *image.NRGBA:
		return func(x, y int) (r, g, b byte) { i := m.PixOffset(x, y); return m.Pix[i], m.Pix[i+1], m.Pix[i+2] }
	case *image.NRGBA64: // the high byte of each channel
		return func(x, y int) (r, g, b byte) { i := m.PixOffset(x, y); return m.Pix[i], m.Pix[i+2], m.Pix[i+4] }
	case *image.Gray:
		return func(x, y int) (r, g, b byte) { v := m.Pix[m.PixOffset(x, y)]; return v, v, v }
	}
	return func(x, y int) (r, g, b byte) {
		c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
		return c.R, c.G, c.B
	}
}
