package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/qwq-edge/qwq/runtime/vision"
)

const edge = 28

// pre is preprocessor_config.json: the images have the tower's size already.
var pre = vision.Preprocess{Short: edge, Crop: edge, Rescale: 1.0 / 255, Mean: [3]float32{0.13, 0.13, 0.13}, Std: [3]float32{0.31, 0.31, 0.31}}

// digit is an image and what it shows.
type digit struct {
	pix   []byte // [28, 28] of grey
	label int
}

// moved is the image dx to the right and dy down.
func (d digit) moved(dx, dy int) *vision.RGB {
	out := &vision.RGB{W: edge, H: edge, Pix: make([]byte, 3*edge*edge)}
	for y := range edge {
		for x := range edge {
			if u, v := x-dx, y-dy; u >= 0 && u < edge && v >= 0 && v < edge {
				p := out.Pix[3*(y*edge+x):]
				g := d.pix[v*edge+u]
				p[0], p[1], p[2] = g, g, g
			}
		}
	}
	return out
}

// samples writes the first of each digit as a PNG.
func samples(dir string, set []digit) error {
	for label, name := range words {
		i := slices.IndexFunc(set, func(d digit) bool { return d.label == label })
		if i < 0 {
			return fmt.Errorf("no image of %s", name)
		}
		var b bytes.Buffer
		if err := png.Encode(&b, &image.Gray{Pix: set[i].pix, Stride: edge, Rect: image.Rect(0, 0, edge, edge)}); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name+".png"), b.Bytes(), 0o644); err != nil { //nolint:gosec // results for everybody
			return err
		}
	}
	return nil
}

// readMNIST reads the test split of MNIST.
func readMNIST(dir string) ([]digit, error) {
	images, err := idx(filepath.Join(dir, "t10k-images-idx3-ubyte.gz"), edge, edge)
	if err != nil {
		return nil, err
	}
	labels, err := idx(filepath.Join(dir, "t10k-labels-idx1-ubyte.gz"))
	if err != nil {
		return nil, err
	}
	if len(images) != edge*edge*len(labels) {
		return nil, fmt.Errorf("%s: %d labels for %d bytes of images", dir, len(labels), len(images))
	}
	var out []digit
	for i, l := range labels {
		if l > 9 {
			return nil, fmt.Errorf("%s: label %d is %d", dir, i, l)
		}
		out = append(out, digit{images[i*edge*edge : (i+1)*edge*edge], int(l)})
	}
	return out, nil
}

// idx reads a gzipped IDX file of bytes whose items have these dimensions.
func idx(path string, item ...uint32) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	const most = 100 << 20
	b, err := io.ReadAll(io.LimitReader(z, most))
	head := 8 + 4*len(item)
	if err == nil && (len(b) < head || b[2] != 8 || int(b[3]) != 1+len(item)) {
		err = errors.New("no IDX file of bytes")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	size := int(binary.BigEndian.Uint32(b[4:]))
	for i, n := range item {
		if got := binary.BigEndian.Uint32(b[8+4*i:]); got != n {
			return nil, fmt.Errorf("%s: dimension %d is %d, want %d", path, 1+i, got, n)
		}
		size *= int(n)
	}
	if len(b)-head != size {
		return nil, fmt.Errorf("%s: %d bytes of data, want %d", path, len(b)-head, size)
	}
	return b[head:], nil
}

// The towers. Both are 64 wide; the image's 16 patches have 7 x 7 pixels.
const (
	width, heads, proj, vocab, positions = 64, 4, 64, 1026, 24
	textLayers, textFFN                  = 2, 128
	imageLayers, imageFFN, patch         = 4, 256, 7
)

type object = map[string]any

