// Package data turns texts into rows of token ids: it reads text, JSON lines
// and parquet, also compressed, renders conversations, drops exact duplicates,
// splits off held-out documents, and packs the rest into rows of one length
// whose documents do not see each other.
//
// Reading is streamed: memory does not grow with the files, but for 16 bytes a
// document that remember what has been seen. A document or line is bounded,
// decompression too, and every complaint names file and line. It must never
// guess: an unknown file name, an unknown record or a broken line is an error.
//
// Text must be UTF-8. What is not is an error, or with ReplaceInvalid every
// maximal invalid part is U+FFFD. A lone surrogate in a JSON escape is U+FFFD in
// any case, as in encoding/json.
//
//	job, err := data.NewJob(data.Options{Files: files, Tokenizer: tok, Length: 512})
//	err = shard.Run(ctx, "rows", job, shard.Selection{}, shard.Options{})
//	rows, err := data.Open("rows")
//	err = rows.Batch(data.Train, []int{0, 1, 2, 3}, &batch)
package data
