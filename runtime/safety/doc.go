// Package safety is the second tower beside generation: it decides whether a text may
// go to a model or to a reader. Toxicity comes from a classifier, sensitive topics from
// an automaton over folded text. The order of the two and the messages are those of the
// article's filter. It must never log, keep or count what a text says, and a stream must
// never show a text that the full check refuses.
//
//	p, err := safety.Compile(safety.Policy{Topics: []string{"weapons"}}, nil)
//	if r := p.Check(prompt); r != nil { … r.Message … }
//	f := p.Stream()
//	out, r := f.Write(token) // what may be shown by now
//	out, r = f.Close()
//
// The full check of a text is: any topic anywhere in it, and the highest score of its
// windows (sentences of at most 64 words and 512 bytes). Folding is NFKC, case folded,
// characters without width left out. One scanner cuts segments and windows for both
// checks, and a cut depends on nothing behind it, so that the check of what a stream has
// released sees the windows that the stream saw.
package safety
