// Package quant holds the tensor types of GGML and their block codecs: how many
// bytes a row takes, how float32 values become blocks, and back. Encoders give
// the bytes ggml's reference gives; decoders give its float32 bits. No product
// is ever fused with a sum, so every CPU computes the same.
//
// It must never allocate in a codec, read beyond a slice it was given, or care
// about alignment: all bytes are little-endian and read byte-wise.
//
//	n, _ := quant.Q8_0.RowBytes(len(row))
//	dst := make([]byte, n)
//	err := quant.Encode(quant.Q8_0, dst, row)
//	err = quant.Decode(quant.Q8_0, row, dst)
package quant
