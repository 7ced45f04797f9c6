// Package export writes a trained model: as a GGUF file that the engine runs and
// qwq-convert quantizes, and as a Hugging Face folder from which qwq-convert makes
// the same file again, bit for bit. What a folder cannot say is an error, never
// left out. Both appear whole or not at all.
//
//	w := export.Weights{Base: student, Params: params}
//	err := w.GGUF(ctx, "student.gguf", export.Options{})
//	err = w.HF(ctx, "student", export.Options{Type: quant.BF16})
package export
