package vision

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/internal/testdata"
)

func clip64() Preprocess {
	return Preprocess{Short: 64, Crop: 64, Rescale: 0.00392156862745098,
		Mean: [3]float32{0.48145466, 0.4578275, 0.40821073}, Std: [3]float32{0.26862954, 0.26130258, 0.27577711}}
}

// Every stage of the reference's preprocessing, exact: decoded, resized, cropped, normalised.
func TestGolden(t *testing.T) {
	dir := testdata.Shared(t, "goldens", "models", "clip-tiny")
	want := testdata.NPZ(t, filepath.Join(dir, "expected.npz"))
	p := clip64()
	for i := range 3 {
		name := fmt.Sprintf("image%d", i)
		data, err := os.ReadFile(filepath.Join(dir, name+".png"))
		if err != nil {
			t.Fatal(err)
		}
		img, err := Decode(data, 0)
		if err != nil {
			t.Fatal(err)
		}
		sameBytes(t, name+".rgb_u8", img.Pix, want[name+".rgb_u8"].U8)
		w, h, err := p.Resized(img.W, img.H)
		if err != nil {
			t.Fatal(err)
		}
		sameBytes(t, name+".resized_u8", Resize(img, w, h, image.Rect(0, 0, w, h)).Pix, want[name+".resized_u8"].U8)
		cut, err := p.Cut(img)
		if err != nil {
			t.Fatal(err)
		}
		sameBytes(t, name+".cropped_u8", cut.Pix, want[name+".cropped_u8"].U8)
		got, err := p.Apply(img)
		if err != nil {
			t.Fatal(err)
		}
		ref := want[name+".pixel_values"].F32
		if len(got) != len(ref) {
			t.Fatalf("%s: %d values, want %d", name, len(got), len(ref))
		}
		for j := range ref {
			if got[j] != ref[j] {
				t.Fatalf("%s.pixel_values[%d] = %v, want %v", name, j, got[j], ref[j])
			}
		}
	}
}

func sameBytes(t *testing.T, name string, got, want []byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d bytes, want %d", name, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s[%d] = %d, want %d", name, i, got[i], want[i])
		}
	}
}

// A PNG header may claim any size: it is refused before pixels are allocated.
func TestBomb(t *testing.T) {
	data := encoded(t, image.NewGray(image.Rect(0, 0, 1, 1)))
	binary.BigEndian.PutUint32(data[16:], 60000)
	binary.BigEndian.PutUint32(data[20:], 60000)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	var err error
	allocs := testing.AllocsPerRun(1, func() { _, err = Decode(data, 0) })
	if !errors.Is(err, ErrTooLarge) {
		t.Fatalf("60000 x 60000: %v, want ErrTooLarge", err)
	}
	if allocs > 100 {
		t.Errorf("%v allocations to refuse a header", allocs)
	}
	if _, err := Decode([]byte("BM6"), 0); !errors.Is(err, ErrFormat) {
		t.Errorf("BMP: %v, want ErrFormat", err)
	}
	screen := []byte("GIF89a\x60\xea\x60\xea\x00\x00\x00") // 60000 x 60000
	if _, err := Decode(screen, 0); !errors.Is(err, ErrTooLarge) {
		t.Errorf("GIF of 60000 x 60000: %v, want ErrTooLarge", err)
	}
	long := &RGB{W: 1 << 20, H: 1, Pix: make([]byte, 3<<20)}
	p := clip64()
	if _, err := p.Apply(long); err == nil {
		t.Error("a line of 2^20 pixels would become 2^26 long; it was not refused")
	}
}

// Each layout gives the stored colour, alpha or not.
func TestLayouts(t *testing.T) {
	r := image.Rect(0, 0, 3, 2)
	c := color.NRGBA{200, 100, 50, 0}
	nrgba, deep := image.NewNRGBA(r), image.NewNRGBA64(r)
	pal := image.NewPaletted(r, color.Palette{c})
	for y := range 2 {
		for x := range 3 {
			nrgba.Set(x, y, c)
			deep.SetNRGBA64(x, y, color.NRGBA64{200 << 8, 100 << 8, 50 << 8, 0})
		}
	}
	for name, m := range map[string]image.Image{"nrgba": nrgba, "nrgba64": deep, "paletted": pal} {
		img, err := Decode(encoded(t, m), 6)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if img.W != 3 || img.H != 2 || !bytes.Equal(img.Pix[15:], []byte{200, 100, 50}) {
			t.Errorf("%s: %d x %d, last pixel %v, want 3 x 2, [200 100 50]", name, img.W, img.H, img.Pix[15:])
		}
	}
	var b bytes.Buffer
	grey := image.NewYCbCr(r, image.YCbCrSubsampleRatio420)
	for _, plane := range [][]byte{grey.Y, grey.Cb, grey.Cr} {
		for i := range plane {
			plane[i] = 128
		}
	}
	if err := jpeg.Encode(&b, grey, nil); err != nil {
		t.Fatal(err)
	}
	img, err := Decode(b.Bytes(), 6)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range img.Pix {
		if v < 127 || v > 129 {
			t.Fatalf("jpeg: byte %d is %d, want 128", i, v)
		}
	}
}

