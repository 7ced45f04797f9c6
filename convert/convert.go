// Package convert turns checkpoints into GGUF files: safetensors and PyTorch
// checkpoints in a Hugging Face folder, or another GGUF, become one file that
// holds the weights, the tokenizer and the model's description. Weights are
// streamed: whatever the checkpoint's size, a run keeps its buffers below
// Options.MaxMemory. It never executes anything found in a checkpoint, never
// guesses what a file is, and leaves no output file behind an error.
//
//	r, err := convert.Quantize(ctx, convert.Options{
//		Source: "Qwen2.5-0.5B", Out: "model.gguf", Type: "q8_0",
//	})
package convert

import (
	"context"
	"errors"
)

// DefaultMaxMemory is the buffer limit used when Options.MaxMemory is 0.
const DefaultMaxMemory = 512 << 20

// Options say what Quantize reads and writes. Source, Out and Type are needed,
// every other field's zero value is its default.
type Options struct {
	Source         string // HF folder, .safetensors/.bin/.pt file, GGUF; single files also as .gz or .zst
	Out            string // path of the GGUF to write
	Type           string // "q8_0", "f16", … in any case; aliases int8 and fp16
	TensorTypes    []Rule // exceptions by tensor name; the last rule that matches wins
	MaxMemory      int64  // bytes of buffers; 0 = DefaultMaxMemory, at least 8 MiB
	Threads        int    // workers that quantize; 0 = runtime.NumCPU()
	Force          bool   // replace Out if it exists
	AllowNonFinite bool   // write NaN and Inf weights instead of refusing them

	// Progress, when set, is told how many source bytes are done; what is the
	// tensor or the file being read. Calls come from one goroutine at a time.
	Progress func(done, total int64, what string)
}

// Rule gives the 2-D tensors whose GGUF name matches Regex the type Type.
type Rule struct {
	Regex string
	Type  string
}

// Report is what a run did, in the order of the file's tensors.
type Report struct {
	Arch     string         `json:"architecture"`
	Source   string         `json:"source"` // "safetensors", "torch", "gguf"
	Tensors  []TensorReport `json:"tensors"`
	InBytes  int64          `json:"in_bytes"`  // bytes of the source's tensors
	OutBytes int64          `json:"out_bytes"` // size of the file written
	Seconds  float64        `json:"seconds"`
	Warnings []string       `json:"warnings,omitempty"`
}

// TensorReport is one tensor of a Report.
type TensorReport struct {
	Name     string `json:"name"`
	Shape    []int  `json:"shape"` // rows first
	From     string `json:"from"`  // source type as its format spells it
	To       string `json:"to"`    // ggml's spelling
	Bytes    int64  `json:"bytes"` // in the file written
	Fallback string `json:"fallback,omitempty"`
}

// Quantize writes Options.Source to Options.Out. The file appears under its
// name only when it is complete; on an error, and when ctx ends, nothing is
// left. The bytes written depend on the source, Type and TensorTypes alone.
func Quantize(ctx context.Context, o Options) (*Report, error) {
	return nil, errors.New("convert: not built yet")
}
