// Package gguf reads and writes GGUF files, the one model file of this module:
// versions 2 and 3 in, version 3 out, little-endian. Parse is a pure function
// on bytes; Open maps a file, or all parts of a split one, and parses it in
// place. It must never trust a number of a file: every count, length and offset
// is checked against the size of the file before it is used.
//
//	f, err := gguf.Open("model.gguf")
//	defer f.Close()
//	layers, ok := f.Uint("llama.block_count")
//	w, err := f.Tensor("output.weight").Matrix()
package gguf
