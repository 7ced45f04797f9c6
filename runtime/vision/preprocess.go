package vision

import (
	"fmt"
	"image"
)

// maxEdge bounds Short; maxLong what a very long image becomes before its crop.
const (
	maxEdge = 4096
	maxLong = 1 << 24
)

// Preprocess are the settings of CLIP's image processor.
type Preprocess struct {
	Short     int // the shorter edge after the resize, in pixels
	Crop      int // the edge of the square cut from the centre, at most Short
	Rescale   float64
	Mean, Std [3]float32
}

// Check refuses settings that Apply cannot run.
func (p *Preprocess) Check() error {
	switch {
	case p.Short < 1 || p.Short > maxEdge:
		return fmt.Errorf("vision: shorter edge %d, want 1 to %d", p.Short, maxEdge)
	case p.Crop < 1 || p.Crop > p.Short:
		return fmt.Errorf("vision: crop of %d from a shorter edge of %d, want 1 to %d", p.Crop, p.Short, p.Short)
	}
	if !(p.Rescale > 0 && p.Rescale < 1e9) {
		return fmt.Errorf("vision: factor %g of a pixel, want more than 0", p.Rescale)
	}
	for i, s := range p.Std {
		if !(s > 0) || !(p.Mean[i] > -1e9 && p.Mean[i] < 1e9) {
			return fmt.Errorf("vision: mean %g and standard deviation %g of channel %d", p.Mean[i], s, i)
		}
	}
	return nil
}

// Resized is the size of an image of w x h after the resize.
func (p *Preprocess) Resized(w, h int) (rw, rh int, err error) {
	long := float64(p.Short) * float64(max(w, h)) / float64(min(w, h))
	if long > maxLong {
		return 0, 0, fmt.Errorf("vision: %d x %d pixels: the longer edge would become %.0f, at most %d", w, h, long, maxLong)
	}
	if w <= h {
		return p.Short, int(long), nil
	}
	return int(long), p.Short, nil
}

// Cut is the image resized and cropped: [Crop, Crop, 3].
func (p *Preprocess) Cut(img *RGB) (*RGB, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if img.W < 1 || img.H < 1 || len(img.Pix) != 3*img.W*img.H {
		return nil, fmt.Errorf("vision: %d bytes for %d x %d pixels", len(img.Pix), img.W, img.H)
	}
	w, h, err := p.Resized(img.W, img.H)
	if err != nil {
		return nil, err
	}
	x, y := (w-p.Crop)/2, (h-p.Crop)/2
	return Resize(img, w, h, image.Rect(x, y, x+p.Crop, y+p.Crop)), nil
}

// Apply gives the values that the tower takes, [3, Crop, Crop]: channel after
// channel, (pixel·Rescale - Mean)/Std, the product rounded to float32 first.
func (p *Preprocess) Apply(img *RGB) ([]float32, error) {
	cut, err := p.Cut(img)
	if err != nil {
		return nil, err
	}
	n := p.Crop * p.Crop
	out := make([]float32, 3*n)
	for c := range 3 {
		for i := range n {
			v := float32(float64(cut.Pix[3*i+c]) * p.Rescale)
			out[c*n+i] = (v - p.Mean[c]) / p.Std[c]
		}
	}
	return out, nil
}

// Patches lays the values of an image, [3, edge, edge], out as the rows of a vision
// tower: [1 + patches, 3·patch²] with zeros in row 0, where the class goes. Patches
// follow each other as text does, a patch is channel after channel.
func Patches(dst, pixels []float32, edge, patch int) {
	n, cols := edge/patch, 3*patch*patch
	clear(dst[:cols])
	dst = dst[cols:]
	for y := range n {
		for x := range n {
			for c := range 3 {
				for r := range patch {
					copy(dst[:patch], pixels[(c*edge+y*patch+r)*edge+x*patch:])
					dst = dst[patch:]
				}
			}
		}
	}
}
