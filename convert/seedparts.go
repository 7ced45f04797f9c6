package convert

import (
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// maxSeedDim bounds the dimensions of a qwq-seed checkpoint's tensors.
const maxSeedDim = 1 << 24

// take is a tensor that must be there, of floats.
func (l *seedLoad) take(name string) *checkpoint.Tensor {
	t := l.byName[name]
	switch {
	case l.err != nil:
		return nil
	case t == nil:
		l.fail("convert: tensor %.80q is missing in the checkpoint, a %s %s needs it", name, arch.Seed, l.sizes.kind)
		return nil
	case !t.DType.Float():
		l.fail("convert: %s: tensor %.80q: element type %s cannot be converted: only F64 F32 F16 BF16 F8_E4M3 F8_E5M2", t.File, t.Name, t.DType)
		return nil
	}
	l.used[name] = true
	l.sizes.parameters += t.Len()
	return t
}

// shaped is take of a tensor with these dimensions; one that is 0 is set to what
// the tensor has.
func (l *seedLoad) shaped(name string, want ...*int) *checkpoint.Tensor {
	t := l.take(name)
	if l.err != nil {
		return nil
	}
	same := len(t.Shape) == len(want)
	var shape []int
	for i, n := range want {
		if same && *n == 0 && t.Shape[i] > 0 && t.Shape[i] <= maxSeedDim {
			*n = int(t.Shape[i])
		}
		same = same && *n > 0 && t.Shape[i] == int64(*n)
		shape = append(shape, *n)
	}
	if !same {
		l.fail("convert: %s: tensor %.80q: shape %v, the checkpoint's other tensors ask for %v (0: any)", t.File, t.Name, t.Shape, shape)
		return nil
	}
	return t
}

func (l *seedLoad) matrix(name, from string, rows, cols *int) {
	if t := l.shaped(from, rows, cols); t != nil {
		l.add(name, t)
	}
}

func (l *seedLoad) vector(name, from string, n *int) {
	if t := l.shaped(from, n); t != nil {
		l.add(name, t)
	}
}

func (l *seedLoad) affine(name, from string, rows, cols *int) {
	l.matrix(name+".weight", from+".weight", rows, cols)
	l.vector(name+".bias", from+".bias", rows)
}

// strides are a tensor's, contiguous ones too.
func strides(t *checkpoint.Tensor) []int64 {
	if t.Strides != nil {
		return slices.Clone(t.Strides)
	}
	s := make([]int64, len(t.Shape))
	n := int64(1)
	for i := len(s) - 1; i >= 0; i-- {
		s[i] = n
		n *= t.Shape[i]
	}
	return s
}

// view is another arrangement of t's elements, from element first on.
func view(t *checkpoint.Tensor, first int64, shape, strides []int64) *checkpoint.Tensor {
	v := *t
	v.Shape, v.Strides, v.Off = shape, strides, t.Off+first*int64(t.DType.Bytes())
	if v.Contiguous() {
		v.Strides = nil
	}
	return &v
}

// part is n of t's first dimension, from at on.
func part(t *checkpoint.Tensor, at, n int64) *checkpoint.Tensor {
	s, shape := strides(t), slices.Clone(t.Shape)
	shape[0] = n
	return view(t, at*s[0], shape, s)
}

// columns is n of a matrix' columns, from at on.
func columns(t *checkpoint.Tensor, at, n int64) *checkpoint.Tensor {
	s := strides(t)
	return view(t, at*s[1], []int64{t.Shape[0], n}, s)
}

// drop leaves out a dimension of length 1.
func drop(t *checkpoint.Tensor, dim int) *checkpoint.Tensor {
	return view(t, 0, slices.Delete(slices.Clone(t.Shape), dim, dim+1), slices.Delete(strides(t), dim, dim+1))
}

// dialog is the tracker. Its GRU starts every turn from zeros, so the matrix of
// the hidden side multiplies nothing and only its bias is kept. PyTorch's gates
// are in the order reset, update, new.
func (l *seedLoad) dialog() {
	s := &l.sizes
	in, hid := l.take("history_encoder.weight_ih_l0"), l.take("history_encoder.weight_hh_l0")
	if l.err == nil && len(in.Shape) == 2 {
		s.hidden = int(min(in.Shape[1], maxSeedDim))
	}
	d := s.hidden
	d3, d2 := 3*d, 2*d
	in, hid = l.again(in, &d3, &d), l.again(hid, &d3, &d)
	bin, bhid := l.shaped("history_encoder.bias_ih_l0", &d3), l.shaped("history_encoder.bias_hh_l0", &d3)
	up := l.shaped("state_update.weight", &d, &d2)
	if l.err != nil || hid == nil {
		return
	}
	n := int64(d)
	for k, gate := range []string{"reset", "update", "new"} {
		l.add("gru."+gate+".weight", part(in, int64(k)*n, n))
		l.add("gru."+gate+".bias", part(bin, int64(k)*n, n))
	}
	l.add("gru.hidden.bias", view(bhid, 0, []int64{3, n}, []int64{n * strides(bhid)[0], strides(bhid)[0]}))
	l.add("state.input.weight", columns(up, 0, n))
	l.add("state.history.weight", columns(up, n, n))
	l.vector("state.bias", "state_update.bias", &d)
	l.note("tensor %q is left out: the tracker's GRU starts every turn from zeros, which it would multiply", hid.Name)
}

// again checks the shape of a tensor that was taken.
func (l *seedLoad) again(t *checkpoint.Tensor, want ...*int) *checkpoint.Tensor {
	if l.err != nil {
		return nil
	}
	l.sizes.parameters -= t.Len()
	return l.shaped(t.Name, want...)
}

// multimodal is the two projections and what encodes before them: nothing (the
// inputs are features), or an embedding for texts and a convolution, ReLU and a
// matrix for images.
func (l *seedLoad) multimodal(tensors []*checkpoint.Tensor) {
	s := &l.sizes
	conv, fc := "", ""
	for _, t := range tensors {
		switch {
		case strings.HasPrefix(t.Name, "text_encoder.") && len(t.Shape) == 2 && s.vocab == 0:
			l.matrix("text.token_embd.weight", t.Name, &s.vocab, &s.features)
		case strings.HasPrefix(t.Name, "image_encoder.") && len(t.Shape) == 4 && conv == "":
			conv = strings.TrimSuffix(t.Name, ".weight")
		case strings.HasPrefix(t.Name, "image_encoder.") && len(t.Shape) == 2 && fc == "":
			fc = strings.TrimSuffix(t.Name, ".weight")
		}
	}
	l.affine("text_proj", "text_proj", &s.projection, &s.features)
	switch {
	case conv != "" && fc != "":
		l.image(conv, fc)
	case conv != "" || fc != "":
		l.fail("convert: an image encoder is a convolution and a matrix: the checkpoint has only %.80q", conv+fc)
	}
	l.affine("image_proj", "image_proj", &s.projection, &s.features)
}

// image is the image encoder. The convolution's stride is its kernel. The matrix
// takes the channels of all patches, channel by channel: [features, channels,
// patches]; the file has it patch by patch, [patches, features, channels].
func (l *seedLoad) image(conv, fc string) {
	s := &l.sizes
	w := l.shaped(conv+".weight", &s.imageOut, &s.imageIn, &s.patch, &s.patch)
	b := l.shaped(conv+".bias", &s.imageOut)
	in := 0
	f, fb := l.shaped(fc+".weight", &s.features, &in), l.shaped(fc+".bias", &s.features)
	if l.err != nil {
		return
	}
	side := 1
	for side*side < in/s.imageOut && side < arch.MaxPatches {
		side++
	}
	if s.fit = side * side; in != s.imageOut*s.fit || s.fit > arch.MaxPatches {
		l.fail("convert: %s: tensor %.80q: %d inputs are not those of a square of patches with %d channels", f.File, f.Name, in, s.imageOut)
		return
	}
	s.image = side * s.patch
	ws := strides(w)
	flat := []int64{int64(s.imageOut), int64(s.imageIn) * int64(s.patch) * int64(s.patch)}
	if w.Contiguous() {
		l.add("image.conv.weight", view(w, 0, flat, []int64{ws[0], 1}))
	} else {
		l.fail("convert: %s: tensor %.80q: a convolution with strides %v in memory", w.File, w.Name, ws)
	}
	l.add("image.conv.bias", b)
	fs, p, c := strides(f), int64(s.fit), int64(s.imageOut)
	l.add("image.fc.weight", view(f, 0, []int64{p, int64(s.features), c}, []int64{fs[1], fs[0], fs[1] * p}))
	if l.err == nil { // [patches*features, channels] in the file
		l.items[len(l.items)-1].info.Dims = dims([]int64{p * int64(s.features), c})
	}
	l.add("image.fc.bias", fb)
}
