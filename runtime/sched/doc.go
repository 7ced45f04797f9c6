// Package sched lets many requests share one model: it runs one loop over all live
// sequences and mixes the reading of prompts with the generation of tokens
// (continuous batching, Yu et al., Orca, 2022). It must never change a token: what a
// request gets is what it would get alone.
//
//	s := sched.New(model, sched.Options{})
//	defer s.Close()
//	st, err := s.Submit(ctx, sched.Request{Request: engine.Request{Prompt: "Once"}})
//	for t, err := range st.Tokens() {
//		fmt.Print(t.Text)
//	}
//
// A request waits until a place is free. Of those that wait the highest priority goes
// first, then the user who was served least, then the oldest. Where users compete, a
// place is taken back after some tokens from the one who holds more of them; the
// sequence keeps its KV cache unless the pages are needed.
//
// Prompts are read in the order of arrival, in chunks that stall the running streams
// for about Options.Stall. Finished sequences stay until their pages are needed, so
// that a prompt that begins like an earlier one is read from there on.
package sched
