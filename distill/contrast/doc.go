// Package contrast trains CLIP: both towers of a file on the tape, with InfoNCE
// between the embeddings of texts and images. It must never know where pairs come
// from, nor how a model is evaluated.
//
//	m, err := contrast.Open(file, pool, contrast.Options{})
//	tr, err := m.Trainer(contrast.Training{Schedule: s})
//	loss, err := tr.Step(&contrast.Batch{Texts: ids, Images: pixels, Groups: groups})
//	w, err := m.Weights()
//	err = w.GGUF(ctx, "trained.gguf", export.Options{})
//
// Details that are easy to get wrong:
//   - Negatives are all of a group, so embeddings come first and the graphs run again
//     with the gradients that the loss found (as in GradCache, Gao et al. 2021): memory
//     is that of one part of the images, and parts change no result but by rounding.
//   - Two equal texts in a group would be each other's negatives. Texts are therefore
//     listed once, and a group names each at most once.
//   - The class and the first position of the vision tower are one parameter, their
//     sum; Weights takes the file's class from it again.
package contrast
