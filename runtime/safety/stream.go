package safety

import "strings"

// MostHeld is how many bytes of a text a Stream holds back at most.
const MostHeld = 1024

// Stream lets a text through as far as it has been checked: window by window, and none
// that may hold the beginning of a topic.
type Stream struct {
	s       scanner
	passed  []passed // windows that wait for the automaton
	held    int      // their bytes
	out     strings.Builder
	refusal *Refusal
	hit     int32 // topic found; -1: none
}

// passed is a window that may go once the automaton has left it.
type passed struct {
	text string
	end  int // characters that the automaton had seen at its end
}

// Stream begins to check a text that comes in pieces. One goroutine may use it.
func (p *Compiled) Stream() *Stream {
	f := &Stream{hit: -1}
	f.s = scanner{p: p, window: f.window, found: f.found}
	return f
}

// Write takes the next piece and returns what may be shown by now. After a refusal
// nothing more comes: its message takes the place of the rest.
func (f *Stream) Write(piece string) (string, *Refusal) {
	if f.s.p.off {
		return piece, nil
	}
	for len(piece) > 0 && f.refusal == nil {
		n := min(len(piece), 64) // so that what is held stays bounded whatever the piece
		f.s.write(piece[:n])
		piece = piece[n:]
		f.release()
	}
	return f.take()
}

// Close takes the end of the text.
func (f *Stream) Close() (string, *Refusal) {
	if f.s.p.off {
		return "", nil
	}
	if f.refusal == nil {
		f.s.close()
		f.s.state = 0 // nothing can become a topic any more
		f.release()
	}
	f.s = scanner{p: f.s.p, window: f.window, found: f.found}
	return f.take()
}

// Held is how many bytes of the text are held back.
func (f *Stream) Held() int {
	return f.held + len(f.s.open) + len(f.s.segments.orig) + len(f.s.segments.partial)
}

func (f *Stream) take() (string, *Refusal) {
	out := f.out.String()
	f.out.Reset()
	return out, f.refusal
}

// window scores a window that is complete.
func (f *Stream) window(text string) {
	if f.refusal != nil {
		return
	}
	if f.s.p.classifier.Score(text) > f.s.p.threshold {
		f.refuse(f.s.p.toxic())
		return
	}
	f.passed = append(f.passed, passed{text, f.s.folded})
	f.held += len(text)
}

func (f *Stream) found(topic int32) {
	if f.hit < 0 || topic < f.hit {
		f.hit = topic
	}
}

func (f *Stream) refuse(r *Refusal) {
	f.refusal, f.passed, f.held = r, nil, 0
}

// release lets the windows go that the automaton has left.
func (f *Stream) release() {
	if f.refusal != nil {
		return
	}
	if f.hit >= 0 {
		f.refuse(f.s.p.topic(f.hit))
		return
	}
	begun, n := f.s.begun(), 0
	for n < len(f.passed) && f.passed[n].end <= begun {
		f.out.WriteString(f.passed[n].text)
		f.held -= len(f.passed[n].text)
		n++
	}
	f.passed = f.passed[n:]
	if f.Held() > MostHeld { // a topic's beginning, stretched by characters without width: taken for the topic
		f.refuse(f.s.p.topic(f.s.p.automaton.under[f.s.state]))
	}
}
