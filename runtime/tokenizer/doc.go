// Package tokenizer turns text into token ids and back, exactly as the model
// was trained: byte-level BPE (GPT-2, Llama-3, Qwen2 and CLIP), SentencePiece BPE
// with byte fall-back, SentencePiece Unigram, WordPiece. A tokenizer comes from a
// GGUF file, a Hugging Face folder, tokenizer.json, tokenizer.model, a file of
// ranks (*.tiktoken), vocab.json beside merges.txt or vocab.txt, and goes back
// into GGUF keys.
//
// It never panics on input, never allocates by a count it only read, and takes
// at most O(n log n) time for a text of n bytes. Text that is no valid UTF-8 is
// read as if every maximal invalid part were U+FFFD.
//
//	tok, err := tokenizer.Load("model.gguf")
//	ids := tok.Encode("Hello", tokenizer.EncodeOptions{AddSpecial: true})
//	s := tok.Stream(true)
//	for _, id := range ids {
//		fmt.Print(s.Next(id))
//	}
//	fmt.Print(s.Flush())
package tokenizer
