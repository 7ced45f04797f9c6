// Package vision turns the bytes of a PNG, JPEG or GIF file into the values that a
// vision tower takes: RGB, bicubic resize of the shorter edge, crop of the centre,
// rescale and normalise, with the values that Pillow and Hugging Face's image
// processor of CLIP give, bit for bit (Pillow up to 12, see Resize). (From a JPEG the decoded pixels themselves
// may differ by a few levels from libjpeg's, whose chroma is interpolated.) EXIF's
// orientation is applied, as Hugging Face's load_image does.
//
// Files come from strangers: their size in pixels is read from the header and
// bounded before anything is allocated. The package must never read a file or a
// network by itself.
//
//	img, err := vision.Decode(data, 0)
//	x, err := pre.Apply(img) // [3, Crop, Crop]
package vision