// writeStart writes a CLIPModel folder with random weights, as transformers begins
// one: small numbers, norms of 1, a scale of 1/0.07.
func writeStart(dir, tokenizer string, r *rand.Rand) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // results for everybody
		return err
	}
	tower := func(layers, ffn int, more object) object {
		t := object{"hidden_size": width, "intermediate_size": ffn, "num_hidden_layers": layers, "num_attention_heads": heads, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "projection_dim": proj}
		for k, v := range more {
			t[k] = v
		}
		return t
	}
	for name, v := range map[string]object{
		"config.json": {
			"model_type": "clip", "architectures": []string{"CLIPModel"}, "projection_dim": proj,
			"text_config":   tower(textLayers, textFFN, object{"vocab_size": vocab, "max_position_embeddings": positions, "bos_token_id": vocab - 2, "eos_token_id": vocab - 1}),
			"vision_config": tower(imageLayers, imageFFN, object{"image_size": edge, "patch_size": patch}),
		},
		"preprocessor_config.json": {"size": object{"shortest_edge": edge}, "crop_size": object{"height": edge, "width": edge}, "image_mean": pre.Mean, "image_std": pre.Std, "resample": 3},
	} {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil { //nolint:gosec // results for everybody
			return err
		}
	}
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "special_tokens_map.json"} {
		b, err := os.ReadFile(filepath.Join(tokenizer, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil { //nolint:gosec // results for everybody
			return err
		}
	}
	return writeTensors(filepath.Join(dir, "model.safetensors"), r)
}

// tensors accumulates a safetensors file.
type tensors struct {
	head object
	data []byte
	r    *rand.Rand
}

// add makes a tensor: normal numbers of this deviation around a mean.
func (t *tensors) add(name string, mean, std float64, shape ...int) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	at := len(t.data)
	for range n {
		t.data = binary.LittleEndian.AppendUint32(t.data, math.Float32bits(float32(mean+std*t.r.NormFloat64())))
	}
	if shape == nil {
		shape = []int{}
	}
	t.head[name] = object{"dtype": "F32", "shape": shape, "data_offsets": [2]int{at, len(t.data)}}
}

func (t *tensors) norm(name string) {
	t.add(name+".weight", 1, 0, width)
	t.add(name+".bias", 0, 0, width)
}

func (t *tensors) linear(name string, std float64, rows, cols int) {
	t.add(name+".weight", 0, std, rows, cols)
	t.add(name+".bias", 0, 0, rows)
}

func (t *tensors) tower(name string, layers, ffn int) {
	narrow, wide := 1/math.Sqrt(width), 1/math.Sqrt(2*width)
	deep := narrow / math.Sqrt(2*float64(layers))
	for i := range layers {
		blk := fmt.Sprintf("%s.encoder.layers.%d.", name, i)
		for _, m := range []string{"q_proj", "k_proj", "v_proj"} {
			t.linear(blk+"self_attn."+m, deep, width, width)
		}
		t.linear(blk+"self_attn.out_proj", narrow, width, width)
		t.linear(blk+"mlp.fc1", wide, ffn, width)
		t.linear(blk+"mlp.fc2", deep, width, ffn)
		t.norm(blk + "layer_norm1")
		t.norm(blk + "layer_norm2")
	}
}

func writeTensors(path string, r *rand.Rand) error {
	t := &tensors{head: object{}, r: r}
	t.add("text_model.embeddings.token_embedding.weight", 0, 0.02, vocab, width)
	t.add("text_model.embeddings.position_embedding.weight", 0, 0.02, positions, width)
	t.tower("text_model", textLayers, textFFN)
	t.norm("text_model.final_layer_norm")
	t.add("vision_model.embeddings.class_embedding", 0, 1/math.Sqrt(width), width)
	t.add("vision_model.embeddings.patch_embedding.weight", 0, 0.02, width, 3, patch, patch)
	t.add("vision_model.embeddings.position_embedding.weight", 0, 0.02, 1+(edge/patch)*(edge/patch), width)
	t.norm("vision_model.pre_layrnorm")
	t.tower("vision_model", imageLayers, imageFFN)
	t.norm("vision_model.post_layernorm")
	t.add("text_projection.weight", 0, 1/math.Sqrt(width), proj, width)
	t.add("visual_projection.weight", 0, 1/math.Sqrt(width), proj, width)
	t.add("logit_scale", math.Log(1/0.07), 0)
	b, err := json.Marshal(t.head)
	if err != nil {
		return err
	}
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	out := append(binary.LittleEndian.AppendUint64(nil, uint64(len(b))), b...)
	return os.WriteFile(path, append(out, t.data...), 0o644) //nolint:gosec // results for everybody
}
