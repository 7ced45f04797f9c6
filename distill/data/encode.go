package data

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/qwq-edge/qwq/internal/shard"
	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// Loss says which tokens of a conversation are targets.
type Loss string

// Choices of Loss. A prompt is never a target.
const (
	LossAnswers Loss = "answers" // what the assistant says; the default
	LossAll     Loss = "all"     // every token
)

// document is a tokenized record.
type document struct {
	ids    []int32
	scored []bool // [len(ids)]: the id is a target of the position before it
}

func (d *document) add(ids []int32, scored bool) {
	d.ids = append(d.ids, ids...)
	for range ids {
		d.scored = append(d.scored, scored)
	}
}

// encoder turns records into documents. Text from the files is plain: special
// tokens written in it are not recognised, but for conversations, whose
// template writes them (and, as everywhere, a message may too).
type encoder struct {
	tok  *tokenizer.Tokenizer
	tmpl *chat.Template // nil: none
	loss Loss
}

func newEncoder(tok *tokenizer.Tokenizer, loss Loss) (*encoder, error) {
	e := &encoder{tok: tok, loss: loss}
	if src := tok.ChatTemplate(); src != "" {
		t, err := chat.Parse("chat_template", src)
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		e.tmpl = t
	}
	return e, nil
}

// digest is the identity of a record: what duplicates share and what decides
// between training and held-out.
func (r *Record) digest() shard.Hash {
	h := sha256.New()
	h.Write([]byte{byte(r.Kind)})
	for _, s := range []string{r.Text, r.Prompt, r.Completion, string(r.Messages), string(r.Tools)} {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	return shard.Hash(h.Sum(nil))
}

// encode adds BOS where the model wants one and EOS at the end of text and
// completions, so that a student learns to stop.
func (e *encoder) encode(r *Record) (*document, error) {
	d := &document{}
	if r.Kind == KindChat {
		return d, e.chat(d, r)
	}
	if e.tok.AddBOS() && e.tok.BOS() >= 0 {
		d.add([]int32{e.tok.BOS()}, false)
	}
	plain := tokenizer.EncodeOptions{NoParseSpecial: true}
	if r.Kind == KindText {
		d.add(e.tok.Encode(r.Text, plain), true)
	} else {
		d.add(e.tok.Encode(r.Prompt, plain), false)
		d.add(e.tok.Encode(r.Completion, plain), true)
	}
	if e.tok.EOS() >= 0 {
		d.add([]int32{e.tok.EOS()}, true)
	}
	return d, nil
}

// chat renders a conversation. For LossAnswers it is rendered up to each answer
// with and without it: what the answer adds is the target, cut where the prompt
// ends when a model answers, and tokenized apart, as it is then.
func (e *encoder) chat(d *document, r *Record) error {
	if e.tmpl == nil {
		return errors.New("the tokenizer has no chat template to render messages with")
	}
	var msgs []chat.Message
	if err := json.Unmarshal(r.Messages, &msgs); err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	o := chat.RenderOptions{BOS: e.spelling(e.tok.BOS()), EOS: e.spelling(e.tok.EOS())}
	if r.Tools != nil {
		if err := json.Unmarshal(r.Tools, &o.Tools); err != nil {
			return fmt.Errorf("tools: %w", err)
		}
	}
	if len(msgs) == 0 {
		return errors.New("messages: none")
	}
	if e.loss == LossAll {
		s, err := e.tmpl.Chat(msgs, o)
		if err != nil {
			return err
		}
		d.add(e.tok.Encode(s, tokenizer.EncodeOptions{}), true)
		return nil
	}
	return e.answers(d, msgs, o)
}

func (e *encoder) answers(d *document, msgs []chat.Message, o chat.RenderOptions) error {
	whole, err := e.tmpl.Chat(msgs, o)
	if err != nil {
		return err
	}
	at, answers := 0, 0
	for i := range msgs {
		if msgs[i].Role != "assistant" {
			continue
		}
		o.AddGenerationPrompt = true
		before, err := e.tmpl.Chat(msgs[:i], o)
		if err != nil {
			return err
		}
		o.AddGenerationPrompt = false
		after, err := e.tmpl.Chat(msgs[:i+1], o)
		if err != nil {
			return err
		}
		if len(before) < at || !strings.HasPrefix(after, before) || !strings.HasPrefix(whole, after) {
			return fmt.Errorf("message %d: the template does not write a conversation's beginning the same way without its end, so the answer cannot be told apart: use loss %q", i, LossAll)
		}
		d.add(e.tok.Encode(whole[at:len(before)], tokenizer.EncodeOptions{}), false)
		d.add(e.tok.Encode(after[len(before):], tokenizer.EncodeOptions{}), true)
		at = len(after)
		answers++
	}
	if answers == 0 {
		return errors.New("messages: no answer of the assistant")
	}
	d.add(e.tok.Encode(whole[at:], tokenizer.EncodeOptions{}), false)
	return nil
}

func (e *encoder) spelling(id int32) string {
	if id < 0 {
		return ""
	}
	return e.tok.Spelling(id)
}
