package chat

import "strings"

// ThinkOpen reports whether a prompt ends inside a block of reasoning: the
// template has written <think> for the model, whose text then begins with the
// reasoning itself.
func ThinkOpen(prompt string) bool {
	return strings.HasSuffix(strings.TrimRightFunc(prompt, isSpace), defaultOpen)
}

const defaultOpen, defaultClose = "<think>", "</think>"

type thinkState uint8

const (
	thinkStart  thinkState = iota // white space, then perhaps the opening marker
	thinkBegin                    // opened by the prompt; some models open it again
	thinkLead                     // white space behind the opening marker
	thinkInside                   // reasoning, up to the closing marker
	thinkAfter                    // white space behind it
	thinkDone                     // answer
)

// thinker splits reasoning from the answer. White space around the markers
// belongs to neither. It decides by the text alone, never by how the text is
// cut into pieces.
type thinker struct {
	open, close string
	state       thinkState
	buf         string
}

// write takes the next piece and passes what is certain on. final says that
// no more comes.
func (t *thinker) write(s string, final bool, emit func(kind DeltaKind, s string)) {
	t.buf += s
	for t.step(final, emit) {
	}
}

// step does one transition; false means that it waits for more text.
func (t *thinker) step(final bool, emit func(DeltaKind, string)) bool {
	switch t.state {
	case thinkStart, thinkBegin, thinkLead:
		return t.opening(final, emit)
	case thinkInside:
		return t.inside(final, emit)
	case thinkAfter:
		t.buf = strings.TrimLeftFunc(t.buf, isSpace)
		if t.buf == "" {
			return false
		}
		t.state = thinkDone
	}
	if t.buf != "" {
		emit(DeltaContent, t.buf)
		t.buf = ""
	}
	return false
}

// opening handles the states before the first word.
func (t *thinker) opening(final bool, emit func(DeltaKind, string)) bool {
	rest := strings.TrimLeftFunc(t.buf, isSpace)
	switch {
	case t.state == thinkLead:
		t.buf = rest
		if rest == "" && !final {
			return false
		}
		t.state = thinkInside
	case strings.HasPrefix(rest, t.open):
		t.buf, t.state = rest[len(t.open):], thinkLead
	case !final && strings.HasPrefix(t.open, rest):
		return false
	case t.state == thinkStart:
		t.state = thinkDone
	default:
		t.buf, t.state = rest, thinkInside
	}
	return true
}

func (t *thinker) inside(final bool, emit func(DeltaKind, string)) bool {
	if i := strings.Index(t.buf, t.close); i >= 0 {
		if text := strings.TrimRightFunc(t.buf[:i], isSpace); text != "" {
			emit(DeltaReasoning, text)
		}
		t.buf, t.state = t.buf[i+len(t.close):], thinkAfter
		return true
	}
	safe := len(t.buf)
	if !final {
		safe = len(strings.TrimRightFunc(t.buf[:len(t.buf)-partial(t.buf, t.close)], isSpace))
	}
	if safe > 0 {
		emit(DeltaReasoning, t.buf[:safe])
		t.buf = t.buf[safe:]
	}
	return false
}

// partial is the length of the longest tail of s that begins marker.
func partial(s, marker string) int {
	for n := min(len(s), len(marker)-1); n > 0; n-- {
		if strings.HasSuffix(s, marker[:n]) {
			return n
		}
	}
	return 0
}
