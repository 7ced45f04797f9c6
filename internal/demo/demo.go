// Package demo holds a trained model inside the program, so that generating
// and measuring work with nothing else on the machine. The model is the int8
// copy of testdata/tinystories-student, which testdata/recipes/embedded.yaml
// distilled; a test makes the copy again and compares.
//
//	f, err := gguf.Parse(demo.Model())
//	m, err := engine.New(f, engine.Options{})
package demo

import _ "embed"

// Describe says what the model is, for messages.
const Describe = "1.7 million weights trained on simple stories, int8"

//go:embed tinystories-int8.gguf
var model []byte

// Model returns the model as the bytes of a GGUF file. They must not be
// changed; nothing is promised about their alignment.
func Model() []byte { return model }
