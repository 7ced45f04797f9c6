package convert

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// kind is what a file's first bytes say it is.
type kind string

const (
	kindGGUF        kind = "gguf"
	kindSafetensors kind = "safetensors"
	kindTorch       kind = "torch"
	kindGzip        kind = "gzip"
	kindZstd        kind = "zstd"
)

// sniffLen is how many bytes sniff wants to see.
const sniffLen = 512

// prefixes are files that are not checkpoints and how to call them.
var prefixes = []struct{ magic, what string }{
	{"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the file it points to: fetch it with git lfs pull"},
	{"lmgg", "a GGML file of before 2023 without a version; only GGUF is read"},
	{"fmgg", "a legacy GGML file (ggmf); only GGUF is read"},
	{"tjgg", "a legacy GGML file (ggjt); only GGUF is read"},
	{"algg", "a legacy GGML adapter (ggla); only GGUF is read"},
	{"FUGG", "a big-endian GGUF file"},
	{"24ka", "a llama2.c checkpoint; it has no names and no tokenizer, export it as safetensors"},
	{"\x93NUMPY", "a NumPy array"},
	{"\x89HDF", "an HDF5 file (Keras weights)"},
	{"\x7fELF", "a program"},
	{"%PDF", "a PDF document"},
	{"\x89PNG", "an image"},
	{"\xff\xd8\xff", "an image"},
	{"BZh", "a bzip2 file; unpack it first"},
	{"\xfd7zXZ", "an xz file; unpack it first"},
	{"7z\xbc\xaf", "a 7z archive; unpack it first"},
	{"Rar!", "a RAR archive; unpack it first"},
	{"\x04\x22\x4d\x18", "an lz4 file; unpack it first"},
	{"PK\x05\x06", "an empty zip file"},
	{"TFL3", "a TensorFlow Lite model"},
}

// sniff names a file by its first bytes (all of them, or sniffLen) and size;
// size -1 = not known. What is no checkpoint is an error that says what it is.
func sniff(head []byte, size int64) (kind, error) {
	has := func(p string) bool { return bytes.HasPrefix(head, []byte(p)) }
	switch {
	case len(head) == 0:
		return "", errors.New("file is empty")
	case has("GGUF"):
		return kindGGUF, nil
	case has("PK\x03\x04"):
		return kindTorch, nil
	case has("\x1f\x8b"):
		return kindGzip, nil
	case has("\x28\xb5\x2f\xfd"), len(head) >= 4 && head[0]&0xf0 == 0x50 && has(string(head[:1])+"\x2a\x4d\x18"):
		return kindZstd, nil
	}
	for _, p := range prefixes {
		if has(p.magic) {
			return "", fmt.Errorf("this is %s", p.what)
		}
	}
	if what := other(head, size); what != "" {
		return "", fmt.Errorf("this is %s", what)
	}
	if head[0] == 0x80 && len(head) > 1 && head[1] >= 1 && head[1] <= 5 {
		return kindTorch, nil
	}
	if len(head) > 8 && head[8] == '{' {
		return kindSafetensors, nil
	}
	return "", errors.New("no format that is known: not GGUF, safetensors or a PyTorch checkpoint")
}

// other recognises formats without a fixed prefix.
func other(head []byte, size int64) string {
	text := bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n"))
	switch {
	case bytes.HasPrefix(text, []byte("<!doctype html")), bytes.HasPrefix(text, []byte("<html")), bytes.HasPrefix(text, []byte("<head")):
		return "an HTML page, probably an error from a download"
	case bytes.HasPrefix(text, []byte("<?xml")):
		return "an XML document, probably an error from a download"
	case len(text) > 0 && (text[0] == '{' || text[0] == '[') && (len(head) < 9 || head[8] != '{'):
		return "JSON text, not weights"
	case len(head) >= 262 && string(head[257:262]) == "ustar":
		return "a tar archive; unpack it first"
	case len(bytes.Trim(head, "\x00")) == 0:
		return "a file that begins with zeros: an interrupted download"
	case isONNX(head):
		return "an ONNX model"
	case isLlama2c(head, size):
		return "a llama2.c checkpoint; it has no names and no tokenizer, export it as safetensors"
	}
	return ""
}

// isONNX looks for a ModelProto: field 1 (IR version, 1 to 20), then the
// producer's name, a domain or the graph.
func isONNX(b []byte) bool {
	return len(b) > 4 && b[0] == 0x08 && b[1] >= 1 && b[1] <= 20 && (b[2] == 0x12 || b[2] == 0x1a || b[2] == 0x22 || b[2] == 0x3a || b[2] == 0x42)
}

// isLlama2c checks the seven int32 of a legacy run.c checkpoint against the
// file's size, which they determine.
func isLlama2c(b []byte, size int64) bool {
	if len(b) < 28 || size < 0 {
		return false
	}
	var h [7]int64 // dim, ffn, layers, heads, kv heads, vocabulary (negative: untied), positions
	for i := range h {
		h[i] = int64(int32(binary.LittleEndian.Uint32(b[4*i:])))
		if i == 5 {
			continue
		}
		if h[i] < 1 || h[i] > 1<<20 {
			return false
		}
	}
	dim, ffn, layers, heads, kv, vocab, pos := h[0], h[1], h[2], h[3], h[4], h[5], h[6]
	untied := vocab < 0
	if untied {
		vocab = -vocab
	}
	if vocab < 1 || vocab > 1<<24 || dim%heads != 0 || layers > 4096 {
		return false
	}
	hd := dim / heads
	n := vocab*dim + layers*(2*dim+2*dim*dim+2*dim*kv*hd+3*dim*ffn) + dim + pos*hd
	if untied {
		n += vocab * dim
	}
	return size == 28+4*n
}
