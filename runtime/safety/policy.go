package safety

import (
	"fmt"
	"math"
)

// Messages of the article's filter; the colon is U+003A.
const (
	MessageToxic = "内容违反安全规范"
	messageTopic = "警告:涉及%s相关内容"
)

// Threshold is the score above which a text is toxic where a policy says nothing.
const Threshold = 0.7

// Bounds of a policy.
const (
	mostTopics = 10_000
	mostTopic  = 64 // characters, folded
)

// Reasons of a refusal.
const (
	Toxic = "toxicity"
	Topic = "topic"
)

// Classifier gives texts a score. It may be called concurrently.
type Classifier interface {
	// Score is how sure it is that a window is toxic: 0 to 1.
	Score(window string) float64
}

// Policy is what is allowed. The zero value has the threshold 0.7 and no topics.
type Policy struct {
	Threshold *float64 // texts of a higher score are toxic; nil: Threshold; 1 allows all
	Topics    []string // refused wherever they stand, inside of words too; the first in this order gives the message
	Compat    bool     // topics as the article's code has them: as they are written, in the text's lower case
	Off       bool     // everything is allowed
}

// Refusal says why a text was refused. It holds nothing of the text.
type Refusal struct {
	Reason  string // Toxic or Topic
	Message string // for the reader
}

// Compiled is a policy that texts are checked against. It may be used concurrently.
type Compiled struct {
	off        bool
	compat     bool
	threshold  float64
	topics     []string
	automaton  *automaton
	classifier Classifier
}

// Compile checks a policy. A nil classifier is the embedded one.
func Compile(p Policy, c Classifier) (*Compiled, error) {
	out := &Compiled{off: p.Off, compat: p.Compat, threshold: Threshold, topics: p.Topics, classifier: c}
	if p.Threshold != nil {
		if out.threshold = *p.Threshold; !(out.threshold >= 0 && out.threshold <= 1) || math.IsNaN(out.threshold) {
			return nil, fmt.Errorf("safety: threshold %v is not in 0 to 1", out.threshold)
		}
	}
	if len(p.Topics) > mostTopics {
		return nil, fmt.Errorf("safety: %d topics, at most %d", len(p.Topics), mostTopics)
	}
	folded := make([][]rune, len(p.Topics))
	for i, t := range p.Topics {
		if folded[i] = []rune(Fold(t)); p.Compat {
			folded[i] = []rune(t)
		}
		if n := len(folded[i]); n == 0 || n > mostTopic {
			return nil, fmt.Errorf("safety: topic %d has %d characters, want 1 to %d", i+1, n, mostTopic)
		}
	}
	out.automaton = newAutomaton(folded)
	if c == nil && !p.Off {
		m, err := Embedded()
		if err != nil {
			return nil, err
		}
		out.classifier = m
	}
	return out, nil
}

// Off says whether the policy allows everything.
func (p *Compiled) Off() bool { return p.off }

func (p *Compiled) toxic() *Refusal { return &Refusal{Reason: Toxic, Message: MessageToxic} }

func (p *Compiled) topic(i int32) *Refusal {
	return &Refusal{Reason: Topic, Message: fmt.Sprintf(messageTopic, p.topics[i])}
}

// judge is the article's order: toxicity first, then the first topic of the list that
// occurs (-1: none).
func (p *Compiled) judge(score float64, topic int32) *Refusal {
	switch {
	case score > p.threshold:
		return p.toxic()
	case topic >= 0:
		return p.topic(topic)
	}
	return nil
}

// Check is the full check of a text; nil: it may pass.
func (p *Compiled) Check(text string) *Refusal {
	if p.off {
		return nil
	}
	score := 0.0
	topic := p.scan(text, func(window string) { score = max(score, p.classifier.Score(window)) })
	return p.judge(score, topic)
}

// CheckScore is Check with a score that is already known.
func (p *Compiled) CheckScore(text string, score float64) *Refusal {
	if p.off {
		return nil
	}
	return p.judge(score, p.scan(text, func(string) {}))
}

// Windows are the pieces of a text that are scored, in order: together they are the
// text, less long runs of characters without width.
func Windows(text string) (out []string) {
	p := &Compiled{automaton: newAutomaton(nil)}
	p.scan(text, func(w string) { out = append(out, w) })
	return out
}

// scan gives a text's windows and the first topic of the list that occurs in it.
func (p *Compiled) scan(text string, window func(string)) (topic int32) {
	topic = -1
	s := scanner{p: p}
	s.window = window
	s.found = func(i int32) {
		if topic < 0 || i < topic {
			topic = i
		}
	}
	s.write(text)
	s.close()
	return topic
}
