// Package grammar restricts what a model may write: a grammar in GBNF or a
// JSON schema becomes a pushdown automaton over bytes, and at each step a
// bitset of the tokens after which the text can still be completed. It is a
// leaf: it knows tokenizers by the four methods of Vocab, and samplers not at
// all.
//
//	g, err := grammar.FromSchema(doc, grammar.SchemaOptions{})
//	v := grammar.NewVocabulary(tokenizer) // one for each model
//	m := v.Matcher(g)                     // one for each text
//	for !m.Complete() {
//		allowed, err := m.Allowed()
//		id := sampler.Next(logits, allowed).ID
//		err = m.Accept(id)
//	}
//
// # How masks are made
//
// Every rule that is not copied into those that name it is a frame with states
// of its own, and the text so far is a few heads (one, unless it is ambiguous),
// each a state on a stack of frames that wait. The first time that a state is
// met, one walk over the trie of the vocabulary finds the tokens that stay in
// its frame, which no stack can change, and those that leave it, as a small
// trie of what they write afterwards. Both go to a cache that all grammars of
// a vocabulary share, with the states of equal rules. A mask is then the union
// of the stored ones, and of what the small trie's walk over the real stack
// lets pass.
//
// A repetition with large bounds ({0,1000}, maxLength) counts its turns
// instead of having a state for each; where its body is regular the tokens are
// sorted by how many turns they make, so that a bound costs one union.
//
// # What it must never do
//
// Allow a token after which nothing can complete the text; take unbounded
// time or memory for a grammar from outside (Limits, *LimitError); let a part
// of a schema go unheeded without an error.
package grammar
