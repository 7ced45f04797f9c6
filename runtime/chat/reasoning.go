package chat

import "strings"

// ThinkOpen reports whether a prompt ends inside a block of reasoning: the
// template has written <think> for the model, whose text then begins with the
// reasoning itself.
func ThinkOpen(prompt string) bool {
	return strings.HasSuffix(strings.TrimRightFunc(prompt, isSpace), "<think>")
}
