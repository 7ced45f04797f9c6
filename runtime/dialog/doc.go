// Package dialog follows a conversation: the article's tracker turns the vectors of
// its turns into a state, a head on the state says where a topic ends, and the
// topics decide which turns stay in a model's window when it is full. It neither
// makes vectors (an encoder does) nor knows texts.
//
//	t, err := dialog.Open("tracker.gguf", backend.CPUOptions{})
//	var s dialog.State                        // one per session
//	turn, err := t.Turn(&s, vector, tokens)   // turn.Shift: a new topic began
//	keep := s.Select(budget)                  // which turns to show the model
//	b, err := s.MarshalBinary()               // kept with the session
//
// A Tracker serves any number of sessions; a State is one session's and for one
// goroutine at a time.
package dialog