func encoded(t testing.TB, m image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Whatever Decode accepts has the size it says and can be preprocessed or is refused.
func FuzzDecode(f *testing.F) {
	m := image.NewNRGBA(image.Rect(0, 0, 5, 9))
	f.Add(encoded(f, m))
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(tagged(b.Bytes(), 6))
	f.Add(encodedGIF(f, image.Rect(1, 2, 3, 4)))
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := Decode(data, 1<<16)
		if err != nil {
			return
		}
		if len(img.Pix) != 3*img.W*img.H || img.W*img.H > 1<<16 {
			t.Fatalf("%d x %d pixels in %d bytes", img.W, img.H, len(img.Pix))
		}
		p := clip64()
		if x, err := p.Apply(img); err == nil && len(x) != 3*64*64 {
			t.Fatalf("%d values", len(x))
		}
	})
}

// tagged is a JPEG file with an EXIF orientation.
func tagged(jpg []byte, orient byte) []byte {
	exif := append([]byte("\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"), orient, 0, 0, 0, 0, 0, 0)
	return slices.Concat(jpg[:2], exif, jpg[2:])
}

// TestOrientation: the bright corner of a stored image is where EXIF says it is.
func TestOrientation(t *testing.T) {
	m := image.NewGray(image.Rect(0, 0, 32, 16))
	for y := range 8 {
		for x := range 8 {
			m.SetGray(x, y, color.Gray{255}) // at the top left
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	// where the stored row 0 and column 0 are, from EXIF's table
	for o, want := range map[byte][2]string{1: {"top", "left"}, 2: {"top", "right"}, 3: {"bottom", "right"}, 4: {"bottom", "left"}, 5: {"top", "left"}, 6: {"top", "right"}, 7: {"bottom", "right"}, 8: {"bottom", "left"}} {
		img, err := Decode(tagged(b.Bytes(), o), 0)
		if err != nil {
			t.Fatal(err)
		}
		w, h := 32, 16
		if o >= 5 {
			w, h = 16, 32
		}
		if img.W != w || img.H != h {
			t.Fatalf("orientation %d: %d x %d, want %d x %d", o, img.W, img.H, w, h)
		}
		x, y := 2, 2
		if want[0] == "bottom" {
			y = h - 3
		}
		if want[1] == "right" {
			x = w - 3
		}
		if got := img.Pix[3*(y*w+x)]; got < 250 {
			t.Errorf("orientation %d: the %v corner has %d, want 255", o, want, got)
		}
	}
	// rows and columns change places: 5 and 7 mirror, so a mark beside the corner tells them from 6 and 8
	m.SetGray(24, 0, color.Gray{200})
	img := toRGB(m)
	for o, at := range map[int][2]int{5: {0, 24}, 6: {15, 24}, 7: {15, 7}, 8: {0, 7}} {
		if u := upright(img, o); u.Pix[3*(at[1]*u.W+at[0])] != 200 {
			t.Errorf("orientation %d: the pixel of column 24, row 0 is not at %v", o, at)
		}
	}
}

func encodedGIF(t testing.TB, frame image.Rectangle) []byte {
	p := image.NewPaletted(frame, color.Palette{color.NRGBA{10, 20, 30, 255}, color.NRGBA{200, 100, 50, 255}})
	for i := range p.Pix {
		p.Pix[i] = 1
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{p}, Delay: []int{0}, Config: image.Config{Width: 5, Height: 6}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGIF(t *testing.T) {
	img, err := Decode(encodedGIF(t, image.Rect(1, 2, 3, 4)), 0)
	if err != nil || img.W != 5 || img.H != 6 {
		t.Fatalf("%+v, %v", img, err)
	}
	for i := range 30 {
		x, y, want := i%5, i/5, byte(0)
		if x >= 1 && x < 3 && y >= 2 && y < 4 {
			want = 200
		}
		if got := img.Pix[3*i]; got != want {
			t.Errorf("pixel %d, %d is %d, want %d", x, y, got, want)
		}
	}
}

// TestPhotographs: reductions by large factors, against checksums of what Pillow 12 and 13
// made of the same files (BICUBIC to a shorter edge of 224, then the centre).
func TestPhotographs(t *testing.T) {
	dir := testdata.Shared(t, "data", "images")
	p := clip64()
	p.Short, p.Crop = 224, 224
	for name, want := range map[string]uint32{"astronaut.png": 0xdd5d246a, "chelsea.png": 0x9fdcdd35, "coffee.png": 0x33a7c4fe} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		img, err := Decode(data, 0)
		if err != nil {
			t.Fatal(err)
		}
		cut, err := p.Cut(img)
		if err != nil {
			t.Fatal(err)
		}
		if got := crc32.ChecksumIEEE(cut.Pix); got != want {
			t.Errorf("%s: checksum %#x, want %#x", name, got, want)
		}
	}
}
